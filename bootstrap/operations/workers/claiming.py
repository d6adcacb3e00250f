"""Ends a stopped worker's machine under a claim: a login at that instant either comes first, and keeps its machine, or
waits until the machine is gone, and gets a new one.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bootstrap.aws import instances
from bootstrap.aws.site import Site
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.messages import message
from lifecycle_app.model.transitions import with_claim
from lifecycle_app.model.worker import State, Worker

# A machine may be terminated for so long after its claim. What is left of the lease then is more than the call takes
# with all its retries, so that a login which finds the lease expired finds nobody who still terminates.
ACTS_WITHIN = timedelta(minutes=1)

Clock = Callable[[], datetime]


def end_stopped(
    site: Site, store: WorkerStore, key: str, instance_id: str, reason: str, clock: Clock
) -> bool:
    """Claim the worker, look once more, terminate; False, with all as before, if somebody was faster."""
    before, now = store.get(key), clock()
    if before is None or before.instance_id != instance_id or before.state is not State.STOPPED:
        return False
    try:
        claimed = store.put(with_claim(before, reason, message(reason), now), now)
    except RecordConflict:
        return False
    # If the call fails, the machine may be ending all the same: the claim stays, and makes logins wait until an event
    # or the end of the lease tells.
    is_timely = clock() - now < ACTS_WITHIN
    if is_timely and instances.end(site.aws, [instance_id], site.cluster, only_in=(State.STOPPED,)):
        return True
    _release(store, replace(before, version=claimed.version), clock())
    return False


def _release(store: WorkerStore, before: Worker, now: datetime) -> None:
    """As before the claim, unless something newer is recorded. What the machine does, EC2's events tell."""
    with suppress(RecordConflict):
        store.put(before, now)
