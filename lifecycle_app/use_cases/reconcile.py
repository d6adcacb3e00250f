"""EC2 against the records and the hub: mends what can be mended, reports the rest, guesses nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

from lifecycle_app.adapters.cloudwatch import IdleAlarm
from lifecycle_app.errors import BadRecord, CloudError, EventRefused, HubError, RecordConflict
from lifecycle_app.model.decision import Decision, Drain, decide
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import clock
from lifecycle_app.model.policy import Level
from lifecycle_app.model.reconciliation import (
    Ambiguous,
    Finding,
    Missed,
    Orphan,
    Outdated,
    Stuck,
    Undescribed,
    Unwatched,
    findings,
    is_unwatched,
    without_server,
)
from lifecycle_app.model.transitions import LEASE, with_due, with_facts
from lifecycle_app.model.worker import Instance, State, Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import change, policy_of, tell, tell_bad
from lifecycle_app.use_cases.states import adopt, apply_state, see_to_alarm
from lifecycle_app.use_cases.stop import force
from lifecycle_app.use_cases.triggers import settle

log = logging.getLogger(__name__)

DUPLICATE_KEPT = timedelta(minutes=30)
"""So long a second instance of a worker may run, for whoever launched it."""

Step = tuple[str, Callable[[], object]]


def reconcile(service: Service, now: datetime, is_time_left: Callable[[], bool]) -> dict[str, int]:
    """Compares EC2, records, alarms and hub, mends or reports what differs, and counts it.

    What is left undone for lack of time is found again the next time.
    """
    done: Counter[str] = Counter()
    for name, step in _steps(service, now):
        if not is_time_left():
            done["left"] += 1
            break
        try:
            step()
            done[name] += 1
        except (CloudError, EventRefused, RecordConflict, BadRecord) as error:
            log.error("%s not mended: %s", name, error)
            done["failed"] += 1
    return dict(done)


def _steps(service: Service, now: datetime) -> Iterator[Step]:
    census = service.store.census()
    for bad in census.bad:
        yield "bad-record", partial(tell_bad, service, bad, now)
    instances = _described(service, census.workers)
    # Of an instance whose worker's record is bad nobody can tell whether it is an orphan, or what its alarm is for.
    unclear = [instance for instance in instances if instance.key in census.bad_keys]
    known = [instance for instance in instances if instance.key not in census.bad_keys]
    for finding in findings(census.workers, known, now):
        yield type(finding).__name__.lower(), partial(_mend, service, finding, now)
    workers = service.store.census().workers
    yield from _alarm_steps(service, workers, {instance.instance_id for instance in unclear})
    yield from _server_steps(service, workers)


def _described(service: Service, workers: Sequence[Worker]) -> list[Instance]:
    """The cluster's instances, by their tags, and those of the records whose tags have faded."""
    tagged = service.cloud.workers()
    seen = {instance.instance_id for instance in tagged}
    missing = [
        w.instance_id for w in workers if w.state is not State.TERMINATED and w.instance_id not in seen
    ]
    found = service.cloud.named(missing) if missing else []
    return tagged + [instance for instance in found if instance.cluster == service.cluster]


def _mend(service: Service, finding: Finding, now: datetime) -> None:
    match finding:
        case Orphan(instance):
            _adopt(service, instance, now)
        case Missed(worker, instance):
            words = f"EC2 says {instance.state}, the record said {worker.state}: no event had told"
            if apply_state(service, worker, instance, instance.state, now, now) == "recorded":
                tell(service, worker, Kind.REPAIR, f"missed-{instance.state}", words, now)
        case Outdated(worker, instance):
            _refresh(service, worker, instance)
        case Stuck(worker, must_end):
            _unstick(service, worker, must_end)
        case Unwatched(worker):
            _watch(service, worker)
        case Undescribed(worker):
            words = f"EC2 does not tell of {worker.instance_id}; its record is kept"
            _report(service, worker, "undescribed", words, worker.state_at)
        case Ambiguous(instances):
            for instance in instances:
                log.error(
                    "worker %s has no record and several instances: %s", instance.key, instance.instance_id
                )
        case _:
            assert_never(finding)


def _adopt(service: Service, instance: Instance, now: datetime) -> None:
    lives_since_launch = instance.state in (State.PENDING, State.RUNNING)
    try:
        worker = adopt(service, instance, instance.launched_at if lives_since_launch else now, now)
    except BadRecord as bad:  # one that the index of all workers does not show
        tell_bad(service, bad, now)
        return
    if worker is not None:
        words = f"{instance.instance_id} has this worker's tags and was in no record"
        tell(service, worker, Kind.REPAIR, "orphan", words, now)
        see_to_alarm(service, worker, worker.state)
    else:
        _end_duplicate(service, instance)


