"""A decision about a worker, as a value: what is to be done, why, and how the hub is asked for it.

Whether a worker may go on running. Pure: the same worker, evidence, policy and time give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.messages import clock, length
from lifecycle_app.model.policy import Level, Policy
from lifecycle_app.model.worker import State, Worker


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


MUTE_AFTER = timedelta(hours=24)
"""So long a worker may run of which nothing is heard at all, where the policy sets no end to work."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What a decision rests on, with the times that decide worked out once."""

    worker: Worker
    evidence: Evidence
    policy: Policy
    now: datetime
    started: datetime
    life: datetime
    person: datetime

    @property
    def lived(self) -> bool:
        """Was there any sign of life in this run?"""
        return self.life > self.started

    @property
    def is_in_use(self) -> bool:
        """Was there a sign of life within the idle timeout?"""
        return self.now < self.life + self.policy.idle_timeout

    @property
    def is_unattended(self) -> bool:
        """Has nobody been seen for longer than work without a person may go on?"""
        allowance = self.policy.busy_allowance
        return allowance is not None and self.now >= self.person + allowance

    def covered(self, since: datetime) -> bool:
        return self.evidence.covers(since, self.now)

    @property
    def was_heard(self) -> bool:
        """Has it told anything in this run?"""
        return self.lived or bool(self.evidence.reports)


