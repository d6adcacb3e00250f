"""Whether the hub lets go of a server that the lifecycle app wants to stop. Decided here, done by the handler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

# What a worker tells that is kept as evidence.
FIGURES = ("busy_kernels", "busy_terminals", "cpu_percent", "level")
LARGEST_FIGURE = 1e12
MOST_WORDS, LONGEST_WORDS = 5, 200
LEVELS = ("quiet", "load", "work", "interaction")
LOAD, WORK, INTERACTION = 1, 2, 3
# With its clock further off than this, nobody can tell when anything happened, be it a worker's or the lifecycle app's.
MOST_SKEW = timedelta(minutes=2)


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
    counts: int = LOAD
    """The lowest level that counts as life in mode idle. A person always counts."""
    skew: timedelta = timedelta(0)
    """How far the lifecycle app's clock is ahead of the hub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The user's server as the hub knows it in this moment."""

    pending: str | None
    """JupyterHub's word for what is under way: spawn, stop, check, rename."""
    active: bool
    started: datetime | None
    instance_id: str
    is_given_up: bool = False
    """Has the pending start waited in vain for its machine's answer, and asked for its stop itself?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the worker told about itself just now; times by the hub's clock."""

    last_interaction: datetime | None
    last_work: datetime | None
    level: int
    evidence: Mapping[str, Any]
    skew: timedelta = timedelta(0)
    """How far the worker's clock is behind the hub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to let go, and why."""

    drained: bool
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def parse_request(body: object, now: datetime) -> Request:
    """The request in a JSON body, which came at `now`. Raises ValueError that names the field.

    What the lifecycle app's clock would call later than the hub's is shifted into the hub's: then it cannot hide life.
    """
    if not isinstance(body, dict):
        raise ValueError("the body is no object")  # noqa: TRY004 -- a wrong request, not a wrong program
    for name in ("worker", "instance_id"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise ValueError(f"{name} is missing")
    since, claimed_at = _moment(body, "since"), _moment(body, "claimed_at")
    try:
        mode = Mode(str(body.get("mode")))
    except ValueError as error:
        raise ValueError("there is no such mode") from error
    skew = claimed_at - now
    # Who asks for a stop does so by the hub's own clock.
    is_ahead = mode is not Mode.REGARDLESS and timedelta(0) < skew <= MOST_SKEW
    return Request(
        worker=body["worker"],
        instance_id=body["instance_id"],
        since=since - skew if is_ahead else since,
        mode=mode,
        skew=skew,
        counts=_level(body.get("counts", LOAD), least=LOAD, what="counts"),
    )


def parse_observation(told: Mapping[str, Any], now: datetime) -> Observation:
    """The observation in a worker's answer, which came at `now`. Its times are shifted into the hub's clock.

    Raises ValueError for one that is not complete.
    """
    level = _level(told.get("level"), least=0, what="the worker's level")
    observed_at = _time(told, "observed_at")
    if observed_at is None:
        raise ValueError("the worker does not tell when it looked")
    shift = now - observed_at
    try:
        happened = {
            name: at + shift for name in ("last_interaction", "last_work") if (at := _time(told, name))
        }
    except OverflowError as error:
        raise ValueError("the worker tells a time beyond all times") from error
    return Observation(
        last_interaction=happened.get("last_interaction"),
        last_work=happened.get("last_work"),
        level=level,
        evidence=_evidence(told, {**happened, "observed_at": now}),
        skew=shift,
    )


def refusal_before_asking(request: Request, server: Server | None) -> Verdict | None:
    """A refusal for which the worker need not be asked; None if there is none."""
    if abs(request.skew) > MOST_SKEW:
        return _refused(f"the lifecycle app's clock is off by {_seconds(request.skew)}", {})
    if server is None:
        return None
    if server.is_given_up and request.mode is Mode.REGARDLESS and server.instance_id == request.instance_id:
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


def verdict(
    request: Request,
    server: Server | None,
    seen: Observation | None,
    silence: str = "",
    *,
    answers: bool = False,
) -> Verdict:
    """The decision, from the server as it is now and what the worker told.

    `silence` says why it told nothing; `answers` whether it answered all the same. One that answers but cannot tell
    is up, and somebody may be at work on it.
    """
    refused = refusal_before_asking(request, server)
    if refused:
        return refused
    if request.mode is Mode.REGARDLESS:
        return Verdict(drained=True, reason="let go without asking the worker")
    if seen is None:
        return _without_a_word(server, silence, {"answers": answers})
    life = _life_since(request, seen)
    evidence = {**seen.evidence, "answers": True}
    if life:
        return _refused(life, evidence)
    if abs(seen.skew) > MOST_SKEW:
        # What its clock shows of life may be so; what it does not show may have been before the clock was set.
        return _without_a_word(
            server, f"the worker's clock is off by {_seconds(seen.skew)}", {"answers": True}
        )
    words = "nothing has happened since" if request.mode is Mode.IDLE else "nobody has done anything since"
    return Verdict(drained=True, reason=words, evidence=evidence)


def _without_a_word(server: Server | None, silence: str, evidence: Mapping[str, bool]) -> Verdict:
    if evidence["answers"]:
        return _refused(f"the worker answers, but does not tell what goes on in it: {silence}", evidence)
    if server is not None and server.active:
        return _refused(f"the worker cannot be asked: {silence}", evidence)
    return Verdict(
        drained=True,
        reason="the hub has no server there, and the worker does not answer",
        evidence=evidence,
    )


def _life_since(request: Request, seen: Observation) -> str | None:
    if seen.last_interaction and seen.last_interaction > request.since:
        return f"somebody did something at {seen.last_interaction:%H:%M:%S}"
    if seen.level >= INTERACTION:
        return "somebody is doing something just now"
    if request.mode is Mode.UNATTENDED:
        return None
    if seen.level >= request.counts:
        return f"there is {LEVELS[seen.level]} on it just now"
    if request.counts <= WORK and seen.last_work and seen.last_work > request.since:
        return f"it worked at {seen.last_work:%H:%M:%S}"
    return None


def _seconds(skew: timedelta) -> str:
    return f"{round(abs(skew).total_seconds())} s"


def _refused(reason: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(drained=False, reason=reason, evidence=evidence)


def _moment(body: Mapping[str, Any], name: str) -> datetime:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no time in epoch seconds")  # noqa: TRY004 -- a wrong request, not a wrong program
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{name} is no possible time") from error


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


def _level(value: object, *, least: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < len(LEVELS):
        raise ValueError(f"{what} is no level from {least} to {len(LEVELS) - 1}")
    return value


def _evidence(told: Mapping[str, Any], times: Mapping[str, datetime]) -> dict[str, Any]:
    """What goes into the history. A user can make a worker tell anything, so that only so much is kept."""
    details = told.get("details")
    words = (
        [one[:LONGEST_WORDS] for one in details if isinstance(one, str)] if isinstance(details, list) else []
    )
    kept = {name: told[name] for name in FIGURES if _is_figure(told.get(name))}
    seconds = {name: at.timestamp() for name, at in times.items()}
    return {**kept, **seconds, "details": words[:MOST_WORDS]}


def _is_figure(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -LARGEST_FIGURE < value < LARGEST_FIGURE
    )
