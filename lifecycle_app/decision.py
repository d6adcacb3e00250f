"""A decision about a worker, as a value: what is to be done, why, and how the hub is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lifecycle_app.policy import Level


class Action(StrEnum):
    """What is to be done."""

    KEEP = "keep"
    STOP = "stop"


class Reason(StrEnum):
    """Why, in one word."""

    NOT_RUNNING = "not-running"
    KEPT = "kept"
    STARTING = "starting"
    ACTIVE = "active"
    BUSY = "busy"
    IDLE = "idle"
    NEVER_CONNECTED = "never-connected"
    NO_SERVER = "no-server"
    BUSY_TOO_LONG = "busy-too-long"
    MAX_LIFETIME = "max-lifetime"
    MUTE = "mute"
    HUNG = "hung"
    STOP_REQUESTED = "stop-requested"


class Drain(StrEnum):
    """How the hub is asked to let go of the server."""

    IDLE = "idle"
    """Not if there was any sign of life."""
    UNATTENDED = "unattended"
    """Work may be running, but not if there was a person."""
    REGARDLESS = "regardless"
    """Whatever the worker does. A login that is under way is respected even so."""


class Insist(StrEnum):
    """When a hub that refuses is asked once more, to let go regardless of the worker."""

    NEVER = "never"
    IF_MUTE = "if-mute"
    """If the worker does not tell what goes on in it."""
    IF_DEAD = "if-dead"
    """If the worker does not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about a worker, and why, as it is logged and kept.

    A stop also says how to ask the hub (`drain`, `insist`), from when on a sign of life forbids it (`since`) and which
    level `counts` as one, and whether the evidence is enough to stop it `alone`, without the hub, should the hub be
    down. `even_silent`: also if the hub has no server there and the worker does not answer, so that nobody has told
    that it does nothing.
    """

    action: Action
    reason: Reason
    words: str
    due_at: datetime | None
    evidence: Mapping[str, object] = field(default_factory=dict)
    drain: Drain = Drain.IDLE
    insist: Insist = Insist.NEVER
    counts: Level = Level.LOAD
    since: datetime | None = None
    alone: bool = False
    even_silent: bool = True
