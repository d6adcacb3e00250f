"""The states of instances as EC2 reports them, brought into the records."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from lifecycle_app.errors import THROTTLED, CloudError, ForeignEvent, NotNow, OtherCluster
from lifecycle_app.model.decision import next_check
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message
from lifecycle_app.model.transitions import created, is_news, moved, with_due, with_facts, with_state
from lifecycle_app.model.worker import Instance, State, Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import add_entry, add_run, change, policy_of

log = logging.getLogger(__name__)

FIRST_STATES = (State.PENDING, State.RUNNING)
DESCRIBED_WITHIN = timedelta(minutes=2)
"""EC2 may not list an instance for so long after its launch."""
FORGOTTEN_AFTER = timedelta(hours=1)


def record_state(service: Service, event: StateChange, now: datetime) -> str:
    """Records the state if it is news, keeps the idle alarm in step, and returns in a word what was done.

    Raises ForeignEvent or OtherCluster if the instance is not one of the cluster's workers, and NotNow while EC2 itself
    does not know it yet.
    """
    known = service.store.by_instance(event.instance_id)
    instance = _described(service, event) if event.state in FIRST_STATES else None
    if known is None:
        if instance is None:
            _refuse_if_too_early(service, event, now)
            raise ForeignEvent(f"{event.instance_id} is {event.state}, but is not a worker of this cluster")
        known = adopt(service, instance, event.at, now)
    if known is None or known.instance_id != event.instance_id:
        return "duplicate"
    return apply_state(service, known, instance, event.state, event.at, now)


def apply_state(
    service: Service, known: Worker, instance: Instance | None, state: State, at: datetime, now: datetime
) -> str:
    """Brings the record to the state that the instance had at that time, unless the record is newer."""
    news = False

    def step(worker: Worker) -> Worker:
        nonlocal news
        news = worker.instance_id == known.instance_id and is_news(worker, state, at)
        if not news:
            return worker
        add_run(service, worker, state, at)
        changed = with_state(worker, state, at, now)
        return _due(service, with_facts(changed, instance) if instance else changed, now)

    worker = change(service, known.key, step)
    if worker is None or worker.instance_id != known.instance_id:
        return "unknown"
    log.info(
        "worker %s (%s): %s at %s%s", worker.key, worker.instance_id, state, at, "" if news else ", known"
    )
    ensure_alarm(service, worker, state)
    return "recorded" if news else "known"


def adopt(service: Service, instance: Instance, at: datetime, now: datetime) -> Worker | None:
    """The record of an instance that has none yet; None if its worker has another one that lives.

    A record whose instance is gone gets the new one, and keeps what it knows of the user's home disk.
    """
    worker = service.store.get(instance.key)
    if worker is None:
        return service.store.put(_due(service, created(instance, at), now), service.clock())
    if worker.instance_id == instance.instance_id:
        return worker
    if worker.state is not State.TERMINATED and not _is_gone(service, worker, now):
        report_duplicate(service, worker, instance)
        return None
    add_run(service, worker, State.TERMINATED, at)
    return service.store.put(_due(service, moved(worker, instance, at), now), service.clock())


def report_duplicate(service: Service, worker: Worker, instance: Instance) -> None:
    """Reports a second instance of a worker to the administrator, once: which one to keep is not guessed."""
    launched = instance.launched_at
    why = message("duplicate", instance=instance.instance_id, launched=launched, recorded=worker.instance_id)
    add_entry(service, worker, Kind.REPORT, why.code, why, launched)


def ensure_alarm(service: Service, worker: Worker, state: State) -> None:
    """Creates the idle alarm of an instance that runs, deletes that of one that does not.

    Also when the state was known: the first time it may have failed after the record was written. CloudWatch takes
    three such calls a second and a class starts in a minute: an alarm that is throttled is left to `reconcile`.
    """
    try:
        if state is State.RUNNING and worker.state in (State.RUNNING, State.STOPPING):
            service.metrics.put_idle_alarm(worker.instance_id, policy_of(service, worker))
        elif state in (State.STOPPED, State.TERMINATED) and not worker.state.costs:
            service.metrics.delete_idle_alarms([worker.instance_id])
    except CloudError as error:
        if error.code not in THROTTLED:
            raise
        log.warning(
            "worker %s (%s): its alarm is left to reconcile: %s", worker.key, worker.instance_id, error
        )


def _due(service: Service, worker: Worker, now: datetime) -> Worker:
    """The worker with the time at which it may first be stopped, if it runs."""
    if worker.state is not State.RUNNING:
        return worker
    policy = policy_of(service, worker)
    return with_due(worker, next_check(worker, Evidence(period=policy.idle_timeout), policy, now))


def _refuse_if_too_early(service: Service, event: StateChange, now: datetime) -> None:
    """An event may come before DescribeInstances lists the instance; until then its owner is unknown."""
    is_new = event.state in FIRST_STATES and now - event.at < DESCRIBED_WITHIN
    if is_new and not service.cloud.knows(event.instance_id):
        raise NotNow(f"EC2 does not list {event.instance_id} yet")


def _described(service: Service, event: StateChange) -> Instance | None:
    found = service.cloud.named([event.instance_id])
    if not found:
        return None
    if found[0].cluster != service.cluster:
        raise OtherCluster(f"{event.instance_id} is a worker of cluster {found[0].cluster}")
    return found[0]


def _is_gone(service: Service, worker: Worker, now: datetime) -> bool:
    """Is the instance terminated? EC2 lists those for at least an hour, and new ones after a while."""
    found = service.cloud.named([worker.instance_id])
    if not found:
        return now - worker.state_at > FORGOTTEN_AFTER
    return found[0].state is State.TERMINATED
