"""Whether a worker may go on running. Pure: the same worker, evidence, policy and time give the same decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lifecycle_app.contract import Drain, Level, app_name, source_name
from lifecycle_app.model.budget import is_kept_by_another, next_month, stops_at, whose
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.messages import Message, Value, message
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker


class Action(StrEnum):
    """What is to be done."""

    KEEP = "keep"
    STOP = "stop"


class Reason(StrEnum):
    """Why: the codes that records and the history hold."""

    NOT_RUNNING = "not-running"
    KEPT = "kept"
    STARTING = "starting"
    ACTIVE = "active"
    BUSY = "busy"
    APP = "app"
    IDLE = "idle"
    NEVER_CONNECTED = "never-connected"
    NO_SERVER = "no-server"
    BUSY_TOO_LONG = "busy-too-long"
    BUDGET = "budget"
    MAX_LIFETIME = "max-lifetime"
    MUTE = "mute"
    HUNG = "hung"
    STOP_REQUESTED = "stop-requested"


class Insist(StrEnum):
    """When a hub that refuses is asked once more, to release the server regardless of the worker."""

    NEVER = "never"
    IF_MUTE = "if-mute"
    """If the worker does not report what goes on in it."""
    IF_DEAD = "if-dead"
    """If the worker does not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about a worker, and why, as it is logged and stored.

    A stop also says how to ask the hub (`drain`, `insist`), since when activity forbids it (`since`), which level
    `counts` as activity, whether the traffic of `apps` does, and whether the evidence is enough to stop it `alone`,
    without the hub, should the hub be down. `even_silent`: also if the hub has no server there and the worker does not
    answer, so that it may be working. `unused_since`: it also rests on a user, or any life, not seen since then, which
    is longer than the evidence looks back.
    """

    action: Action
    reason: Reason
    message: Message
    due_at: datetime | None
    evidence: Mapping[str, object] = field(default_factory=dict)
    drain: Drain = Drain.IDLE
    insist: Insist = Insist.NEVER
    counts: Level = Level.LOAD
    apps: bool = False
    since: datetime | None = None
    alone: bool = False
    even_silent: bool = True
    unused_since: datetime | None = None


WORK_PAUSES = timedelta(minutes=2)
"""Between two cells or two steps of a script: work that was seen so lately still runs."""
MUTE_AFTER = timedelta(hours=24)
"""A worker that does not report at all may run for so long, where the policy sets no end to work."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What a decision rests on, with the times that decide worked out once."""

    worker: Worker
    evidence: Evidence
    policy: Policy
    now: datetime
    started: datetime
    life: datetime
    """The newest activity that counts by the policy, of whatever kind; the start where there was none."""
    person: datetime
    """The newest activity of a user; the start where there was none."""

    @property
    def lived(self) -> bool:
        """Was there any activity in this run?"""
        return self.life > self.started

    @property
    def is_in_use(self) -> bool:
        """Was there activity within the idle timeout?"""
        return self.now < self.life + self.policy.idle_timeout

    @property
    def is_unattended(self) -> bool:
        """Has no user been seen for longer than work may go on without one?"""
        allowance = self.policy.busy_allowance
        return allowance is not None and self.now >= self.person + allowance

    @property
    def longest_by_app(self) -> timedelta:
        """How long after a user's last act a web app's traffic keeps it running."""
        limits = (self.policy.app_allowance, self.policy.busy_allowance)
        return min(limit for limit in limits if limit is not None)

    @property
    def apps_until(self) -> datetime:
        """Until when a web app's traffic keeps it running."""
        return self.person + self.longest_by_app

    @property
    def is_kept_by_app(self) -> bool:
        """Did a web app have traffic within the idle timeout, that may still be a user's?"""
        return self.has_app and self.now < self.apps_until

    @property
    def has_app(self) -> bool:
        """Did a web app have traffic within the idle timeout?"""
        app = self.evidence.app
        return app is not None and self.now < app.at + self.policy.idle_timeout

    @property
    def named_source(self) -> dict[str, Value]:
        """What kept it busy when it was last busy, as a message's value, if it has said that."""
        source, life = self.evidence.source, self.life
        is_newest = source is not None and abs(life - source.at) <= self.evidence.longest_gap
        name = source_name(source.number) if source is not None and is_newest else ""
        return {"source": name} if name else {}

    @property
    def last_used(self) -> dict[str, Value]:
        """When a user was last seen, or else when it started, as a message's value."""
        return {"last_used": self.person} if self.person > self.started else {"started": self.started}

    def covered(self, since: datetime) -> bool:
        return self.evidence.covers(since, self.now)

    @property
    def was_heard(self) -> bool:
        """Has it reported anything in this run?"""
        return self.lived or bool(self.evidence.reports)