def _end_duplicate(service: Service, instance: Instance) -> None:
    """Stops an instance that no record has, if its worker has another one, and the hub no server on this one.

    It is only stopped: nobody guesses which of the two has the user's files. No claim is written, because a login uses
    the recorded instance; the hub is told of one, to compare the clocks.
    """
    worker, now = service.store.get(instance.key), service.clock()
    if instance.state is not State.RUNNING or now - instance.launched_at < DUPLICATE_KEPT:
        return
    if worker is None or worker.instance_id == instance.instance_id:
        return
    twin = replace(worker, instance_id=instance.instance_id, claimed_until=now + LEASE)
    try:
        answer = service.hub.drain(twin, Drain.IDLE, now - DUPLICATE_KEPT, Level.LOAD)
    except HubError as error:
        log.warning("worker %s: its second instance %s is left: %s", twin.key, twin.instance_id, error)
        return
    if answer.drained or answer.evidence.get("instance_id", twin.instance_id) != twin.instance_id:
        service.cloud.stop(twin.instance_id)
        words = f"a second instance of this worker, which has {worker.instance_id}, without a server on it"
        tell(service, twin, Kind.STOP, "duplicate", words, now)


def _refresh(service: Service, worker: Worker, instance: Instance) -> None:
    def step(current: Worker) -> Worker:
        return with_facts(current, instance) if current.instance_id == instance.instance_id else current

    change(service, worker.key, step)
    log.info("worker %s (%s): its address, type or home is told anew", worker.key, worker.instance_id)


def _watch(service: Service, worker: Worker) -> None:
    def step(current: Worker) -> Worker:
        return with_due(current, service.clock()) if is_unwatched(current) else current

    change(service, worker.key, step)
    log.info("worker %s (%s): looked at from now on, no sweep did", worker.key, worker.instance_id)


def _unstick(service: Service, worker: Worker, must_end: bool) -> None:
    words = f"{worker.state} since {clock(worker.state_at)}"
    if must_end:
        force(service, worker, f"{words}: stopped by force", service.clock())
    else:
        _report(service, worker, f"stuck-{worker.state}", words, worker.state_at)


def _report(service: Service, worker: Worker, reason: str, words: str, since: datetime) -> None:
    """Tells the administrator; told under the time since when it is so, it is kept once only."""
    tell(service, worker, Kind.REPORT, reason, words, since)


def _alarm_steps(service: Service, workers: Sequence[Worker], unclear: Collection[str]) -> Iterator[Step]:
    alarms = service.metrics.idle_alarms()
    for worker in workers:
        if worker.state is State.RUNNING and not _has_its_alarm(service, worker, alarms):
            yield "lost-alarm", partial(see_to_alarm, service, worker, worker.state)
    running = {worker.instance_id for worker in workers if worker.state.costs}
    stray = sorted(set(alarms) - running - set(unclear))
    if stray:
        yield "stray-alarm", partial(service.metrics.delete_idle_alarms, stray)


def _has_its_alarm(service: Service, worker: Worker, alarms: Mapping[str, IdleAlarm]) -> bool:
    alarm = alarms.get(worker.instance_id)
    return alarm is not None and service.metrics.suits(alarm, policy_of(service, worker))


def _server_steps(service: Service, workers: Sequence[Worker]) -> Iterator[Step]:
    try:
        users = service.hub.active_users()
    except HubError as error:
        log.warning("the hub's servers are not compared: %s", error)
        return
    servers = {key for user in users for key in user.servers}
    if not servers:
        # A hub that has lost its database says the same as one that nobody uses.
        return
    for worker in without_server(workers, servers, service.clock()):
        yield "without-server", partial(_settle_without_server, service, worker)


def _settle_without_server(service: Service, worker: Worker) -> None:
    settle(service, worker, _without_server, "reconcile", service.clock())


def _without_server(service: Service, worker: Worker, now: datetime) -> Decision:
    """What to do about a worker that the hub knows no server on: nobody can come back to it unnoticed."""
    policy = policy_of(service, worker)
    evidence = service.metrics.evidence(worker.instance_id, policy, now)
    return decide(worker, replace(evidence, hub_server=False), policy, now)
