"""Decisions about workers, triggered by an alarm, by the sweep or by a stop request."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from lifecycle_app.concurrency import batches
from lifecycle_app.errors import BadRecord, CloudError, ForeignEvent, NotNow, RecordConflict
from lifecycle_app.model.decision import Action, Decision, decide, requested
from lifecycle_app.model.events import IdleAlarm, StopRequest
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import with_reports
from lifecycle_app.model.worker import EPOCH, State, Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import TRIES, keep, policies_of, policy_of
from lifecycle_app.use_cases.stop import stop

log = logging.getLogger(__name__)

LAUNCH_RECORDED_WITHIN = timedelta(minutes=5)
"""The first event of a new instance may take so long to arrive."""

REQUEST_IS_NEW = timedelta(minutes=5)
"""With the hub down, the user may have returned since an older request."""

Decide = Callable[[Service, Worker, datetime], Decision]


def idle_alarm(service: Service, event: IdleAlarm, now: datetime) -> str:
    """Decides about the worker whose alarm fired, by what is known now, and returns in a word how that went.

    Raises ForeignEvent if no worker has that instance.
    """
    if not event.fires:
        return "quiet"
    worker = service.store.by_instance(event.instance_id)
    if worker is None:
        raise ForeignEvent(f"no worker has {event.instance_id}")
    return settle(service, worker, by_evidence, "alarm", now)


def sweep(service: Service, is_time_left: Callable[[], bool]) -> dict[str, int]:
    """Decides about every worker that is due, longest due first, while there is time; counts how that went.

    One batch after the other, each at its own time: the first ones may take minutes, in which the last one's user
    returns. The rest is still due at the next sweep.
    """
    outcomes: Counter[str] = Counter()
    for some in batches(service.store.due(service.clock())):
        if not is_time_left():
            outcomes["left"] += len(some)
            continue
        outcomes.update(service.map_all(partial(_tried, service, _by_evidence_of(service, some)), some))
    return dict(outcomes)


def stop_requested(service: Service, event: StopRequest, now: datetime) -> str:
    """Stops the requested worker, idle or not, and returns in a word how that went.

    A request for an earlier run, or another instance, is void. Raises NotNow while the instance starts, even if there
    is no record of it yet, or while another function decides about it.
    """
    worker = service.store.get(event.key)
    if worker is None or worker.instance_id != event.instance_id:
        if now - event.at < LAUNCH_RECORDED_WITHIN:
            raise NotNow(f"worker {event.key} has no record with {event.instance_id} yet")
        return "void"
    if worker.state is State.PENDING or worker.is_claimed(now):
        raise NotNow(f"worker {event.key} is {worker.state}, and cannot be stopped before that is over")
    if worker.started_at is not None and worker.started_at > event.at:
        return "void"

    def by_request(_service: Service, current: Worker, now: datetime) -> Decision:
        decision = requested(current, event.by, min(event.at, now))
        if event.unless_used:
            # A server is its user's, whenever it was started. Only the hub knows it: without it nothing is stopped.
            return replace(decision, since=EPOCH, alone=False)
        seen = current.last_interaction
        is_last_word = now - event.at < REQUEST_IS_NEW and (seen is None or seen <= event.at)
        return replace(decision, alone=is_last_word)

    return settle(service, worker, by_request, "person", now)


def settle(service: Service, worker: Worker, decide_on: Decide, asked_by: str, now: datetime) -> str:
    """Decides about the worker as recorded now and acts; again if its record changes meanwhile.

    The decision's evidence says what triggered it (`asked_by`).
    """
    for _ in range(TRIES):
        current = service.store.get(worker.key)
        if current is None or current.instance_id != worker.instance_id:
            return "gone"
        is_left = current.is_abandoned(now) and not current.removing
        if current.state is not State.RUNNING and not is_left:
            return "held" if current.is_claimed(now) else "not-running"
        try:
            decision = decide_on(service, current, now)
            decision = replace(decision, evidence={**decision.evidence, "asked_by": asked_by})
            if decision.action is Action.STOP:
                return stop(service, current, decision, now)
            keep(service, current, decision, now)
            return "kept"
        except RecordConflict:
            log.info("worker %s: changed during the decision, deciding again", current.key)
    raise RecordConflict(f"record of {worker.key} keeps changing")


def by_evidence(service: Service, worker: Worker, now: datetime) -> Decision:
    """The decision by policy and CloudWatch."""
    policy = policy_of(service, worker)
    return _decided(service, worker, service.metrics.evidence(worker.instance_id, policy, now), policy, now)


def _decided(service: Service, worker: Worker, evidence: Evidence, policy: Policy, now: datetime) -> Decision:
    """The decision. If it rests on more time than the evidence, the reports of that time are read first.

    The record tells what happened in it, but misses what was reported while it could not be written. It gets that
    now. Raises RecordConflict if it was changed since `worker` was read: decide again.
    """
    decision = decide(worker, evidence, policy, now)
    if decision.unused_since is None:
        return decision
    since = max(decision.unused_since, worker.started_at or worker.state_at)
    older = service.metrics.newest([worker.instance_id], since, now)[worker.instance_id]
    told = with_reports(worker, older, policy, now)
    if told != worker:
        service.store.put(told, service.clock())
        decision = decide(told, evidence, policy, now)
    return decision if older.is_whole else replace(decision, alone=False)


def _by_evidence_of(service: Service, workers: Sequence[Worker]) -> Decide:
    """As by_evidence, with the evidence of all workers read at once; read again for a worker whose record has changed
    since.
    """
    try:
        policies = policies_of(service, workers)
        known = service.metrics.evidence_of_all(policies, service.clock())
    except (CloudError, RecordConflict, BadRecord) as error:
        log.warning("the evidence of %d workers is read one by one: %s", len(workers), error)
        return by_evidence
    versions = {worker.instance_id: worker.version for worker in workers}

    def decided(service: Service, worker: Worker, now: datetime) -> Decision:
        if versions.get(worker.instance_id) != worker.version:
            return by_evidence(service, worker, now)
        return _decided(service, worker, known[worker.instance_id], policies[worker.instance_id], now)

    return decided


def _tried(service: Service, decide_on: Decide, worker: Worker) -> str:
    """An error about one worker must not end the sweep."""
    try:
        return settle(service, worker, decide_on, "sweep", service.clock())
    except (CloudError, RecordConflict, BadRecord) as error:
        log.error("worker %s: left for the next sweep: %s", worker.key, error)
        return "failed"
