"""The images that AWS and Canonical publish, as far as this cloud has them: found by public parameters as on AWS.

Their instances start as a machine that does what its user data asks for: see bootstrap.local.machine.
"""

from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.ssm.models import Parameter

from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.images import Images

MACHINE_COMMAND = (
    "{python}", "-m", "bootstrap.local.machine",
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
