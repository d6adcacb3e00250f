"""What happened in a soak, as values: at EC2, in the records, and to users."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lifecycle_app.model.history import Entry
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State


class Event(StrEnum):
    """What a user did or saw."""

    ASKED = "asked for the server"
    READY = "saw that the server is ready"
    FAILED = "saw that the start failed"
    ACTED = "ran a cell or saved a file"
    WORKS = "left work running"
    PRESSED = "pressed Stop"
    WROTE = "wrote a file"
    READ = "read a file"
    LOST = "lost the server or a kernel"
    LOGGED_OUT = "was logged out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An entry of a user's log. `until` is the end of work left running; `since` the start of what is lost."""

    at: datetime
    worker: str
    event: Event
    since: datetime | None = None
    until: datetime | None = None
    file: str = ""
    checksum: str = ""
    """Of the file's content; "" if it was missing."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to EC2; `caller` as benchmarks.bench.counting names them, `error` EC2's code for a refused one."""

    at: datetime
    caller: str
    action: str
    instances: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An instance entered a state, by EC2's own clock."""

    at: datetime
    instance_id: str
    worker: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A fault, from when it was switched on until its effect was over."""

    name: str
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """The processes of an instance were killed."""

    at: datetime
    instance_id: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A worker's record at the end."""

    instance_id: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A whole soak. `period` is that of the workers' reports; `sweep` the time from one to the end of the next."""

    policy: Policy
    period: timedelta
    sweep: timedelta
    patience: timedelta
    """How long a login may take."""
    ended: datetime
    faults: tuple[Episode, ...] = ()
    crashes: tuple[Crash, ...] = ()
    calls: tuple[Call, ...] = ()
    transitions: tuple[Transition, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)
    history: tuple[Entry, ...] = ()
    seen: tuple[Seen, ...] = ()
    homes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Checksums of the files on the home disks at the end, by worker and name."""
