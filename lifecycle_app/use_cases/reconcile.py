"""Compares EC2 with the records and the hub: fixes what can be fixed, reports the rest, guesses nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

from lifecycle_app.adapters.cloudwatch import IdleAlarm
from lifecycle_app.contract import Drain, Level, metric_namespace
from lifecycle_app.errors import (
    BadRecord,
    CloudError,
    EventRefused,
    HubError,
    RecordConflict,
    StrangeMetrics,
)
from lifecycle_app.model.decision import Decision, decide
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import Message, message
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
from lifecycle_app.use_cases.records import add_entry, change, policy_of, report_bad_record
from lifecycle_app.use_cases.states import adopt, apply_state, ensure_alarm
from lifecycle_app.use_cases.stop import force
from lifecycle_app.use_cases.triggers import settle

log = logging.getLogger(__name__)

DUPLICATE_KEPT = timedelta(minutes=30)
"""A second instance of a worker may run for so long, for whoever launched it."""

STRANGE_METRICS = 100
"""So many metrics of no known worker may be there, $30 a month: of twenty machines replaced within three hours."""

Step = tuple[str, Callable[[], object]]


def reconcile(service: Service, now: datetime, is_time_left: Callable[[], bool]) -> dict[str, int]:
    """Compares EC2, records, alarms and hub, fixes or reports what differs, and counts it.

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
            log.error("%s not fixed: %s", name, error)
            done["failed"] += 1
    return dict(done)


def _steps(service: Service, now: datetime) -> Iterator[Step]:
    scan = service.store.scan()
    for bad in scan.bad:
        yield "bad-record", partial(report_bad_record, service, bad, now)
    instances = _described(service, scan.workers)
    # Where a worker's record is bad, its instance may be an orphan or not, and its alarm may be needed or not.
    unclear = [instance for instance in instances if instance.key in scan.bad_keys]
    known = [instance for instance in instances if instance.key not in scan.bad_keys]
    for finding in findings(scan.workers, known, now):
        yield type(finding).__name__.lower(), partial(_fix, service, finding, now)
    workers = service.store.scan().workers
    yield from _alarm_steps(service, workers, {instance.instance_id for instance in unclear})
    yield from _server_steps(service, workers)
    ids = {one.instance_id for one in workers} | {bad.instance_id for bad in scan.bad}
    ids |= {instance.instance_id for instance in instances}
    yield from _metric_steps(service, ids)


def _described(service: Service, workers: Sequence[Worker]) -> list[Instance]:
    """The cluster's instances by their tags, and those of the records that EC2 lists without tags."""
    tagged = service.cloud.workers()
    seen = {instance.instance_id for instance in tagged}
    missing = [
        w.instance_id for w in workers if w.state is not State.TERMINATED and w.instance_id not in seen
    ]
    found = service.cloud.named(missing) if missing else []
    return tagged + [instance for instance in found if instance.cluster == service.cluster]


def _fix(service: Service, finding: Finding, now: datetime) -> None:
    match finding:
        case Orphan(instance):
            _adopt(service, instance, now)
        case Missed(worker, instance):
            why = message("missed", state=instance.state.value, recorded=worker.state.value)
            if apply_state(service, worker, instance, instance.state, now, now) == "recorded":
                add_entry(service, worker, Kind.REPAIR, f"missed-{instance.state}", why, now)
        case Outdated(worker, instance):
            _refresh(service, worker, instance)
        case Stuck(worker, must_end):
            _unstick(service, worker, must_end)
        case Unwatched(worker):
            _watch(service, worker)
        case Undescribed(worker):
            _report(service, worker, "undescribed", message("undescribed", instance=worker.instance_id))
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
        report_bad_record(service, bad, now)
        return
    if worker is not None:
        why = message("orphan", instance=instance.instance_id)
        add_entry(service, worker, Kind.REPAIR, why.code, why, now)
        ensure_alarm(service, worker, worker.state)
    else:
        _end_duplicate(service, instance)