def decide(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> Decision:
    """What to do about the worker; the first rule that has something to say decides."""
    if worker.state is not State.RUNNING and not worker.is_abandoned(now):
        words = f"it is {worker.state}"
        return Decision(action=Action.KEEP, reason=Reason.NOT_RUNNING, words=words, due_at=worker.due_at)
    case = _case(worker, evidence, policy, now)
    return (
        _held(case)
        or _outlived(case)
        or _left_by_hub(case)
        or _in_use(case)
        or _unattended(case)
        or _mute(case)
        or _hung(case)
        or _unused(case)
    )


def requested(worker: Worker, by: str, requested_at: datetime) -> Decision:
    """The decision to stop a worker because somebody pressed Stop; it needs no idleness."""
    return Decision(
        action=Action.STOP,
        reason=Reason.STOP_REQUESTED,
        # Not at the sentence's beginning, which is written large: a name is not.
        words=f"a stop was asked for by {by} at {clock(requested_at)}",
        due_at=worker.due_at,
        evidence={"requested_by": by, "requested_at": requested_at.isoformat()},
        drain=Drain.REGARDLESS,
        since=requested_at,
        alone=True,
    )


def next_look(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> datetime:
    """The first moment at which the worker might be stopped, should nothing happen until then."""
    return _next_look(_case(worker, evidence, policy, now))


def _case(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> _Case:
    started = worker.started_at or worker.state_at
    person = _newest(started, worker.last_interaction, evidence.last_life(Level.INTERACTION))
    life = _newest(person, worker.last_activity, evidence.last_life(policy.lowest_level))
    return _Case(worker, evidence, policy, now, started=started, life=life, person=person)


def _next_look(case: _Case) -> datetime:
    policy = case.policy
    stops = [case.life + policy.idle_timeout]
    if policy.busy_allowance is not None:
        stops.append(case.person + policy.busy_allowance)
    if policy.max_lifetime is not None:
        stops.append(case.started + policy.max_lifetime)
    return max(min(stops), case.started + policy.start_grace, case.worker.keep_until or case.started)


def _held(case: _Case) -> Decision | None:
    keep_until = case.worker.keep_until
    if keep_until is not None and case.now < keep_until:
        return _keep(case, Reason.KEPT, f"it is to be kept until {clock(keep_until)}")
    if case.now < case.started + case.policy.start_grace:
        return _keep(case, Reason.STARTING, f"it runs only since {clock(case.started)}")
    return None


def _outlived(case: _Case) -> Decision | None:
    lifetime = case.policy.max_lifetime
    if lifetime is None or case.now < case.started + lifetime:
        return None
    words = f"it has run for {length(case.now - case.started)}, and may for {length(lifetime)}"
    # A login of the last minutes is not cut off: the user would see a server end that has just come up.
    since = case.now - case.policy.start_grace
    return _stop(case, Reason.MAX_LIFETIME, words, since, drain=Drain.REGARDLESS, alone=True)


def _left_by_hub(case: _Case) -> Decision | None:
    since = case.now - case.policy.start_grace
    if case.evidence.hub_server is not False or case.life > since:
        return None
    words = f"the hub has no server on it, and there was no sign of life since {clock(case.life)}"
    told = case.covered(since)
    return _stop(case, Reason.NO_SERVER, words, since, alone=told, even_silent=told)


def _in_use(case: _Case) -> Decision | None:
    if not case.is_in_use or case.is_unattended:
        return None
    if case.life > case.person:
        return _keep(case, Reason.BUSY, f"it worked until {clock(case.life)}")
    what = "somebody used it until" if case.lived else "it was started at"
    return _keep(case, Reason.ACTIVE, f"{what} {clock(case.person)}")


def _unattended(case: _Case) -> Decision | None:
    """Without a person neither work nor what nobody can tell of keeps it up for ever."""
    allowance = case.policy.busy_allowance
    alone = case.covered(case.now - case.policy.idle_timeout)
    if allowance is None or not case.is_unattended or (alone and not case.is_in_use):
        return None
    what = "it works" if case.is_in_use else "its reports do not tell what it does"
    words = f"{what}, and nobody used it since {clock(case.person)}, longer than {length(allowance)}"
    return _stop(
        case,
        Reason.BUSY_TOO_LONG,
        words,
        case.now - allowance,
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=alone,
    )


def _mute(case: _Case) -> Decision | None:
    """Where work may go on for ever, a worker of which nobody can tell that it works may not."""
    heard = _newest(case.life, case.evidence.last_report)
    if case.policy.busy_allowance is not None or not case.evidence.is_silent(case.now):
        return None
    if case.now < heard + MUTE_AFTER:
        return None
    words = f"no report and no sign of life since {clock(heard)}, longer than {length(MUTE_AFTER)}"
    since = case.now - MUTE_AFTER
    return _stop(case, Reason.MUTE, words, since, drain=Drain.UNATTENDED, insist=Insist.IF_MUTE, alone=False)


def _hung(case: _Case) -> Decision | None:
    policy, cpu = case.policy, case.evidence.cpu
    silent_since = _newest(case.life, case.evidence.last_report)
    if case.now < silent_since + policy.hung_after or not case.evidence.is_silent(case.now):
        return None
    # Without EC2's own figures nothing is known: silence alone stops nobody.
    if not cpu or max(cpu) >= policy.hung_cpu:
        return None
    most = f"at most {max(cpu):.1f} % CPU in {length(policy.hung_after)}"
    words = f"no report since {clock(silent_since)}, and {most}"
    # Not alone: only the hub can tell whether it answers, and a worker that cannot report need not be dead.
    return _stop(case, Reason.HUNG, words, case.now - policy.hung_after, insist=Insist.IF_DEAD, alone=False)


def _unused(case: _Case) -> Decision:
    since = case.now - case.policy.idle_timeout
    alone = case.covered(since)
    seen = "no sign of life" if case.lived else "nobody came, and no sign of life"
    told = "its reports tell of all that time" if alone else "its reports do not tell of all that time"
    words = f"{seen} since {clock(case.life)}, longer than {length(case.policy.idle_timeout)}; {told}"
    reason = Reason.IDLE if case.lived else Reason.NEVER_CONNECTED
    # One that was never heard of has no server; one that fell silent may be cut off, and work.
    return _stop(case, reason, words, since, alone=alone, even_silent=alone or not case.was_heard)


def _keep(case: _Case, reason: Reason, words: str) -> Decision:
    due_at, facts = _next_look(case), _facts(case)
    return Decision(action=Action.KEEP, reason=reason, words=words, due_at=due_at, evidence=facts)


def _stop(
    case: _Case,
    reason: Reason,
    words: str,
    since: datetime,
    *,
    drain: Drain = Drain.IDLE,
    insist: Insist = Insist.NEVER,
    alone: bool,
    even_silent: bool = True,
) -> Decision:
    return Decision(
        action=Action.STOP,
        reason=reason,
        words=words,
        due_at=case.worker.due_at,
        evidence=_facts(case),
        drain=drain,
        insist=insist,
        counts=case.policy.lowest_level,
        since=since,
        alone=alone,
        even_silent=even_silent,
    )


def _facts(case: _Case) -> dict[str, object]:
    last_report = case.evidence.last_report
    return {
        "started_at": case.started.isoformat(),
        "last_life": case.life.isoformat() if case.lived else None,
        "last_interaction": case.person.isoformat() if case.person > case.started else None,
        "last_report": last_report.isoformat() if last_report else None,
        "reports": len(case.evidence.reports),
        "cpu": list(case.evidence.cpu),
        "hub_server": case.evidence.hub_server,
        **case.evidence.details,
    }


def _newest(start: datetime, *others: datetime | None) -> datetime:
    return max([start, *(other for other in others if other is not None)])
