"""RunInstances requests for workers, as pure functions of an order and the settings."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.config.profiles import Profile
from hub.config.settings import WORKER_PORT, Settings
from lifecycle_app.contract import (
    BACKUP_DEVICE,
    CREATOR,
    HOME_FIELD,
    HOME_VOLUME_FIELD,
    ROLE_WORKER,
    TAG_CLUSTER,
    TAG_CREATOR,
    TAG_NAME,
    TAG_OWNER,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
    WORKER_CONFIG,
    HomeDisk,
)
from lifecycle_app.model.worker import split, worker_name

HOME_DEVICE = "/dev/sdf"
UNLIMITED_CREDITS = "unlimited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A worker subnet and its availability zone."""

    subnet: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The AMI that a worker is launched from."""

    id: str
    root_device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A snapshot of a home, with what was on it at that moment; `size` is that of the disk, in GB."""

    snapshot: str
    at: datetime
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A worker to launch."""

    worker: str
    profile: Profile
    image: Image
    previous: str | None = None
    """The instance that it had before, which no longer exists."""
    home_volume: str | None = None
    """The home disk that it had before, which is attached after the launch instead of creating a new one."""
    home_zone: str = ""
    backup: Backup | None = None
    """A backup of that disk, of which a copy is attached beside it and goes with the instance."""


def requests_for(
    order: Order, settings: Settings, places: Sequence[Place], generation: int = 0
) -> list[dict[str, Any]]:
    """RunInstances requests in the order in which to try them: the first type in every zone, then the next one.

    The first of `places` is in the manager's zone, where traffic with the manager costs nothing. A home disk binds its
    worker to the disk's zone.
    """
    usable = [place for place in places if not order.home_volume or place.zone == order.home_zone]
    return [
        run_request(order, settings, place, kind, generation)
        for kind in order.profile.types
        for place in usable
    ]


def run_request(
    order: Order, settings: Settings, place: Place, instance_type: str, generation: int
) -> dict[str, Any]:
    """One RunInstances request."""
    tags = worker_tags(order.worker, settings, place.zone)
    home = home_disk(order, settings)
    request = {
        **instance_request(
            image=order.image.id,
            instance_type=instance_type,
            role=settings.role,
            disks=_disks(order, settings, with_home=home is HomeDisk.NEW),
            tags=tags,
            user_data=user_data(settings, home, order.home_volume or ""),
            credits=settings.credits,
        ),
        "MinCount": 1,
        "MaxCount": 1,
        "SubnetId": place.subnet,
        "SecurityGroupIds": [settings.group],
    }
    return {**request, "ClientToken": client_token(request, order.previous, generation)}


def instance_request(
    *,
    image: str,
    instance_type: str,
    role: str,
    disks: list[dict[str, Any]],
    tags: list[dict[str, str]],
    user_data: str,
    credits: str,
    has_new_interface: bool = True,
) -> dict[str, Any]:
    """What the RunInstances requests of workers, managers and image builders have in common.

    An instance that shuts itself down is stopped, not terminated, and its metadata service answers version 2 alone.
    What the launch creates is tagged.
    `credits` are for burstable types: EC2's own default is unlimited, which bills what a busy machine uses in addition.
    """
    created = ["instance", "volume", *(["network-interface"] if has_new_interface else [])]
    burst = {"CreditSpecification": {"CpuCredits": credits}} if is_burstable(instance_type) else {}
    return {
        "ImageId": image,
        "InstanceType": instance_type,
        "IamInstanceProfile": {"Name": role},
        "InstanceInitiatedShutdownBehavior": "stop",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": disks,
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in created],
        "UserData": user_data,
        **burst,
    }


def is_burstable(instance_type: str) -> bool:
    """Does a type earn and spend CPU credits? EC2 refuses a CreditSpecification for the others."""
    return re.match(r"t\d", instance_type) is not None


def client_token(request: Mapping[str, object], previous: str | None, generation: int) -> str:
    """The RunInstances token of a request (which carries cluster, worker, subnet and type), 64 ASCII characters.

    The same request after the same previous instance has the same token, so that EC2 launches it once.
    """
    known = json.dumps([request, previous, generation], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(known.encode()).hexdigest()


def worker_tags(worker: str, settings: Settings, zone: str) -> list[dict[str, str]]:
    """The tags of a worker's instance, disks and network interface."""
    user, server = split(worker)
    tags = {
        TAG_NAME: worker_name(zone, settings.cluster),
        TAG_OWNER: settings.owner,
        TAG_CREATOR: CREATOR,
        **settings.tags,
        TAG_CLUSTER: settings.cluster,
        TAG_ROLE: ROLE_WORKER,
        TAG_USER: user,
        TAG_SERVER: server,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def home_disk(order: Order, settings: Settings) -> HomeDisk:
    """Where the home of a launched worker is. A new disk has no snapshot: EC2 makes it blank."""
    if order.home_volume is not None:
        return HomeDisk.EXISTING_BESIDE_BACKUP if order.backup else HomeDisk.EXISTING
    return HomeDisk.NEW if settings.home_disk else HomeDisk.NONE


def user_data(settings: Settings, home: HomeDisk, volume: str = "") -> str:
    """The workers' cloud-config: without secrets, and of no particular user. JSON is YAML.

    The home's volume id is in it only where a disk is beside it that looks like a home, too.
    """
    config = {
        "cluster": settings.cluster,
        "hub_api": settings.hub_api,
        "hub_name": settings.hub_name,
        "region": settings.region,
        "report_period": int(settings.report_period.total_seconds()),
        "port": WORKER_PORT,
        HOME_FIELD: home,
        **({HOME_VOLUME_FIELD: volume} if home is HomeDisk.EXISTING_BESIDE_BACKUP else {}),
    }
    file = {"path": WORKER_CONFIG, "permissions": "0644", "content": json.dumps(config)}
    return "#cloud-config\n" + json.dumps({"write_files": [file]}) + "\n"


def _disks(order: Order, settings: Settings, *, with_home: bool) -> list[dict[str, Any]]:
    root = order.profile.disk or settings.worker_disk
    disks = [disk(order.image.root_device, root, settings.kms_key)]
    if with_home:
        disks.append(disk(HOME_DEVICE, settings.home_disk, settings.kms_key, goes_with_instance=False))
    if order.backup and order.home_volume:
        copy = disk(BACKUP_DEVICE, order.backup.size, settings.kms_key)
        disks.append({**copy, "Ebs": {**copy["Ebs"], "SnapshotId": order.backup.snapshot}})
    return disks


def disk(device: str, size: int, key: str, *, goes_with_instance: bool = True) -> dict[str, Any]:
    """A new disk of `size` GB at a device, `encrypted` with the key; unless told otherwise, it is deleted with its
    instance.
    """
    return {
        "DeviceName": device,
        "Ebs": {
            "VolumeSize": size,
            "VolumeType": "gp3",
            **encrypted(key),
            "DeleteOnTermination": goes_with_instance,
        },
    }


def encrypted(key: str) -> dict[str, Any]:
    """What makes EC2 encrypt a new disk with this KMS key (an ARN); "": with the account's default key."""
    return {"Encrypted": True, **({"KmsKeyId": key} if key else {})}
