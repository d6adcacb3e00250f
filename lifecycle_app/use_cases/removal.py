"""The removal of root disks: claim, ask the hub, check, terminate, confirm.

The instance of a worker that has been stopped for long is terminated; its home disk stays, and the next login launches
a new instance with it. The fence is that of a stop (`stop`): the lifecycle app claims and then asks the hub, the hub
marks a login pending and then reads the record. Whoever comes second sees the other. IAM cannot express "stopped" or
"its home survives": both are checked on EC2 while the claim is held.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import BadRecord, CloudError, HubError, RecordConflict, TerminationRejected
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import REMOVED, message
from lifecycle_app.model.removal import is_due, obstacle
from lifecycle_app.model.transitions import has_claim_of, with_removal, with_removal_released, with_removed
from lifecycle_app.model.worker import Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import add_entry, change

log = logging.getLogger(__name__)

MOST_A_RUN = 200
"""One after the other: below EC2's rates for TerminateInstances and DescribeInstances. The rest follows next time."""


def remove_stopped(
    service: Service, root_kept: timedelta | None, is_time_left: Callable[[], bool]
) -> dict[str, int]:
    """Removes the instances of workers that have been stopped for `root_kept`, those stopped longest first, and counts
    how that went. None: no instance is ever removed.
    """
    done: Counter[str] = Counter()
    if root_kept is None:
        return {}
    due = [one for one in service.store.scan().workers if is_due(one, root_kept, service.clock())]
    for worker in sorted(due, key=lambda one: one.state_at):
        if done.total() >= MOST_A_RUN or not is_time_left():
            done["left"] = len(due) - done.total()
            break
        done[_tried(service, worker.key, root_kept)] += 1
    return dict(done)


def _tried(service: Service, key: str, root_kept: timedelta) -> str:
    """An error about one worker must not end the run."""
    try:
        return remove(service, key, root_kept, service.clock())
    except (CloudError, RecordConflict, BadRecord) as error:
        log.error("worker %s: its removal is left for the next run: %s", key, error)
        return "failed"


def remove(service: Service, key: str, root_kept: timedelta, now: datetime) -> str:
    """Terminates the worker's instance, if it has been stopped for so long and its home survives, and returns in a word
    how that went.

    Raises CloudError if EC2 cannot be asked, with the claim released, and RecordConflict if the record changes.
    """
    before = service.store.get(key)
    if before is None or not is_due(before, root_kept, now):
        return "not-due"
    if why := _obstacle(service, before):
        return _report(service, before, why)
    said = message(REMOVED, ran=now - before.state_at)
    claimed = service.store.put(with_removal(before, REMOVED, said, now), service.clock())
    log.info("worker %s (%s): claimed for its removal", key, claimed.instance_id)
    if _is_refused_by_hub(service, claimed, before.state_at):
        _release(service, claimed, before)
        return "refused"
    return _terminate(service, claimed, before, now)


def _terminate(service: Service, claimed: Worker, before: Worker, now: datetime) -> str:
    """Checks on EC2 once more, now that no login can start the instance, and terminates it."""
    try:
        why = _obstacle(service, claimed)
    except CloudError:
        _release(service, claimed, before)
        raise
    try:
        if not why:
            service.cloud.terminate(claimed.instance_id)
    except TerminationRejected as error:
        why = str(error)
    except CloudError as error:
        # It may be terminated. Because of the claim, logins wait for an event or for the end of the lease.
        unknown = message("removal-unknown", detail=str(error))
        add_entry(service, claimed, Kind.REPORT, unknown.code, unknown, now)
        return unknown.code
    if why:
        _release(service, claimed, before)
        return _report(service, before, why)
    change(
        service,
        claimed.key,
        lambda current: with_removed(current, now) if has_claim_of(current, claimed) else current,
    )
    facts = {"home_volume": claimed.home_volume, "stopped_at": before.state_at.timestamp()}
    add_entry(service, claimed, Kind.REMOVAL, REMOVED, claimed.message, now, facts)
    return REMOVED


def _obstacle(service: Service, worker: Worker) -> str:
    return obstacle(worker, service.cloud.described(worker.instance_id), service.cluster)


def _is_refused_by_hub(service: Service, claimed: Worker, stopped_at: datetime) -> bool:
    """Does the hub keep it, above all because a login is under way? Without the hub nothing is removed: it can wait."""
    try:
        answer = service.hub.drain(claimed, Drain.REGARDLESS, stopped_at, Level.LOAD)
        refusal = "" if answer.drained else answer.reason or "refused"
    except HubError as error:
        refusal = str(error) or type(error).__name__
    if refusal:
        log.info("worker %s (%s): not removed: %s", claimed.key, claimed.instance_id, refusal)
    return bool(refusal)


def _release(service: Service, claimed: Worker, before: Worker) -> None:
    def step(current: Worker) -> Worker:
        if not has_claim_of(current, claimed):
            return current
        return with_removal_released(current, before, service.clock())

    change(service, claimed.key, step)


def _report(service: Service, worker: Worker, why: str) -> str:
    """Reports it to the administrator, under the time of the stop: then it is stored only once for each stop."""
    said = message("not-removed", detail=why)
    add_entry(service, worker, Kind.REPORT, said.code, said, worker.state_at)
    return said.code
