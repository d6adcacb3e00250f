"""Home disks that are in EC2 and in no record: of machines that were terminated by hand before their record knew the
disk, or of an earlier cluster of the same name. Pure.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import HomeInUse, SeveralHomes
from lifecycle_app.contract import STOPPED_FOR_HOME, TAG_REPLACED, TAG_REPLACES
from lifecycle_app.model.worker import State, Worker

THERE = ("creating", "available", "in-use")
"""States of a disk that is not being deleted; one in state `error` holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk with a worker's tags: of root disks, only those of instances that exist are there."""

    volume: str
    zone: str
    is_free: bool
    instances: frozenset[str] = frozenset()
    """That it is attached to."""


def disk_from(described: Mapping[str, Any]) -> Disk | None:
    """A disk in EC2's DescribeVolumes answer; None for one that is going away, or that a restored one has replaced, and
    for a copy of an image or of a backup that no instance has: only a restored home is made of a snapshot.
    """
    tags = {one["Key"] for one in described.get("Tags", [])}
    is_copy = bool(described.get("SnapshotId")) and TAG_REPLACES not in tags
    is_free = described["State"] == "available"
    if described["State"] not in THERE or TAG_REPLACED in tags or (is_copy and is_free):
        return None
    return Disk(
        volume=described["VolumeId"],
        zone=described["AvailabilityZone"],
        is_free=is_free,
        instances=frozenset(
            one["InstanceId"] for one in described.get("Attachments", []) if "InstanceId" in one
        ),
    )


def left_home(disks: Collection[Disk], instance_id: str = "") -> Disk | None:
    """The home disk that a worker without one in its record is to have again; None if none is left.

    `disks`: all of the worker. `instance_id`: the instance to attach it to, whose own disks do not count. Raises
    HomeInUse while an instance that is being terminated has some, one of which may be the home, and SeveralHomes.
    """
    others = [one for one in disks if instance_id not in one.instances]
    if any(not one.is_free for one in others):
        raise HomeInUse(
            "Your home disk is still attached to a machine that is being removed. It takes a minute or two."
        )
    if len(others) > 1:
        raise SeveralHomes(sorted(one.volume for one in others))
    return others[0] if others else None


def was_never_attached(worker: Worker | None) -> bool:
    """Was its machine stopped because the home disk was missing, with no disk in its record?

    Then the hub ended between the launch for a left home and attaching it.
    """
    return (
        worker is not None
        and worker.state is State.STOPPED
        and worker.home_volume is None
        and worker.message.values.get("by") == STOPPED_FOR_HOME
    )
