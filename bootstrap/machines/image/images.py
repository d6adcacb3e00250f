"""The cluster's worker images, and which one the hub launches."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from bootstrap.aws import instances
from bootstrap.aws.errors import built, code_of, if_exists, message_of
from bootstrap.aws.instances import tags_of
from bootstrap.aws.session import Aws
from bootstrap.aws.waiting import Report, polls, repeated, sparing
from bootstrap.errors import Held, StepFailed
from bootstrap.machines.image.request import ROLE_IMAGE, versions_in
from bootstrap.machines.launch import TAG_CONTENT
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE
from lifecycle_app.errors import NoTable

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

KEPT = 2
AVAILABLE_WITHIN = 3600.0
RELEASED_WITHIN = 60.0
HELD = (".InUse", "OperationNotPermitted", "SnapshotLocked", "ResourceLocked")
"""How codes end with which EC2 refuses to remove what someone holds: another image, protection, a lock, AWS Backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerImage:
    """An AMI that this cluster built. `content`: see `request.Recipe`."""

    image: str
    state: str
    created: datetime
    content: str
    versions: dict[str, str]


def images(aws: Aws, cluster: str) -> list[WorkerImage]:
    """The cluster's own images, newest first, pending ones included."""
    found = aws.client("ec2").describe_images(Owners=["self"], Filters=_filters(cluster))["Images"]
    return sorted(map(_image, found), key=lambda one: one.created, reverse=True)


def of_content(aws: Aws, cluster: str, content: str) -> WorkerImage | None:
    """The newest available or pending image of this content."""
    fit = [one for one in images(aws, cluster) if one.content == content]
    return next((one for one in fit if one.state in ("available", "pending")), None)


def current(aws: Aws, cluster: str) -> str | None:
    """The AMI that the hub launches; None before there is one, or a table."""
    try:
        return SettingsStore(cluster, aws.region).image()
    except NoTable:
        return None


def choose(aws: Aws, cluster: str, image: str) -> None:
    """Make the hub launch this AMI, within a minute. Raises NotBuilt."""
    with built(cluster):
        SettingsStore(cluster, aws.region).put_image(image)


def await_available(aws: Aws, image: str, report: Report) -> None:
    """Wait until an image can be launched. Raises StepFailed if it fails, or takes more than an hour."""
    progress, state, reason = sparing(report), "pending", ""
    for waited in polls(AVAILABLE_WITHIN):
        found = aws.client("ec2").describe_images(
            Filters=[{"Name": "image-id", "Values": [image]}]  # EC2 may not know a new one by its id yet
        )["Images"]
        state = found[0]["State"] if found else "pending"
        reason = found[0].get("StateReason", {}).get("Message", "") if found else ""
        if state == "available":
            return
        if state != "pending":
            break
        progress(f"EC2 copies the disk into image {image} ({waited / 60:.0f} min)")
    raise StepFailed(f"the image {image} is {state}, not available: {reason or 'EC2 gives no reason'}")


def used_by_workers(aws: Aws, cluster: str) -> Counter[str]:
    """How many of the cluster's workers, stopped ones included, have each image."""
    return Counter(one["ImageId"] for one in instances.found_by_tags(aws, cluster, ROLE_WORKER))


def superfluous(found: Sequence[WorkerImage], used: set[str], kept: int = KEPT) -> list[WorkerImage]:
    """The images, of these (newest first), that are not among the newest and have no instance."""
    return [one for one in found[kept:] if one.image not in used and one.state != "pending"]


def prune(aws: Aws, cluster: str, report: Report) -> None:
    """Remove the images that are neither in use nor among the newest, with the snapshots of removed ones.

    What something else holds stays, and is named: the next prune finds it again.
    """
    used = {*used_by_workers(aws, cluster)}
    if chosen := current(aws, cluster):
        used.add(chosen)
    for line in _removed(aws, cluster, superfluous(images(aws, cluster), used), report):
        report(f"kept for now: {line}")


