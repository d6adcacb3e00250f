"""What was seen on a worker at one moment, and what it amounts to. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum


class Level(IntEnum):
    """How much life there is on a machine. Ordered, so that a maximum over time or over sources has a meaning."""

    QUIET = 0
    LOAD = 1
    WORK = 2
    INTERACTION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A person did something."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A living process of the machine's user; zombies are none."""

    pid: int
    parent: int
    name: str
    arguments: tuple[str, ...] = ()
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything seen at one moment.

    ``root``: the process below which all of the user's processes live (the boot client, or the server itself).
    ``terminals``: shell's pid by terminal name. ``cpu_time``: what the whole tree has used since it exists.
    ``busy_kernels``: descriptions of kernels that ran something since the last report.
    """

    at: datetime
    root: int
    server: int
    processes: tuple[Process, ...] = ()
    terminals: Mapping[str, int] = field(default_factory=dict)
    busy_kernels: tuple[str, ...] = ()
    last_interaction: Interaction | None = None
    cpu_time: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the facts of a period amount to, with the reasons in words."""

    at: datetime
    level: Level
    last_interaction: datetime | None
    last_work: datetime | None
    busy_kernels: int
    busy_terminals: int
    cpu_percent: float
    details: tuple[str, ...]