def _end_duplicate(service: Service, instance: Instance) -> None:
    """Stops an instance that no record has, if its worker has another one, and the hub no server on this one.

    It is only stopped, because either of the two may have the user's files. No claim is written, because a login uses
    the recorded instance; the drain request carries one, so that the hub can compare the clocks.
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
        log.warning(
            "worker %s: its second instance %s is left running: %s", twin.key, twin.instance_id, error
        )
        return
    if answer.drained or answer.evidence.get("instance_id", twin.instance_id) != twin.instance_id:
        service.cloud.stop(twin.instance_id)
        why = message("duplicate", instance=twin.instance_id, recorded=worker.instance_id)
        add_entry(service, twin, Kind.STOP, why.code, why, now)


def _refresh(service: Service, worker: Worker, instance: Instance) -> None:
    def step(current: Worker) -> Worker:
        return with_facts(current, instance) if current.instance_id == instance.instance_id else current

    change(service, worker.key, step)
    log.info("worker %s (%s): its address, type or home is updated", worker.key, worker.instance_id)


def _watch(service: Service, worker: Worker) -> None:
    def step(current: Worker) -> Worker:
        return with_due(current, service.clock()) if is_unwatched(current) else current

    change(service, worker.key, step)
    log.info("worker %s (%s): it had no due time: the next sweep checks it", worker.key, worker.instance_id)


def _unstick(service: Service, worker: Worker, must_end: bool) -> None:
    if must_end:
        force(service, worker, service.clock())
    else:
        why = message("stuck", state=worker.state.value, since=worker.state_at)
        _report(service, worker, f"stuck-{worker.state}", why)


def _report(service: Service, worker: Worker, reason: str, why: Message) -> None:
    """Reports it to the administrator, under the time since when it is so: then it is stored only once."""
    add_entry(service, worker, Kind.REPORT, reason, why, worker.state_at)


def _alarm_steps(service: Service, workers: Sequence[Worker], unclear: Collection[str]) -> Iterator[Step]:
    alarms = service.metrics.idle_alarms()
    for worker in workers:
        if worker.state is State.RUNNING and not _has_its_alarm(service, worker, alarms):
            yield "lost-alarm", partial(ensure_alarm, service, worker, worker.state)
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
        log.warning("the hub's servers are not checked: %s", error)
        return
    servers = {key for user in users for key in user.servers}
    if not servers:
        # A hub that has lost its database answers like one without users.
        return
    for worker in without_server(workers, servers, service.clock()):
        yield "without-server", partial(_settle_without_server, service, worker)


def _settle_without_server(service: Service, worker: Worker) -> None:
    settle(service, worker, _without_server, "reconcile", service.clock())


def _without_server(service: Service, worker: Worker, now: datetime) -> Decision:
    """What to do about a worker on which the hub has no server: no user can return to it unnoticed."""
    policy = policy_of(service, worker)
    evidence = service.metrics.evidence(worker.instance_id, policy, now)
    return decide(worker, replace(evidence, hub_server=False), policy, now)


def _metric_steps(service: Service, instance_ids: Collection[str]) -> Iterator[Step]:
    """The last step, where a user fills the namespace: workers may write any metric there, since IAM knows no condition
    but the namespace."""
    try:
        strange = service.metrics.strange_metrics(instance_ids, STRANGE_METRICS)
    except CloudError as error:
        log.error("the namespace's metrics are not counted: %s", error)
        return
    if strange > STRANGE_METRICS:
        yield "strange-metrics", partial(_refuse_metrics, service, strange)


def _refuse_metrics(service: Service, strange: int) -> None:
    """Raises StrangeMetrics, which fails the function: the alarm of its failures notifies, and `doctor` shows why."""
    raise StrangeMetrics(
        f"{strange} or more metrics in the namespace {metric_namespace(service.cluster)} are of no worker, and "
        "cost $0.30 a month each: a user sends them with a worker's role. See in CloudWatch what they are called, "
        "find that user, and terminate the worker"
    )
