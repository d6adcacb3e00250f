"""The manager's state disk: found by its tag, created once, attached to the current manager."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import volumes_by_tags
from bootstrap.aws.session import Aws
from bootstrap.aws.waiting import polls
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import Refused, StepFailed
from bootstrap.machines.manager_request import ROLE_STATE, STATE_DEVICE, volume_request

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import VolumeTypeDef

WITHIN = 300.0


def find(aws: Aws, cluster: str) -> "VolumeTypeDef | None":
    """The cluster's state disk, or None. Raises Refused if there are several."""
    found = every(aws, cluster)
    if len(found) > 1:
        ids = ", ".join(one["VolumeId"] for one in found)
        raise Refused(f"several state disks of {cluster}: {ids}; delete all but the right one")
    return found[0] if found else None


def every(aws: Aws, cluster: str) -> "list[VolumeTypeDef]":
    """All disks that are tagged as the cluster's state disk."""
    return volumes_by_tags(aws, cluster, ROLE_STATE)


def ensure(aws: Aws, settings: ClusterSettings, zone: str, interface: str) -> str:
    """The id of the state disk, created if there is none. Raises Refused for one in another zone than the manager's."""
    found = find(aws, settings.cluster)
    if found is None:
        return aws.client("ec2").create_volume(**volume_request(settings, zone, interface))["VolumeId"]
    if found["AvailabilityZone"] != zone:
        raise Refused(
            f"the state disk {found['VolumeId']} is in {found['AvailabilityZone']}, the manager's subnet in {zone}: "
            "put the manager into the disk's zone, or move the disk by a snapshot"
        )
    return found["VolumeId"]


def attach(aws: Aws, volume: str, instance: str) -> None:
    """Attach the disk to a running manager, as soon as it is free. Raises StepFailed if another machine keeps it."""
    holders: list[str] = []
    for _ in polls(WITHIN):
        [described] = aws.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"]
        holders = [one["InstanceId"] for one in described["Attachments"] if one["State"] != "detached"]
        if instance in holders:
            return
        if described["State"] == "available" and _is_taken(aws, volume, instance):
            return
    raise StepFailed(
        f"the state disk {volume} is held by {', '.join(holders) or 'no instance'}: detach it there"
    )


def _is_taken(aws: Aws, volume: str, instance: str) -> bool:
    try:
        aws.client("ec2").attach_volume(VolumeId=volume, InstanceId=instance, Device=STATE_DEVICE)
    except ClientError as error:
        if code_of(error) not in ("VolumeInUse", "IncorrectState"):
            raise
        return False
    return True
