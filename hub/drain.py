"""Whether the hub lets go of a server that the lifecycle app wants to stop. Decided here, done by the handler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

# What a worker tells that is kept as evidence.
FIGURES = (
    "busy_kernels",
    "busy_terminals",
    "cpu_percent",
    "last_interaction",
    "last_work",
    "level",
    "observed_at",
)
MOST_WORDS, LONGEST_WORDS = 5, 200
LEVELS = ("quiet", "load", "work", "interaction")


class Mode(StrEnum):
    """How much a stop respects what goes on in a worker."""

    IDLE = "idle"
    """Only if nothing has happened since."""
    UNATTENDED = "unattended"
    """Work may run, but nobody may have done anything since."""
    REGARDLESS = "regardless"
    """The worker is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the lifecycle app asks for."""

    worker: str
    instance_id: str
    since: datetime
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The user's server as the hub knows it in this moment."""

    pending: str | None
    """JupyterHub's word for what is under way: spawn, stop, check, rename."""
    active: bool
    started: datetime | None
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the worker told about itself just now."""

    last_interaction: datetime | None
    last_work: datetime | None
    level: int
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to let go, and why."""

    drained: bool
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def parse_request(body: object) -> Request:
    """The request in a JSON body. Raises ValueError that names the field."""
    if not isinstance(body, dict):
        raise ValueError("the body is no object")  # noqa: TRY004 -- a wrong request, not a wrong program
    for name in ("worker", "instance_id"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise ValueError(f"{name} is missing")
    since = body.get("since")
    if isinstance(since, bool) or not isinstance(since, int | float):
        raise ValueError("since is no time in epoch seconds")  # noqa: TRY004 -- a wrong request, not a wrong program
    try:
        at = datetime.fromtimestamp(since, UTC)
        mode = Mode(str(body.get("mode")))
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("since or mode is not possible") from error
    return Request(worker=body["worker"], instance_id=body["instance_id"], since=at, mode=mode)


def parse_observation(told: Mapping[str, Any]) -> Observation:
    """The observation in a worker's answer. Raises ValueError for one that is not complete."""
    level = told.get("level")
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level < len(LEVELS):
        raise ValueError("the worker does not tell its level")
    return Observation(
        last_interaction=_time(told, "last_interaction"),
        last_work=_time(told, "last_work"),
        level=level,
        evidence=_evidence(told),
    )


def refusal_before_asking(request: Request, server: Server | None) -> Verdict | None:
    """A refusal for which the worker need not be asked; None if there is none."""
    if server is None:
        return None
    if server.pending and server.pending != "stop":
        return _refused(f"the user's server is pending {server.pending}", {"pending": server.pending})
    if not server.active:
        return None
    if server.instance_id and server.instance_id != request.instance_id:
        return _refused("the user's server is on another instance", {"instance_id": server.instance_id})
    if server.started and server.started > request.since:
        return _refused("the user's server was started since", {"started": server.started.isoformat()})
    return None


def verdict(request: Request, server: Server | None, seen: Observation | None, silence: str = "") -> Verdict:
    """The decision, from the server as it is now and what the worker told; `silence` says why it told nothing."""
    refused = refusal_before_asking(request, server)
    if refused:
        return refused
    if request.mode is Mode.REGARDLESS:
        return Verdict(drained=True, reason="let go without asking the worker")
    if seen is None:
        if server is not None and server.active:
            return _refused(f"the worker cannot be asked: {silence}", {})
        return Verdict(drained=True, reason="the hub has no server there, and the worker does not answer")
    life = _life_since(request, seen)
    if life:
        return _refused(life, seen.evidence)
    words = "nothing has happened since" if request.mode is Mode.IDLE else "nobody has done anything since"
    return Verdict(drained=True, reason=words, evidence=seen.evidence)


def _life_since(request: Request, seen: Observation) -> str | None:
    if seen.last_interaction and seen.last_interaction > request.since:
        return f"somebody did something at {seen.last_interaction:%H:%M:%S}"
    if seen.level >= LEVELS.index("interaction"):
        return "somebody is doing something just now"
    if request.mode is Mode.UNATTENDED:
        return None
    if seen.level > 0:
        return f"there is {LEVELS[seen.level]} on it just now"
    if seen.last_work and seen.last_work > request.since:
        return f"it worked at {seen.last_work:%H:%M:%S}"
    return None


def _refused(reason: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(drained=False, reason=reason, evidence=evidence)


def _time(told: Mapping[str, Any], name: str) -> datetime | None:
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the worker's {name} is no time")  # noqa: TRY004 -- its mistake, not ours
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"the worker's {name} is no time") from error


def _evidence(told: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into the history. A user can make a worker tell anything, so that only so much is kept."""
    details = told.get("details")
    words = (
        [one[:LONGEST_WORDS] for one in details if isinstance(one, str)] if isinstance(details, list) else []
    )
    kept = {name: told[name] for name in FIGURES if isinstance(told.get(name), int | float)}
    return {**kept, "details": words[:MOST_WORDS]}
