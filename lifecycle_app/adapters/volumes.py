"""Home disks in EC2: describes, marks and grows them. The only module of the lifecycle app that changes volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from lifecycle_app.adapters.aws import aws_errors
from lifecycle_app.adapters.ec2 import IDS_IN_A_FILTER
from lifecycle_app.contract import ROLE_WORKER, TAG_BACKUP, TAG_CLUSTER, TAG_ROLE
from lifecycle_app.model.growth import HomeVolume

TOO_MANY = "VolumeModificationRateExceeded"
"""EC2's code for a volume that had four changes within 24 hours."""


class Volumes:
    """EC2's view of one cluster's home disks. Every method raises CloudError. `changer` is a client without retries."""

    def __init__(self, reader: Any, changer: Any, cluster: str) -> None:
        self._reader = reader
        self._changer = changer
        self._cluster = cluster

    def described(self, volume_ids: Sequence[str]) -> dict[str, HomeVolume]:
        """Those of the volumes that EC2 lists, by id."""
        found: dict[str, HomeVolume] = {}
        for start in range(0, len(volume_ids), IDS_IN_A_FILTER):
            some = volume_ids[start : start + IDS_IN_A_FILTER]
            changes = {one["VolumeId"]: one for one in self._changes(some)}
            for one in self._listed(some):
                found[one["VolumeId"]] = self._volume(one, changes.get(one["VolumeId"], {}))
        return found

    def grow(self, volume_id: str, size: int) -> None:
        """Asks EC2 to grow the volume to so many GiB."""
        with aws_errors("ModifyVolume"):
            self._changer.modify_volume(VolumeId=volume_id, Size=size)

    def unmarked(self, volume_ids: Sequence[str]) -> list[str]:
        """Those of the volumes that are homes of this cluster, and are not marked for the daily backups."""
        found = []
        for start in range(0, len(volume_ids), IDS_IN_A_FILTER):
            for one in self._listed(volume_ids[start : start + IDS_IN_A_FILTER]):
                volume = self._volume(one, {})
                if volume.is_workers and not volume.is_root and _tags(one).get(TAG_BACKUP) != self._cluster:
                    found.append(volume.volume_id)
        return found

    def mark(self, volume_ids: Sequence[str]) -> None:
        """Marks the volumes for the daily backups."""
        tags = [{"Key": TAG_BACKUP, "Value": self._cluster}]
        for start in range(0, len(volume_ids), IDS_IN_A_FILTER):
            with aws_errors("CreateTags"):
                self._changer.create_tags(Resources=volume_ids[start : start + IDS_IN_A_FILTER], Tags=tags)

    def _listed(self, volume_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        listed = self._reader.get_paginator("describe_volumes")
        return self._pages(listed, "DescribeVolumes", "Volumes", volume_ids)

    def _changes(self, volume_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """The latest change of each volume that had one, oldest first: EC2 may list one of long ago, too."""
        listed = self._reader.get_paginator("describe_volumes_modifications")
        changes = self._pages(listed, "DescribeVolumesModifications", "VolumesModifications", volume_ids)
        yield from sorted(changes, key=lambda one: one["StartTime"])

    def _pages(
        self, paginator: Any, action: str, field: str, volume_ids: Sequence[str]
    ) -> Iterator[Mapping[str, Any]]:
        # By a filter: EC2 refuses the whole request for one id that is not there.
        filters = [{"Name": "volume-id", "Values": list(volume_ids)}]
        with aws_errors(action):
            for page in paginator.paginate(Filters=filters):
                yield from page.get(field, ())

    def _volume(self, described: Mapping[str, Any], change: Mapping[str, Any]) -> HomeVolume:
        tags = _tags(described)
        attachments = [one for one in described.get("Attachments", ()) if one.get("State") == "attached"]
        began = change.get("StartTime")
        return HomeVolume(
            volume_id=described["VolumeId"],
            size=int(described["Size"]),
            attached_to=attachments[0]["InstanceId"] if len(attachments) == 1 else None,
            is_workers=tags.get(TAG_CLUSTER) == self._cluster and tags.get(TAG_ROLE) == ROLE_WORKER,
            # A home disk is made blank; a root disk is made from its image's snapshot, and goes with its instance.
            is_root=any(one.get("DeleteOnTermination") is not False for one in attachments),
            change=change.get("ModificationState"),
            changed_at=began.astimezone(UTC) if began else None,
        )


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}
