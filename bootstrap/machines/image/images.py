"""The cluster's worker images, and which one the hub launches."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from bootstrap.aws import instances
from bootstrap.aws.errors import built, if_exists
from bootstrap.aws.instances import tags_of
from bootstrap.aws.session import Aws
from bootstrap.aws.waiting import Report, polls, repeated, sparing
from bootstrap.errors import StepFailed
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
    """Remove the images that are neither in use nor among the newest, with the snapshots of removed ones."""
    used = {*used_by_workers(aws, cluster)}
    if chosen := current(aws, cluster):
        used.add(chosen)
    for one in superfluous(images(aws, cluster), used):
        report(f"removing the old image {one.image}")
        _deregister(aws, one.image)
    remove_snapshots(aws, cluster)


def remove_all(aws: Aws, cluster: str, report: Report) -> None:
    """Remove every image that the cluster built. Machines that were launched from them keep running."""
    for one in images(aws, cluster):
        report(f"removing the image {one.image}")
        _deregister(aws, one.image)
    remove_snapshots(aws, cluster)


def _deregister(aws: Aws, image: str) -> None:
    aws.client("ec2").deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)


def remove_snapshots(aws: Aws, cluster: str) -> None:
    """Delete the cluster's snapshots that no longer belong to an image."""
    ec2 = aws.client("ec2")
    found = ec2.describe_images(Owners=["self"], Filters=_filters(cluster))["Images"]
    if any(one["State"] == "pending" for one in found):
        return  # EC2 does not say yet which snapshots it will have
    needed = {
        disk["Ebs"].get("SnapshotId")
        for one in found
        for disk in one.get("BlockDeviceMappings", [])
        if "Ebs" in disk
    }
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=_filters(cluster))
    for page in pages:
        for snapshot in page["Snapshots"]:
            if snapshot["SnapshotId"] not in needed:
                _delete_snapshot(aws, snapshot["SnapshotId"])


def _delete_snapshot(aws: Aws, snapshot: str) -> None:
    """EC2 holds a snapshot for some seconds after its image was deregistered."""
    delete = partial(aws.client("ec2").delete_snapshot, SnapshotId=snapshot)
    if_exists(lambda: repeated(delete, ("InvalidSnapshot.InUse",), RELEASED_WITHIN))


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