def decide(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> Decision:
    """What to do about the worker: the first rule that applies decides."""
    if worker.state is not State.RUNNING and not worker.is_abandoned(now):
        why = message(Reason.NOT_RUNNING, state=worker.state.value)
        return Decision(action=Action.KEEP, reason=Reason.NOT_RUNNING, message=why, due_at=worker.due_at)
    case = _case(worker, evidence, policy, now)
    return (
        _held_by_another(case)
        or _over_budget(case)
        or _held(case)
        or _outlived(case)
        or _left_by_hub(case)
        or _in_use(case)
        or _unattended(case)
        or _mute(case)
        or _hung(case)
        or _kept_by_app(case)
        or _unused(case)
    )


def requested(worker: Worker, by: str, requested_at: datetime) -> Decision:
    """The decision to stop a worker because a user or administrator pressed Stop, idle or not."""
    return Decision(
        action=Action.STOP,
        reason=Reason.STOP_REQUESTED,
        message=message(Reason.STOP_REQUESTED, by=by),
        due_at=worker.due_at,
        evidence={"requested_by": by, "requested_at": requested_at.isoformat()},
        drain=Drain.REGARDLESS,
        since=requested_at,
        alone=True,
    )


def next_check(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> datetime:
    """When the worker may be stopped at the earliest, if nothing happens until then."""
    return _next_check(_case(worker, evidence, policy, now))


def _case(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> _Case:
    started = worker.started_at or worker.state_at
    person = _newest(started, worker.last_interaction, evidence.last_life(Level.INTERACTION))
    life = _newest(person, worker.last_activity, evidence.last_life(policy.lowest_level))
    return _Case(worker, evidence, policy, now, started=started, life=life, person=person)


def _next_check(case: _Case) -> datetime:
    policy = case.policy
    app = case.evidence.app
    by_app = min(app.at + policy.idle_timeout, case.apps_until) if app else case.started
    stops = [max(case.life + policy.idle_timeout, by_app)]
    if policy.busy_allowance is not None:
        stops.append(case.person + policy.busy_allowance)
    if policy.max_lifetime is not None:
        stops.append(case.started + policy.max_lifetime)
    kept_until = case.worker.keep_until or case.started
    usual = max(min(stops), case.started + policy.start_grace, kept_until)
    by_budget = stops_at(case.worker, policy, case.now)
    if by_budget is None:
        return usual
    return min(usual, max(by_budget, kept_until) if is_kept_by_another(case.worker, case.now) else by_budget)


def _held_by_another(case: _Case) -> Decision | None:
    return _kept(case) if is_kept_by_another(case.worker, case.now) else None


def _over_budget(case: _Case) -> Decision | None:
    """A budget ends what its user does, and asks for; work only if the policy says so, or once it ran too long."""
    ends, policy = stops_at(case.worker, case.policy, case.now), case.policy
    if ends is None or case.now < ends:
        return None
    ran_long = policy.busy_allowance is not None and case.now >= ends + policy.busy_allowance
    is_final = policy.budget_stops_work or ran_long or policy.lowest_level > Level.WORK
    whose_it_is = whose(case.worker.over_budget_of) or None
    why = message(
        Reason.BUDGET, since=case.worker.over_budget_since, resets=next_month(case.now), whose=whose_it_is
    )
    # Only what works there now is a reason to refuse, not a server that was started since.
    since = case.now if is_final else case.now - WORK_PAUSES
    drain = Drain.REGARDLESS if is_final else Drain.WITHOUT_WORK
    return _stop(case, Reason.BUDGET, why, since, drain=drain, insist=Insist.IF_MUTE, alone=is_final)


def _kept(case: _Case) -> Decision:
    by: dict[str, Value] = {"by": case.worker.keep_by} if case.worker.keep_by else {}
    return _keep(case, Reason.KEPT, until=case.worker.keep_until or case.now, **by)


def _held(case: _Case) -> Decision | None:
    keep_until = case.worker.keep_until
    if keep_until is not None and case.now < keep_until:
        return _kept(case)
    if case.now < case.started + case.policy.start_grace:
        return _keep(case, Reason.STARTING, started=case.started)
    return None


def _outlived(case: _Case) -> Decision | None:
    lifetime = case.policy.max_lifetime
    if lifetime is None or case.now < case.started + lifetime:
        return None
    # A login of the last minutes is not cut off: the user would see a server end that has just come up.
    since = case.now - case.policy.start_grace
    why = message(Reason.MAX_LIFETIME, ran=case.now - case.started, limit=lifetime)
    return _stop(case, Reason.MAX_LIFETIME, why, since, drain=Drain.REGARDLESS, alone=True)


def _left_by_hub(case: _Case) -> Decision | None:
    since = case.now - case.policy.start_grace
    if case.evidence.hub_server is not False or case.life > since:
        return None
    seen: dict[str, Value] = {"last_activity": case.life} if case.lived else {"started": case.started}
    covered = case.covered(since)
    why = message(Reason.NO_SERVER, **seen)
    return _stop(case, Reason.NO_SERVER, why, since, alone=covered, even_silent=covered)


def _in_use(case: _Case) -> Decision | None:
    if not case.is_in_use or case.is_unattended:
        return None
    if case.life > case.person:
        return _keep(case, Reason.BUSY, last_busy=case.life, **case.named_source)
    return _keep(case, Reason.ACTIVE, **case.last_used)


def _unattended(case: _Case) -> Decision | None:
    """Without a user, neither work nor unknown activity keeps it running without end."""
    allowance = case.policy.busy_allowance
    alone = case.covered(case.now - case.policy.idle_timeout)
    if allowance is None or not case.is_unattended or (alone and not case.is_in_use):
        return None
    last_busy = case.life if case.is_in_use else None
    gaps = None if case.is_in_use else True
    return _stop(
        case,
        Reason.BUSY_TOO_LONG,
        message(Reason.BUSY_TOO_LONG, limit=allowance, last_busy=last_busy, gaps=gaps, **case.last_used),
        case.now - allowance,
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=alone,
        unused_since=case.now - allowance,
    )


def _mute(case: _Case) -> Decision | None:
    """Where work may go on without end, a worker that does not report any may not."""
    heard = _newest(case.life, case.evidence.last_report)
    if case.policy.busy_allowance is not None or not case.evidence.is_silent(case.now):
        return None
    if case.now < heard + MUTE_AFTER:
        return None
    why, since = message(Reason.MUTE, limit=MUTE_AFTER, last_heard=heard), case.now - MUTE_AFTER
    return _stop(
        case,
        Reason.MUTE,
        why,
        since,
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=False,
        unused_since=since,
    )


def _hung(case: _Case) -> Decision | None:
    policy, cpu = case.policy, case.evidence.cpu
    silent_since = _newest(case.life, case.evidence.last_report)
    if case.now < silent_since + policy.hung_after or not case.evidence.is_silent(case.now):
        return None
    # Without EC2's own measurements nothing is known: silence alone does not stop it.
    if not cpu or max(cpu) >= policy.hung_cpu:
        return None
    why = message(Reason.HUNG, since=silent_since, cpu=max(cpu), limit=policy.hung_after)
    # Not alone: only the hub can find out whether it answers, and a worker that cannot report need not be dead.
    return _stop(case, Reason.HUNG, why, case.now - policy.hung_after, insist=Insist.IF_DEAD, alone=False)


def _kept_by_app(case: _Case) -> Decision | None:
    app = case.evidence.app
    if app is None or not case.is_kept_by_app:
        return None
    name, seen = app_name(app.number), min(app.at, case.now)
    return _keep(case, Reason.APP, app=name, last_traffic=seen, until=case.apps_until)


def _unused(case: _Case) -> Decision:
    since, app = case.now - case.policy.idle_timeout, case.evidence.app
    alone = case.covered(since)
    reason = Reason.IDLE if case.lived or case.has_app else Reason.NEVER_CONNECTED
    seen: dict[str, Value] = {"last_busy": case.life} if case.life > case.person else case.last_used
    if app is not None and case.has_app and case.policy.app_allowance:
        seen = {"allowance": case.policy.app_allowance, "app": app_name(app.number), **case.last_used}
    why = message(reason, timeout=case.policy.idle_timeout, gaps=None if alone else True, **seen)
    # One that was never heard of has no server; one that fell silent may be cut off, and work.
    unused_since = case.now - case.longest_by_app if case.has_app else None
    return _stop(
        case,
        reason,
        why,
        since,
        alone=alone,
        even_silent=alone or not case.was_heard,
        unused_since=unused_since,
    )


def _keep(case: _Case, reason: Reason, **values: Value) -> Decision:
    why, due_at, facts = message(reason, **values), _next_check(case), _facts(case)
    return Decision(action=Action.KEEP, reason=reason, message=why, due_at=due_at, evidence=facts)


def _stop(
    case: _Case,
    reason: Reason,
    why: Message,
    since: datetime,
    *,
    drain: Drain = Drain.IDLE,
    insist: Insist = Insist.NEVER,
    alone: bool,
    even_silent: bool = True,
    unused_since: datetime | None = None,
) -> Decision:
    return Decision(
        action=Action.STOP,
        reason=reason,
        message=why,
        due_at=case.worker.due_at,
        evidence=_facts(case),
        drain=drain,
        insist=insist,
        counts=case.policy.lowest_level,
        apps=drain is Drain.IDLE and case.now < case.apps_until,
        since=since,
        alone=alone,
        even_silent=even_silent,
        unused_since=unused_since,
    )


def _facts(case: _Case) -> dict[str, object]:
    last_report, app = case.evidence.last_report, case.evidence.app
    source = case.evidence.source
    return {
        "started_at": case.started.isoformat(),
        "last_life": case.life.isoformat() if case.lived else None,
        "last_interaction": case.person.isoformat() if case.person > case.started else None,
        "last_report": last_report.isoformat() if last_report else None,
        "reports": len(case.evidence.reports),
        "cpu": list(case.evidence.cpu),
        "hub_server": case.evidence.hub_server,
        **({"app": app_name(app.number), "last_app": app.at.isoformat()} if app else {}),
        **({"source": source_name(source.number), "last_source": source.at.isoformat()} if source else {}),
        **case.evidence.details,
    }


def _newest(start: datetime, *others: datetime | None) -> datetime:
    return max([start, *(other for other in others if other is not None)])
