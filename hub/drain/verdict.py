"""Whether the hub releases a server that the lifecycle app wants to stop. Decided here, done by the handler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle_app.contract import PENDING_KEEP, Drain, Level, app_name
from lifecycle_app.printable import printable

# What of a worker's report is kept as evidence.
FIGURES = ("busy_kernels", "busy_terminals", "cpu_percent", "level", "app")
LARGEST_FIGURE = 1e12
MOST_DETAILS, LONGEST_DETAIL = 5, 200
RELEASED = {
    Drain.IDLE: "no activity since",
    Drain.UNATTENDED: "the user has done nothing since",
    Drain.WITHOUT_WORK: "no work since",
    Drain.REGARDLESS: "released without asking the worker",
}
MOST_SKEW = timedelta(minutes=2)
"""If the clock of a worker or of the lifecycle app is further off, its times prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A drain request of the lifecycle app."""

    worker: str
    instance_id: str
    since: datetime
    mode: Drain
    counts: int = Level.LOAD
    """The lowest level that counts as activity in mode idle. What a person does always counts."""
    apps: bool = False
    """Does traffic of web apps count as activity in mode idle, which may be a person's?"""
    skew: timedelta = timedelta(0)
    """How far the lifecycle app's clock is ahead of the hub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The user's server as the hub knows it at this moment."""

    pending: str | None
    """What is pending in JupyterHub: spawn, stop, check, rename."""
    active: bool
    started: datetime | None
    instance_id: str
    is_given_up: bool = False
    """Has the pending start requested the stop of its instance itself, because it did not answer?"""
    is_keep_pending: bool = False
    """Does its user ask at this moment to keep it running?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the worker has just reported about itself; times by the hub's clock."""

    last_interaction: datetime | None
    last_work: datetime | None
    level: int
    evidence: Mapping[str, Any]
    last_app: datetime | None = None
    """When a web app last had traffic that may be a person's; None too from a worker that does not report it."""
    skew: timedelta = timedelta(0)
    """How far the worker's clock is behind the hub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to release the server, and why."""

    drained: bool
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def parse_request(body: object, now: datetime) -> Request:
    """The request in a JSON body, which came at `now`. Raises ValueError that names the field.

    If the lifecycle app's clock is ahead, its times are shifted to the hub's: then they cannot hide activity.
    """
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")  # noqa: TRY004 -- a wrong request, not a wrong program
    for name in ("worker", "instance_id"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise ValueError(f"{name} is missing")
    since, claimed_at = _moment(body, "since"), _moment(body, "claimed_at")
    try:
        mode = Drain(str(body.get("mode")))
    except ValueError as error:
        raise ValueError("the mode is unknown") from error
    skew = claimed_at - now
    # A user's request to stop has the hub's own time.
    is_ahead = mode is not Drain.REGARDLESS and timedelta(0) < skew <= MOST_SKEW
    return Request(
        worker=body["worker"],
        instance_id=body["instance_id"],
        since=since - skew if is_ahead else since,
        mode=mode,
        skew=skew,
        # An older lifecycle app does not know apps.
        apps=body.get("apps") is True,
        counts=_level(body.get("counts", Level.LOAD), least=Level.LOAD, what="counts"),
    )


def parse_observation(reported: Mapping[str, Any], now: datetime) -> Observation:
    """The observation in a worker's report, which came at `now`. Its times are shifted to the hub's clock.

    Raises ValueError for one that is not complete.
    """
    level = _level(reported.get("level"), least=0, what="the worker's level")
    observed_at = _time(reported, "observed_at")
    if observed_at is None:
        raise ValueError("the worker's report has no observed_at")
    shift = now - observed_at
    try:
        happened = {
            name: at + shift
            for name in ("last_interaction", "last_work", "last_app")
            if (at := _time(reported, name))
        }
    except OverflowError as error:
        raise ValueError("the worker reports an impossible time") from error
    return Observation(
        last_interaction=happened.get("last_interaction"),
        last_work=happened.get("last_work"),
        last_app=happened.get("last_app"),
        level=level,
        evidence=_evidence(reported, {**happened, "observed_at": now}),
        skew=shift,
    )


def refusal_before_asking(request: Request, server: Server | None) -> Verdict | None:
    """A refusal for which the worker need not be asked; None if there is none."""
    if abs(request.skew) > MOST_SKEW:
        return _refused(f"the lifecycle app's clock is off by {_seconds(request.skew)}", {})
    if server is None:
        return None
    if server.is_given_up and request.mode is Drain.REGARDLESS and server.instance_id == request.instance_id:
        return None
    if server.pending and server.pending != "stop":
        return _refused(f"the user's server is pending {server.pending}", {"pending": server.pending})
    if not server.active:
        return None
    if server.instance_id and server.instance_id != request.instance_id:
        return _refused("the user's server is on another instance", {"instance_id": server.instance_id})
    if server.started and server.started > request.since:
        return _refused("the user's server was started since", {"started": server.started.isoformat()})
    if server.is_keep_pending and request.mode in (Drain.IDLE, Drain.UNATTENDED):
        return _refused("the user asks to keep the machine running", {"pending": PENDING_KEEP})
    return None


def verdict(
    request: Request,
    server: Server | None,
    observation: Observation | None,
    problem: str = "",
    *,
    answers: bool = False,
) -> Verdict:
    """The decision, from the server as it is now and what the worker reported.

    `problem` says why there is no observation; `answers` whether the worker answered anyway. One that answers is up,
    and may be in use.
    """
    refused = refusal_before_asking(request, server)
    if refused:
        return refused
    if request.mode is Drain.REGARDLESS:
        return Verdict(drained=True, reason=RELEASED[request.mode])
    if observation is None:
        return _unobserved(server, problem, {"answers": answers})
    activity = _activity_since(request, observation)
    evidence = {**observation.evidence, "answers": True}
    if activity:
        return _refused(activity, evidence)
    if abs(observation.skew) > MOST_SKEW:
        # Activity that it reports may be real; activity that it does not report may be from before its clock was set.
        return _unobserved(
            server, f"the worker's clock is off by {_seconds(observation.skew)}", {"answers": True}
        )
    return Verdict(drained=True, reason=RELEASED[request.mode], evidence=evidence)


def _unobserved(server: Server | None, problem: str, evidence: Mapping[str, bool]) -> Verdict:
    if evidence["answers"]:
        return _refused(f"the worker answers, but does not report its activity: {problem}", evidence)
    if server is not None and server.active:
        return _refused(f"the worker cannot be asked: {problem}", evidence)
    return Verdict(
        drained=True,
        reason="the hub has no server there, and the worker does not answer",
        evidence=evidence,
    )


def _activity_since(request: Request, observation: Observation) -> str | None:
    used = observation.last_interaction
    if request.mode is Drain.WITHOUT_WORK:
        return _work_since(request, observation)
    if used and used > request.since:
        return f"used at {used:%H:%M:%S}"
    if observation.level >= Level.INTERACTION:
        return "being used now"
    if request.mode is Drain.UNATTENDED:
        return None
    if observation.level >= request.counts:
        return f"{Level(observation.level).name.lower()} on it now"
    if request.counts <= Level.WORK and (work := _work_since(request, observation)):
        return work
    if request.apps and observation.last_app and observation.last_app > request.since:
        return f"{_app(observation)} had traffic at {observation.last_app:%H:%M:%S}"
    return None


def _work_since(request: Request, observation: Observation) -> str | None:
    if observation.level == Level.WORK:
        return "work on it now"
    worked = observation.last_work
    return f"work ran at {worked:%H:%M:%S}" if worked and worked > request.since else None


def _app(observation: Observation) -> str:
    return app_name(observation.evidence.get("app", 0))


def _seconds(skew: timedelta) -> str:
    return f"{round(abs(skew).total_seconds())} s"


def _refused(reason: str, evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(drained=False, reason=reason, evidence=evidence)


def _moment(body: Mapping[str, Any], name: str) -> datetime:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is not a time in epoch seconds")  # noqa: TRY004 -- a wrong request, not a wrong program
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{name} is not a possible time") from error


def _time(reported: Mapping[str, Any], name: str) -> datetime | None:
    value = reported.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the worker's {name} is not a time")  # noqa: TRY004 -- its mistake, not ours
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"the worker's {name} is not a time") from error


def _level(value: object, *, least: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= max(Level):
        raise ValueError(f"{what} is not a level from {least} to {max(Level)}")
    return value


def _evidence(reported: Mapping[str, Any], times: Mapping[str, datetime]) -> dict[str, Any]:
    """What goes into the history. A user can make a worker report anything, so the size is limited."""
    details = reported.get("details")
    texts = (
        [printable(one[:LONGEST_DETAIL]) for one in details if isinstance(one, str)]
        if isinstance(details, list)
        else []
    )
    kept = {name: reported[name] for name in FIGURES if _is_figure(reported.get(name))}
    seconds = {name: at.timestamp() for name, at in times.items()}
    return {**kept, **seconds, "details": texts[:MOST_DETAILS]}


def _is_figure(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -LARGEST_FIGURE < value < LARGEST_FIGURE
    )