def remove_all(aws: Aws, cluster: str, report: Report) -> None:
    """Remove every image that the cluster built. Machines that were launched from them keep running.

    Raises Held, when all else is removed, that names what could not be removed and what holds it.
    """
    held = _removed(aws, cluster, images(aws, cluster), report)
    if held:
        raise Held(f"not removed: {'; '.join(held)}: free it, then run `cloudjhub down` again")


def _removed(aws: Aws, cluster: str, old: Sequence[WorkerImage], report: Report) -> list[str]:
    """Remove these images, and snapshots without an image. A line for each that is held, with what holds it."""
    held = []
    for one in old:
        report(f"removing the old image {one.image}")
        held += _held(f"the image {one.image}", partial(_deregister, aws, one.image))
    return held + remove_snapshots(aws, cluster)


def _deregister(aws: Aws, image: str) -> object:
    return aws.client("ec2").deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)


def remove_snapshots(aws: Aws, cluster: str) -> list[str]:
    """Delete the cluster's snapshots that no longer belong to an image. A line for each that is held."""
    ec2 = aws.client("ec2")
    found = ec2.describe_images(Owners=["self"], Filters=_filters(cluster))["Images"]
    if any(one["State"] == "pending" for one in found):
        return []  # EC2 does not say yet which snapshots it will have
    needed = {
        disk["Ebs"].get("SnapshotId")
        for one in found
        for disk in one.get("BlockDeviceMappings", [])
        if "Ebs" in disk
    }
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=_filters(cluster))
    unneeded = [one["SnapshotId"] for page in pages for one in page["Snapshots"]]
    unneeded = [one for one in unneeded if one not in needed]
    holders = _holders(aws) if unneeded else {}
    return [line for one in unneeded for line in _delete_snapshot(aws, one, holders.get(one, []))]


def _delete_snapshot(aws: Aws, snapshot: str, holders: Sequence[str]) -> list[str]:
    """EC2 holds a snapshot for some seconds after its image was deregistered, and while another image has it."""
    if holders:
        return [f"the snapshot {snapshot} (held by {', '.join(sorted(holders))})"]
    delete = partial(aws.client("ec2").delete_snapshot, SnapshotId=snapshot)
    return _held(
        f"the snapshot {snapshot}", lambda: repeated(delete, ("InvalidSnapshot.InUse",), RELEASED_WITHIN)
    )


def _holders(aws: Aws) -> dict[str, list[str]]:
    """This account's images, ours or others, by the snapshots that their disks are made of."""
    found: dict[str, list[str]] = {}
    for page in aws.client("ec2").get_paginator("describe_images").paginate(Owners=["self"]):
        for one in page["Images"]:
            for disk in one.get("BlockDeviceMappings", []):
                name = f"the image {one['ImageId']} ({one.get('Name', 'without a name')})"
                found.setdefault(disk.get("Ebs", {}).get("SnapshotId", ""), []).append(name)
    return found


def _held(what: str, remove: Callable[[], object]) -> list[str]:
    """Remove something, whether it is there or not. A line with EC2's reason if it is held."""
    try:
        if_exists(remove)
    except ClientError as error:
        if not code_of(error).endswith(HELD):
            raise
        return [f"{what} ({message_of(error).rstrip('.')})"]
    return []


def _filters(cluster: str) -> "list[FilterTypeDef]":
    return [
        {"Name": f"tag:{TAG_CLUSTER}", "Values": [cluster]},
        {"Name": f"tag:{TAG_ROLE}", "Values": [ROLE_IMAGE]},
    ]


def _image(found: "ImageTypeDef") -> WorkerImage:
    tags = tags_of(found)
    return WorkerImage(
        image=found["ImageId"],
        state=found["State"],
        created=datetime.fromisoformat(found["CreationDate"]),
        content=tags.get(TAG_CONTENT, ""),
        versions=versions_in(tags),
    )
