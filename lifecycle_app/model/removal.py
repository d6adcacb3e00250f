"""Whether a stopped worker's instance, and its root disk with it, may be removed. No clock and no I/O here.

The next login launches a new instance and attaches the home disk to it. So nothing may be removed but what that
restores: the home must be on a disk of its own, which this very instance has, and which EC2 keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle_app.model.worker import Instance, State, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A disk of an instance, as EC2 describes it."""

    volume: str
    is_root: bool = False
    is_attached: bool = True
    """Is it attached, and neither being attached nor being detached?"""
    goes_with_instance: bool = False
    """Does EC2 delete it with the instance?"""
    is_backup: bool = False
    """Is it a copy of a backup, which goes with the instance by intent? Never the home, whatever it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An instance with its disks, as EC2 describes them at this moment."""

    instance: Instance
    disks: tuple[Attached, ...]


def is_due(worker: Worker, root_kept: timedelta, now: datetime) -> bool:
    """Has it been stopped for so long that its instance is to be removed, as recorded, and may it be?"""
    if worker.state is not State.STOPPED or worker.home_volume is None or not worker.home_attached:
        return False
    is_kept = worker.keep_until is not None and worker.keep_until > now
    return not is_kept and now - worker.state_at >= root_kept


def obstacle(worker: Worker, described: Described | None, cluster: str) -> str:
    """What forbids to terminate the worker's instance by EC2's own description; "" if nothing does."""
    if described is None:
        return "EC2 does not describe it as a worker"
    found, disks = described.instance, described.disks
    if (found.cluster, found.key, found.instance_id) != (cluster, worker.key, worker.instance_id):
        return f"{found.instance_id} is not this worker's by its tags"
    if found.state is not State.STOPPED:
        return f"it is {found.state}"
    own = [disk for disk in disks if not disk.is_root and not disk.is_backup]
    home = next((disk for disk in own if disk.volume == worker.home_volume), None)
    if home is None:
        return f"the home disk {worker.home_volume} is not attached to it"
    if not home.is_attached:
        return f"the home disk {home.volume} is being attached or detached"
    lost = [disk.volume for disk in own if disk.goes_with_instance]
    return f"{', '.join(lost)} would be deleted with it (DeleteOnTermination)" if lost else ""
