"""Instances as EC2 describes them, many in one call; and home disks, which are attached to new instances."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls, Coalescer
from hub.config.settings import Settings
from hub.errors import CloudRefused, InstanceGone, StartError
from hub.spawn.launch_request import HOME_DEVICE, Image, Place
from hub.spawn.left_homes import Disk, disk_from
from hub.spawn.planning import Known, known_from, lacks_home
from lifecycle_app.adapters.aws import code_of
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.model.worker import Worker, split, worker_key

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

WINDOW = 0.05
MOST_FILTER_VALUES = 200
ALIVE = ["pending", "running", "stopping", "stopped"]
# The volume is still being detached from another instance, or the instance is not running yet.
ATTACH_LATER = frozenset(
    {"IncorrectState", "IncorrectInstanceState", "VolumeInUse", "InvalidInstanceID.NotFound"}
)
ATTACH_TRIES = 180
ATTACH_PAUSE = 1.0

_PLAIN = re.compile(r"[^\w ._@+=:-]+")


class Instances:
    """Reads instances from EC2."""

    def __init__(self, ec2: "EC2Client", calls: Calls, settings: Settings, *, window: float = WINDOW) -> None:
        self._ec2 = ec2
        self._calls = calls
        self._settings = settings
        self._finds = Coalescer[str, Known | None](self._find_batch, window=window, most=MOST_FILTER_VALUES)
        self._descriptions = Coalescer[str, Known](
            self._describe_batch, window=window, most=MOST_FILTER_VALUES
        )
        self._disks = Coalescer[str, list[Disk]](self._disks_batch, window=window, most=MOST_FILTER_VALUES)
        self._places: tuple[Place, ...] = ()
        self._images: dict[str, Image] = {}

    async def find(self, worker: str) -> Known | None:
        """A worker's instance by its tags, if it has one that is not terminated. Raises StartError."""
        return await self._finds.request(worker)

    async def disks(self, worker: str) -> list[Disk]:
        """The disks that have a worker's tags, root disks included. Raises StartError."""
        return await self._disks.request(worker)

    async def describe(self, instance_id: str) -> Known:
        """An instance as EC2 describes it. Raises InstanceGone if EC2 does not find it, or another StartError."""
        return await self._descriptions.request(instance_id)

    async def places(self) -> tuple[Place, ...]:
        """The worker subnets with their zones, read once. Raises StartError."""
        if not self._places:
            self._places = await self._read("worker subnets", self._read_places)
        return self._places

    async def image(self, image_id: str) -> Image:
        """An image with its root device, read once for each. Raises StartError if it does not exist."""
        if image_id not in self._images:
            self._images[image_id] = await self._read("worker image", lambda: self._read_image(image_id))
        return self._images[image_id]

    async def attach_home(self, volume: str, instance_id: str) -> None:
        """Attaches a home disk, once it and the instance are ready. Raises StartError."""
        for _ in range(ATTACH_TRIES):
            try:
                await self._calls.call(f"AttachVolume of {volume}", lambda: self._attach(volume, instance_id))
            except ClientError as error:
                if code_of(error) not in ATTACH_LATER:
                    log.error("home disk %s of %s cannot be attached: %s", volume, instance_id, error)
                    raise CloudRefused(
                        "Your home disk cannot be attached. Tell your administrator."
                    ) from error
                if code_of(error) == "VolumeInUse" and await self._has(instance_id, volume):
                    return
                await self._calls.pause(ATTACH_PAUSE)
            else:
                return
        raise CloudRefused("Your home disk is still in use elsewhere. Tell your administrator.")

    async def _has(self, instance_id: str, volume: str) -> bool:
        """Does this very instance use the disk? The answer of an earlier AttachVolume may have been lost."""
        try:
            return volume in (await self.describe(instance_id)).volumes
        except InstanceGone:
            return False

    def _attach(self, volume: str, instance_id: str) -> None:
        self._ec2.attach_volume(Device=HOME_DEVICE, InstanceId=instance_id, VolumeId=volume)

    async def _find_batch(self, workers: Sequence[str]) -> dict[str, Known | Exception | None]:
        alive = {"Name": "instance-state-name", "Values": ALIVE}
        found = await self._describe_instances([*self._filters(workers), alive])
        return {worker: _newest(worker, found) for worker in workers}

    async def _disks_batch(self, workers: Sequence[str]) -> dict[str, list[Disk] | Exception]:
        filters = self._filters(workers)

        def pages() -> list[dict[str, Any]]:
            paginator: Any = self._ec2.get_paginator("describe_volumes")
            answers = paginator.paginate(Filters=filters, PaginationConfig={"PageSize": 500})
            return [one for page in answers for one in page["Volumes"]]

        found: list[dict[str, Any]] = await self._read("DescribeVolumes", pages)
        return {
            worker: [disk for one in found if _worker_of(one) == worker and (disk := disk_from(one))]
            for worker in workers
        }

    def _filters(self, workers: Sequence[str]) -> list[dict[str, Any]]:
        """They find what has these workers' tags, and perhaps more."""
        return [
            {"Name": f"tag:{TAG_CLUSTER}", "Values": [self._settings.cluster]},
            {"Name": f"tag:{TAG_ROLE}", "Values": [ROLE_WORKER]},
            {"Name": f"tag:{TAG_USER}", "Values": sorted({filter_value(split(one)[0]) for one in workers})},
        ]

    async def _describe_batch(self, instance_ids: Sequence[str]) -> dict[str, Known | Exception]:
        found = await self._describe_instances([{"Name": "instance-id", "Values": list(instance_ids)}])
        known = {instance["InstanceId"]: known_from(instance) for instance in found}
        gone = InstanceGone("Your machine no longer exists at AWS.")
        return {one: known.get(one, gone) for one in instance_ids}

    async def _describe_instances(self, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def pages() -> list[dict[str, Any]]:
            paginator: Any = self._ec2.get_paginator("describe_instances")
            answers = paginator.paginate(Filters=filters, PaginationConfig={"PageSize": 1000})
            return [one for page in answers for group in page["Reservations"] for one in group["Instances"]]

        found: list[dict[str, Any]] = await self._read("DescribeInstances", pages)
        return found

    async def _read(self, what: str, function: Any) -> Any:
        try:
            return await self._calls.call(what, function)
        except ClientError as error:
            log.error("%s: %s", what, error)
            raise CloudRefused(
                f"AWS refused the hub's request ({code_of(error)}). Tell your administrator."
            ) from error

    def _read_places(self) -> tuple[Place, ...]:
        ids = list(self._settings.subnets)
        subnets = self._ec2.describe_subnets(SubnetIds=ids)["Subnets"]
        zones = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
        return tuple(Place(subnet=subnet, zone=zones[subnet]) for subnet in ids)

    def _read_image(self, image_id: str) -> Image:
        images = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        if not images:
            raise StartError(f"The worker image {image_id} does not exist. Tell your administrator.")
        return Image(id=image_id, root_device=images[0]["RootDeviceName"])


def filter_value(name: str) -> str:
    """A value for EC2's filters that finds `name`, and perhaps others: its wildcards and their like are widened."""
    return _PLAIN.sub("*", name)


def _newest(worker: str, instances: Sequence[dict[str, Any]]) -> Known | None:
    """The worker's own instance: filters match more names. Of two the newer one; reconciliation reports the other."""
    own = [instance for instance in instances if _worker_of(instance) == worker]
    if len(own) > 1:
        log.error("%s has %s instances: %s", worker, len(own), ", ".join(one["InstanceId"] for one in own))
    return known_from(max(own, key=lambda one: one["LaunchTime"])) if own else None


def _worker_of(described: dict[str, Any]) -> str | None:
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    user = tags.get(TAG_USER)
    return worker_key(user, tags.get(TAG_SERVER, "")) if user else None


class Homes:
    """Attaches home disks, and knows of each instance whether its disk is still missing."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances
        self._attaching: dict[str, asyncio.Task[None]] = {}

    def ensure(self, worker: Worker | None, known: Known) -> None:
        """Begins to attach the worker's home disk, if this instance lacks it; after a failure, tries again."""
        if worker and worker.home_volume and lacks_home(worker, known):
            self.attach(worker.key, worker.home_volume, known.instance_id)
        elif not self._is_under_way(known.instance_id):
            self._attaching.pop(known.instance_id, None)

    def attach(self, key: str, volume: str, instance_id: str) -> None:
        """Begins to attach a home disk, if that is not already under way."""
        if self._is_under_way(instance_id):
            return
        log.info("%s: attaching home disk %s to %s", key, volume, instance_id)
        task = asyncio.ensure_future(self._instances.attach_home(volume, instance_id))
        self._attaching[instance_id] = task

        def done(task: "asyncio.Task[None]") -> None:
            """A failed one is kept until the next login."""
            if not task.cancelled() and task.exception() is None and self._attaching.get(instance_id) is task:
                del self._attaching[instance_id]

        task.add_done_callback(done)

    def is_missing(self, instance_id: str) -> bool:
        """Is the home disk not attached to this instance yet, or could it not be attached?"""
        return instance_id in self._attaching

    async def wait_for(self, instance_id: str) -> None:
        """Waits until the home disk, if there is one, is attached. Raises StartError."""
        task = self._attaching.get(instance_id)
        if task:
            await asyncio.shield(task)

    def _is_under_way(self, instance_id: str) -> bool:
        task = self._attaching.get(instance_id)
        return task is not None and not task.done()
