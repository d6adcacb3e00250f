"""Backups of homes: EBS snapshots, which AWS's Data Lifecycle Manager makes each day, or `homes backup` makes.

A backup belongs to a disk, not to a name: the next user of a name must not get the files of the one before. A restored
home's tags name the disks that it replaced, so that it has their backups too.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bootstrap.aws import instances
from bootstrap.aws.site import Site
from lifecycle_app.contract import ROLE_WORKER, TAG_REPLACES

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SnapshotTypeDef

COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Backup:
    """A snapshot of a home disk; `size` is that disk's in GB, `state` is EC2's."""

    snapshot: str
    volume: str
    at: datetime
    size: int
    state: str


def every(site: Site) -> dict[str, list[Backup]]:
    """All backups of the cluster's homes, by disk, the newest first."""
    found: dict[str, list[Backup]] = defaultdict(list)
    for one in instances.snapshots_by_tags(site.aws, site.cluster, ROLE_WORKER):
        found[one["VolumeId"]].append(_backup(one))
    return {
        volume: sorted(of_disk, key=lambda one: one.at, reverse=True) for volume, of_disk in found.items()
    }


def lineage(volume: str, tags: Mapping[str, str]) -> list[str]:
    """A home disk, and those that it and its predecessors replaced. Pure."""
    return [volume, *tags.get(TAG_REPLACES, "").split()]


def of_disks(volumes: Sequence[str], found: Mapping[str, Sequence[Backup]]) -> list[Backup]:
    """The backups of these disks that can be restored, the newest first. Pure."""
    usable = [one for volume in volumes for one in found.get(volume, ()) if one.state == COMPLETED]
    return sorted(usable, key=lambda one: one.at, reverse=True)


def make(site: Site, volume: str) -> str:
    """The id of a new backup of a home disk, as it is at this moment, with the disk's tags. EC2 completes it later.

    Nothing deletes it but the deletion of the home: Data Lifecycle Manager deletes those that it has made.
    """
    ec2 = site.aws.client("ec2")
    (disk,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    tags = [tag for tag in disk["Tags"] if not tag["Key"].startswith("aws:")]
    made = ec2.create_snapshot(
        VolumeId=volume,
        Description=f"cloudJHub {site.cluster}: by `cloudjhub homes backup`",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )
    return made["SnapshotId"]


def delete_all_of(site: Site, volume: str) -> None:
    """Delete all backups of a disk."""
    for one in every(site).get(volume, ()):
        instances.delete_snapshot(site.aws, one.snapshot)


def _backup(one: "SnapshotTypeDef") -> Backup:
    return Backup(
        one["SnapshotId"],
        one["VolumeId"],
        one["StartTime"].astimezone(UTC),
        int(one["VolumeSize"]),
        str(one["State"]),
    )
