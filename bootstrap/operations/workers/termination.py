"""Terminating workers of this cluster, and never another's; homes are deleted only on request.

A stopped worker's instance is terminated under a claim: a login at that instant either comes first, and keeps the
instance, or waits until it is terminated, and gets a new one.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bootstrap.aws import instances
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.errors import Refused, StepFailed
from bootstrap.operations.home_backups import delete_all_of, lineage
from bootstrap.operations.workers.listing import ListedWorker, store_of
from bootstrap.operations.workers.stopping import stop
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.messages import message
from lifecycle_app.model.transitions import with_removal, with_state
from lifecycle_app.model.worker import State, Worker

# An instance may be terminated for so long after its claim. What is left of the lease then is more than the call takes
# with all its retries, so that a login which finds the lease expired finds no operator who still terminates.
ACTS_WITHIN = timedelta(minutes=1)

Clock = Callable[[], datetime]


def end_stopped(
    site: Site, store: WorkerStore, key: str, instance_id: str, reason: str, clock: Clock
) -> bool:
    """Claim the worker, check again, terminate; False, with all as before, if another writer was faster."""
    before, now = store.get(key), clock()
    if before is None or before.instance_id != instance_id or before.state is not State.STOPPED:
        return False
    try:
        claimed = store.put(with_removal(before, reason, message(reason), now), now)
    except RecordConflict:
        return False
    # If the call fails, the instance may terminate anyway: the claim is kept, and makes logins wait for an event or the
    # end of the lease.
    is_timely = clock() - now < ACTS_WITHIN
    if is_timely and instances.end(site.aws, [instance_id], site.cluster, only_in=(State.STOPPED,)):
        return True
    _release(store, replace(before, version=claimed.version), clock())
    return False


def _release(store: WorkerStore, before: Worker, now: datetime) -> None:
    """As before the claim, unless something newer is recorded. EC2's events report the instance's state."""
    with suppress(RecordConflict):
        store.put(before, now)


TRIES = 5
TERMINATED = "terminated"

Step = Callable[[Worker], Worker]


def terminate(
    site: Site, machines: Sequence[ListedWorker], clock: Clock, report: Report, *, with_home: bool
) -> None:
    """Stop those that run, terminate what is stopped then, and say so in the records: the next login launches anew,
    with the old home.

    Raises StepFailed before anything is terminated if one does not stop, and for those that a user has started again
    meanwhile, after the others were terminated.
    """
    if with_home:
        _refuse_foreign_homes(site, machines)
    else:
        _refuse_homes_on_root_disks(machines)
    stop(site, machines, clock, report)
    ended = [one.instance_id for one in machines if one.instance_id and _end(site, one, clock)]
    report(f"terminating {len(ended)} workers")
    instances.await_gone(site.aws, ended, report)
    terminated = [one for one in machines if not one.instance_id or _is_gone(site, one.instance_id)]
    for machine in terminated:
        mark_terminated(store_of(site), machine, clock)
    if with_home:
        for machine in terminated:
            _delete_home(site, machine, clock, report)
    left = sorted({one.key for one in machines} - {one.key for one in terminated})
    if left:
        raise StepFailed(
            f"not terminated, because they run again or their users are logging in: {', '.join(left)}: try again"
        )


def _end(site: Site, machine: ListedWorker, clock: Clock) -> bool:
    """Terminate it if it is stopped; False if it is not, or its user is logging in."""
    store = store_of(site)
    worker = store.get(machine.key)
    if worker is None or worker.instance_id != machine.instance_id:
        # No login uses an instance that no record has.
        return bool(instances.end(site.aws, [machine.instance_id], site.cluster, only_in=(State.STOPPED,)))
    return end_stopped(site, store, machine.key, machine.instance_id, TERMINATED, clock)


def mark_terminated(store: WorkerStore, machine: ListedWorker, clock: Clock) -> None:
    """In the record of this very instance; EC2's event says the same, when it comes."""
    now = clock()

    def step(worker: Worker) -> Worker:
        if worker.instance_id != machine.instance_id or worker.state is State.TERMINATED:
            return worker
        return with_state(worker, State.TERMINATED, now, now)

    change_record(store, machine.key, step, now)


def change_record(store: WorkerStore, key: str, step: Step, now: datetime) -> None:
    """Change a record, as it is then, unless `step` leaves it as it is. Raises StepFailed if it keeps changing."""
    for _ in range(TRIES):
        worker = store.get(key)
        if worker is None or (changed := step(worker)) == worker:
            return
        try:
            store.put(changed, now)
            return
        except RecordConflict:
            continue  # the lifecycle app wrote in between: read what it wrote
    raise StepFailed(f"the record of {key} changes all the time: try again")


def _is_gone(site: Site, instance_id: str) -> bool:
    found = instances.described(site.aws, [instance_id])
    return not found or found[0]["State"]["Name"] == "terminated"


def _refuse_homes_on_root_disks(machines: Sequence[ListedWorker]) -> None:
    """A home without a disk of its own is deleted with the instance, which needs `with_home`."""
    lost = [one.key for one in machines if one.instance_id and one.home_volume is None]
    if lost:
        raise Refused(
            f"no home disk is known of {', '.join(lost)}: their users' files would go with the instance;"
            " nothing was terminated; say --with-home if that is meant"
        )


def _refuse_foreign_homes(site: Site, machines: Sequence[ListedWorker]) -> None:
    """Before anything is done: a record may name a disk that is not this cluster's."""
    for machine in machines:
        tags = _home_tags(site, machine)
        if tags is not None and (tags.get(TAG_CLUSTER), tags.get(TAG_ROLE)) != (site.cluster, ROLE_WORKER):
            raise Refused(
                f"{machine.home_volume}, the home of {machine.key}, is not of the cluster {site.cluster}"
                " by its tags; nothing was terminated"
            )


def _home_tags(site: Site, machine: ListedWorker) -> dict[str, str] | None:
    """None where there is no home disk, or no more."""
    if machine.home_volume is None:
        return None
    ec2, ids = site.aws.client("ec2"), [machine.home_volume]
    found = if_exists(lambda: ec2.describe_volumes(VolumeIds=ids)["Volumes"])
    return instances.tags_of(found[0]) if found else None


def _delete_home(site: Site, machine: ListedWorker, clock: Clock, report: Report) -> None:
    volume = machine.home_volume
    if volume is None:
        return
    # Of a disk that is gone, Data Lifecycle Manager would never delete the last backup.
    for one in lineage(volume, _home_tags(site, machine) or {}):
        report(f"deleting {one}, the home of {machine.key}, and its backups")
        instances.delete_volume(site.aws, one)
        delete_all_of(site, one)

    def forget(worker: Worker) -> Worker:
        if worker.home_volume != volume or worker.state is not State.TERMINATED:
            return worker
        return replace(worker, home_volume=None, home_attached=True)

    change_record(store_of(site), machine.key, forget, clock())
