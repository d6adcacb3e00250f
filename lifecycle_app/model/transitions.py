"""How a worker's record changes: a copy of it for each thing that can happen. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from lifecycle_app.contract import Level
from lifecycle_app.model.budget import with_run
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.messages import NOTHING, Message
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import Instance, State, Worker

LEASE = timedelta(minutes=5)
"""How long a claim holds: some minutes longer than the hard timeout of each function that claims, so that it expires
only when its holder has ended, even if the clocks of functions and hub differ."""
STOP_TAKES = timedelta(minutes=10)
"""An instance that has been `stopping` for so long is reported, after twice that time forced."""
START_TAKES = timedelta(minutes=10)

FOLLOWS = {
    State.PENDING: {State.RUNNING, State.TERMINATED},
    State.RUNNING: {State.STOPPING, State.TERMINATED},
    State.STOPPING: {State.STOPPED, State.TERMINATED},
    State.STOPPED: {State.PENDING, State.TERMINATED},
    State.TERMINATED: set[State](),
}


def created(instance: Instance, at: datetime) -> Worker:
    """The first record of an instance's worker."""
    blank = Worker(
        key=instance.key,
        instance_id=instance.instance_id,
        state=instance.state,
        state_at=at,
        version=0,
        changed_at=at,
    )
    return with_facts(with_state(blank, instance.state, at, at), instance)


def moved(worker: Worker, instance: Instance, at: datetime) -> Worker:
    """The record of a worker that has a new instance, after its old one is gone."""
    ended = with_run(worker, at)
    kept = replace(
        created(instance, at),
        version=worker.version,
        home_volume=worker.home_volume,
        last_activity=worker.last_activity,
        last_interaction=worker.last_interaction,
        keep_until=worker.keep_until,
        keep_by=worker.keep_by,
        seconds_run=worker.seconds_run + (run_seconds(worker, State.TERMINATED, at) or 0),
        month=ended.month,
        month_seconds=ended.month_seconds,
        month_dollars=ended.month_dollars,
        groups=worker.groups,
    )
    return with_facts(kept, instance)


def is_news(worker: Worker, state: State, at: datetime) -> bool:
    """Is an event of that time newer than the record?

    EC2's events carry whole seconds: of the same second, only a state that follows the recorded one is news.
    """
    if at.replace(microsecond=0) != worker.state_at.replace(microsecond=0):
        return at > worker.state_at
    if worker.state is State.STOPPING and worker.started_at is not None:
        # Claimed, or accepted by EC2 but not begun: EC2's own last state was `running`.
        return state in FOLLOWS[State.RUNNING] | FOLLOWS[State.STOPPING]
    return state in FOLLOWS[worker.state]


def with_state(worker: Worker, state: State, at: datetime, now: datetime) -> Worker:
    """The worker in the state that EC2 reports for `at`.

    A claim that holds `now` is kept when the instance is reported as running: its holder may be about to stop the
    instance, and a login must keep waiting for that. A claim for a removal is kept until the instance is terminated.
    """
    keeps = worker.removing and state is not State.TERMINATED
    if worker.is_claimed(now) and (keeps or state in (State.PENDING, State.RUNNING)):
        return replace(worker, state_at=at)
    seconds = run_seconds(worker, state, at)
    counted = worker if seconds is None else with_run(worker, at)
    return replace(
        counted,
        state=state,
        state_at=at,
        claimed_until=None,
        removing=False,
        hub_odd_since=None,
        started_at=_started(worker, state, at),
        stop_reason=worker.stop_reason if state in (State.STOPPING, State.STOPPED) else None,
        due_at=_due(state, at),
        # A message about an earlier run says nothing about the one that begins.
        message=NOTHING if state is State.PENDING else worker.message,
        seconds_run=worker.seconds_run + (seconds or 0),
        over_budget_since=worker.over_budget_since if state is State.RUNNING else None,
        over_budget_of=worker.over_budget_of if state is State.RUNNING else "",
    )


def with_facts(worker: Worker, instance: Instance) -> Worker:
    """The worker with the instance's facts by EC2; those that EC2 does not give are kept."""
    started_at = worker.started_at and max(worker.started_at, instance.launched_at)
    home = instance.home_volume or worker.home_volume
    return replace(
        worker,
        started_at=started_at,
        address=instance.address or worker.address,
        instance_type=instance.instance_type or worker.instance_type,
        zone=instance.zone or worker.zone,
        home_volume=home,
        home_attached=home is None or (instance.home_volume == home and instance.home_attached),
    )


