"""Machine images, and the ones that AWS and Canonical publish, found by public parameters as on AWS.

EC2 knows an image by its id, the hypervisor by the command that its instances run. An image has its root disk's size
and takes a while to become available; moto's have 15 GB and are available at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_ami_id
from moto.ssm.models import Parameter
from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.instances import Machines, root_volume
from bootstrap.local.cloud.ec2.lifecycle import ROOT_SIZE, Lifecycle
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.hypervisor.host import Hypervisor
from bootstrap.local.cloud.wire import Call

PENDING, AVAILABLE = "pending", "available"
IMAGEABLE = (State.RUNNING, State.STOPPED)


class Image(Ami):  # type: ignore[misc]  # moto publishes no types
    """An AMI whose root disk has a size in GB, and which is there at a time (epoch seconds)."""

    root_size = ROOT_SIZE
    is_encrypted = False
    available_at = 0.0

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The root disk, as DescribeImages shows it."""
        disk = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.root_size,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
            "Encrypted": self.is_encrypted,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": disk}]


@dataclass(slots=True)
class Images:
    """Makes, shows and removes images. Used under the emulator's lock."""

    emulator: Emulator
    hypervisor: Hypervisor
    machines: Machines
    lifecycle: Lifecycle
    clock: Callable[[], float]
    image_time: timedelta

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each image call, by action."""
        return {
            "CreateImage": self._create,
            "RegisterImage": self._register,
            "DescribeImages": self._describe,
            "DescribeSnapshots": self._describe,
            "DeregisterImage": self._deregister,
        }

    def register(self, image_id: str, command: tuple[str, ...] | None, **facts: Any) -> None:
        """Makes the image known if it is not; `command` is what its instances run, the worker's if None."""
        if image_id not in self.emulator.backend("ec2").amis:
            self._add(image_id, {"name": f"cloudjhub-local-{image_id}", "architecture": "x86_64", **facts})
        if command is not None:
            self.hypervisor.images[image_id] = command

    def check_launch(self, image_id: str, instance_type: Mapping[str, Any], disks: Sequence[Any]) -> None:
        """Raises AwsError where EC2 would not launch this image, on this type, with these disks."""
        self._advance()
        ec2 = self.emulator.backend("ec2")
        image = ec2.amis.get(image_id)
        if image is None and image_id in ec2.deleted_amis:
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if not isinstance(image, Image):
            return  # moto refuses what it does not know
        if image.state != AVAILABLE:
            raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
        _check_architecture(image, instance_type["ProcessorInfo"]["SupportedArchitectures"])
        for mapping in disks:
            size = mapping.get("Ebs", {}).get("VolumeSize")
            if mapping.get("DeviceName") == image.root_device_name and size and int(size) < image.root_size:
                message = (
                    f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}', "
                    f"expect size >= {image.root_size}GB"
                )
                raise AwsError("InvalidBlockDeviceMapping", message)

    def root_size(self, image_id: str) -> int:
        """GB of the root disk that an instance of the image has unless the request has another size."""
        image = self.emulator.backend("ec2").amis.get(image_id)
        return image.root_size if isinstance(image, Image) else ROOT_SIZE

    def _create(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        [machine] = self.machines.require([parameters.get("InstanceId", "")])
        if machine.state not in IMAGEABLE:
            message = f"The instance '{machine.instance_id}' is not in the 'running' or 'stopped' state."
            raise AwsError("IncorrectInstanceState", message)
        self._check_name(str(parameters.get("Name", "")))
        if machine.state is State.RUNNING and not parameters.get("NoReboot"):
            self.lifecycle.reboot(machine)
        instance = machine.instance
        root = self.emulator.backend("ec2").volumes[root_volume(instance)]
        image = self._add(
            random_ami_id(),
            {
                "name": parameters["Name"],
                "description": parameters.get("Description", ""),
                "instance": instance,
                "root_device_name": instance.root_device_name,
                "state": PENDING,
            },
        )
        image.root_size = image.ebs_snapshot.volume.size = int(root.size)
        image.is_encrypted = image.ebs_snapshot.encrypted = bool(root.encrypted)
        image.available_at = self.clock() + self.image_time.total_seconds()
        image.ebs_snapshot.status = PENDING
        image.ebs_snapshot.volume.id = root.id
        _tag(image, parameters.get("TagSpecifications", []))
        return wire.answer(call, {"ImageId": image.id})

    def _register(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        self._check_name(str(parameters.get("Name", "")))
        root = parameters.get("RootDeviceName", "/dev/sda1")
        mappings = {
            one.get("DeviceName"): one.get("Ebs", {}) for one in parameters.get("BlockDeviceMappings", [])
        }
        image = self._add(
            random_ami_id(),
            {
                "name": parameters["Name"],
                "description": parameters.get("Description", ""),
                "architecture": parameters.get("Architecture", "x86_64"),
                "root_device_name": root,
            },
        )
        size = int(mappings.get(root, {}).get("VolumeSize", ROOT_SIZE))
        image.root_size = image.ebs_snapshot.volume.size = size
        _tag(image, parameters.get("TagSpecifications", []))
        return wire.answer(call, {"ImageId": image.id})

    def _describe(self, call: Call) -> Response:
        self._advance()
        return self.emulator.forward(call.service, call.request)

    def _deregister(self, call: Call) -> Response:
        response = self.emulator.forward(call.service, call.request)
        if response.status_code < 400:
            self.hypervisor.images.pop(str(wire.parameters(call).get("ImageId")), None)
        return response

    def _add(self, image_id: str, facts: Mapping[str, Any]) -> Image:
        ec2 = self.emulator.backend("ec2")
        given = {
            "virtualization_type": "hvm",
            "root_device_type": "ebs",
            "hypervisor": "xen",
            "region_name": f"{self.emulator.region}a",
            **facts,
        }
        image = Image(ec2, image_id, **given)
        image.ebs_snapshot.volume.size = image.root_size
        ec2.amis[image_id] = image
        return image

    def _advance(self) -> None:
        """Makes due images available, and their snapshots complete."""
        now = self.clock()
        for image in self.emulator.backend("ec2").amis.values():
            if isinstance(image, Image) and image.state == PENDING and image.available_at <= now:
                image.state, image.ebs_snapshot.status = AVAILABLE, "completed"

    def _check_name(self, name: str) -> None:
        if not 3 <= len(name) <= 128:
            raise AwsError("InvalidAMIName.Malformed", f"AMI name '{name}' must have 3 to 128 characters")
        ec2 = self.emulator.backend("ec2")
        for image in ec2.amis.values():
            if image.name == name and image.owner_id == self.emulator.account:
                message = f"AMI name {name} is already in use by AMI {image.id}"
                raise AwsError("InvalidAMIName.Duplicate", message)


def _check_architecture(image: Image, supported: Sequence[str]) -> None:
    if image.architecture not in supported:
        message = (
            f"The architecture '{','.join(supported)}' of the specified instance type does not match "
            f"the architecture '{image.architecture}' of the specified AMI."
        )
        raise AwsError("InvalidParameterValue", message)


def _tag(image: Image, specifications: Sequence[Mapping[str, Any]]) -> None:
    for specification in specifications:
        tags = {tag["Key"]: tag["Value"] for tag in specification.get("Tags", [])}
        match specification.get("ResourceType"):
            case "image":
                image.add_tags(tags)
            case "snapshot":
                image.ebs_snapshot.add_tags(tags)
            case other:
                raise AwsError("InvalidParameterValue", f"'{other}' is not a valid taggable resource type.")


MACHINE_COMMAND = (
    "{python}", "-m", "bootstrap.local.cloud.hypervisor.guest",
    "--root", "{root}", "--home", "{home}", "--instance-id", "{instance_id}", "--address", "{address}",
)  # fmt: skip
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
CANONICAL = "099720109477"


@dataclass(frozen=True, slots=True)
class Published:
    """An image and the public parameter that names it."""

    image_id: str
    parameter: str
    architecture: str
    root_device: str
    owner: str
    alias: str | None


PUBLISHED = (
    Published("ami-0cd0c0000000a0001", UBUNTU.format("amd64"), "x86_64", "/dev/sda1", CANONICAL, None),
    Published("ami-0cd0c0000000a0002", UBUNTU.format("arm64"), "arm64", "/dev/sda1", CANONICAL, None),
    Published("ami-0cd0c0000000a0003", AMAZON.format("x86_64"), "x86_64", "/dev/xvda", "137112412989", "amazon"),
    Published("ami-0cd0c0000000a0004", AMAZON.format("arm64"), "arm64", "/dev/xvda", "137112412989", "amazon"),
)  # fmt: skip


def publish(emulator: Emulator, images: Images) -> None:
    """Makes the images and their parameters known. Used under the emulator's lock, after resuming."""
    parameters = emulator.backend("ssm")._parameters
    # moto has parameters of its own under one of these names; their images are not here.
    parameters.latest_amis_loaded = True
    for one in PUBLISHED:
        images.register(
            one.image_id,
            MACHINE_COMMAND,
            architecture=one.architecture,
            root_device_name=one.root_device,
            owner_id=one.owner,
            owner_alias=one.alias,
            public=True,
        )
        parameters[one.parameter] = [_parameter(emulator, one)]


def _parameter(emulator: Emulator, one: Published) -> Any:
    return Parameter(
        account_id=emulator.account,
        name=one.parameter,
        value=one.image_id,
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=utcnow().timestamp(),
        version=1,
        data_type="aws:ec2:image",
    )