def with_claim(worker: Worker, reason: str, message: Message, now: datetime) -> Worker:
    """The worker claimed: it still runs, but a login waits."""
    until = now + LEASE
    return replace(
        worker,
        state=State.STOPPING,
        claimed_until=until,
        removing=False,
        due_at=until,
        stop_reason=reason,
        message=message,
    )


def has_claim_of(current: Worker, claimed: Worker) -> bool:
    """Is the record still claimed by whoever wrote `claimed`?"""
    return current.instance_id == claimed.instance_id and current.claimed_until == claimed.claimed_until


def with_removal(worker: Worker, reason: str, message: Message, now: datetime) -> Worker:
    """The stopped worker claimed, for its instance to be terminated: a login waits."""
    return replace(with_claim(worker, reason, message, now), removing=True)


def with_removal_released(current: Worker, before: Worker, now: datetime) -> Worker:
    """The worker as before its claim for a removal. If EC2 has reported any state meanwhile, the claim is abandoned
    instead: then logins and `reconcile` ask EC2 for the state."""
    if current.state_at != before.state_at:
        return replace(current, claimed_until=now)
    return replace(before, version=current.version)


def with_removed(worker: Worker, now: datetime) -> Worker:
    """The worker without an instance: EC2 terminates it. Its home disk is kept in the record."""
    at = max(now.replace(microsecond=0), worker.state_at)
    return with_state(worker, State.TERMINATED, at, now)


def with_release(
    worker: Worker, decided: str, message: Message, due_at: datetime, hub_odd_since: datetime | None = None
) -> Worker:
    """The worker as before the claim."""
    return replace(
        worker,
        state=State.RUNNING,
        claimed_until=None,
        hub_odd_since=hub_odd_since,
        stop_reason=None,
        decided=decided,
        message=message,
        due_at=due_at,
    )


def with_stop_accepted(worker: Worker, now: datetime) -> Worker:
    """The worker whose stop EC2 has accepted.

    `now` must be older than the call, and is cut to the second as EC2's own times are, so that every
    event which the stop causes is newer.
    """
    at = max(now.replace(microsecond=0), worker.state_at)
    return replace(
        worker,
        claimed_until=None,
        hub_odd_since=None,
        state_at=at,
        due_at=now + STOP_TAKES,
        decided=worker.stop_reason or "",
    )


def with_due(worker: Worker, due_at: datetime) -> Worker:
    """The worker with the time of its next check."""
    return replace(worker, due_at=due_at)


def with_life(worker: Worker, activity: datetime | None, interaction: datetime | None) -> Worker:
    """The worker with newer activity; older activity changes nothing."""
    return replace(
        worker,
        last_activity=_newer(worker.last_activity, activity),
        last_interaction=_newer(worker.last_interaction, interaction),
    )


def with_reports(worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> Worker:
    """The worker with the activity of its reports that counts by the policy.

    A period that has not ended yet is reported by its end, which lies in the future.
    """
    life, person = evidence.last_life(policy.lowest_level), evidence.last_life(Level.INTERACTION)
    return with_life(worker, min(life, now) if life else None, min(person, now) if person else None)


def hub_odd_since(worker: Worker, now: datetime) -> datetime:
    """Since when the hub has given no usable answer about the worker, if it gives none now.

    Activity resets it: until then there was no reason to ask the hub.
    """
    since, life = worker.hub_odd_since, worker.last_activity
    return now if since is None or (life is not None and life > since) else since


def run_seconds(worker: Worker, state: State, at: datetime) -> int | None:
    """Seconds of the run that ends with this state; None if none does, or its start is unknown."""
    if worker.started_at is None or state in (State.PENDING, State.RUNNING):
        return None
    return max(0, int((at - worker.started_at).total_seconds()))


def _started(worker: Worker, state: State, at: datetime) -> datetime | None:
    if state is not State.RUNNING:
        return None
    # EC2 accepted a stop and then lost it: the run did not end.
    return worker.started_at if worker.state is State.STOPPING and worker.started_at else at


def _due(state: State, at: datetime) -> datetime | None:
    match state:
        case State.PENDING:
            return at + START_TAKES
        case State.RUNNING:
            return at
        case State.STOPPING:
            return at + STOP_TAKES
        case State.STOPPED | State.TERMINATED:
            return None
        case _:
            assert_never(state)


def _newer(old: datetime | None, new: datetime | None) -> datetime | None:
    return new if old is None or (new is not None and new > old) else old
