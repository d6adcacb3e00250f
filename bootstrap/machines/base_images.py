"""The AMI that a machine is launched from: the newest one of a known system, or one by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of, message_of
from bootstrap.aws.session import Aws
from bootstrap.config.choices import Base
from bootstrap.errors import Refused, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef

X86, ARM = "x86_64", "arm64"

# Public parameters, by architecture.
# https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
# https://docs.aws.amazon.com/linux/al2023/ug/ec2.html#launch-via-aws-cli
PARAMETERS = {
    Base.UBUNTU: {
        X86: "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        ARM: "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
    },
    Base.AMAZON_LINUX: {
        X86: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        ARM: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An AMI that can be launched; `root_size` in GB."""

    image: str
    system: Base
    """The kind of its system, which decides its package manager."""
    architecture: str
    root_device: str
    root_size: int


def architecture_of(aws: Aws, types: Sequence[str]) -> str:
    """The one architecture of these instance types: x86_64 or arm64. Raises Refused if they have none in common."""
    try:
        found = aws.client("ec2").describe_instance_types(InstanceTypes=list(types))  # type: ignore[arg-type]
    except ClientError as error:
        if code_of(error) != "InvalidInstanceType":
            raise
        message = message_of(error)
        raise Refused(
            f"workers.types: {message} Region {aws.region} has no such type: name others"
        ) from error
    sets = [set(one["ProcessorInfo"]["SupportedArchitectures"]) for one in found["InstanceTypes"]]
    common = set.intersection(*sets) & {X86, ARM}
    if not common:
        raise Refused(f"workers.types: {', '.join(types)} are of different architectures: name types of one")
    return X86 if X86 in common else ARM


def base_image(aws: Aws, base: str, architecture: str) -> BaseImage:
    """The image that `base` names: the newest one of a `Base`, or the AMI with this id.

    Raises SettingsError for anything else, Refused for an AMI that cannot be launched with this architecture.
    """
    if base in list(Base):
        parameter = PARAMETERS[Base(base)][architecture]
        image = aws.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
        return _facts(described_image(aws, image), Base(base))
    if not base.startswith("ami-"):
        raise SettingsError(f"base: {base!r} is neither {', '.join(Base)} nor the id of an AMI")
    facts = _facts(described_image(aws, base))
    judge_architecture(facts.image, facts.architecture, architecture)
    return facts


def described_image(aws: Aws, image: str) -> "ImageTypeDef":
    """EC2's description of an AMI that can be launched. Raises Refused if there is none in this region."""
    try:
        found = aws.client("ec2").describe_images(ImageIds=[image])["Images"]
    except ClientError as error:
        if not code_of(error).startswith("InvalidAMIID"):
            raise
        found = []
    if not found:
        raise Refused(
            f"{image}: no such AMI in {aws.region} for this account: name one of this region that you may launch"
        )
    if found[0]["State"] != "available":
        raise Refused(f"{image} is {found[0]['State']}, not available: wait for it, or name another one")
    return found[0]


def judge_architecture(image: str, architecture: str, wanted: str) -> None:
    """Raises Refused for an image that the machines cannot run."""
    if architecture != wanted:
        raise Refused(f"{image} is for {architecture}, but the instance types are {wanted}: name others")


def judge_disk(image: str, root_size: int, disk: int, setting: str) -> None:
    """Raises Refused for a disk that is smaller than its image, which EC2 would refuse only at the launch."""
    if disk < root_size:
        raise Refused(
            f"{setting}: {disk} GB is less than the {root_size} GB of its image {image}: make it larger"
        )


def root_size(image: "ImageTypeDef") -> int:
    """GB of an image's root disk."""
    for mapping in image.get("BlockDeviceMappings", []):
        if mapping.get("DeviceName") == image.get("RootDeviceName") and "Ebs" in mapping:
            return int(mapping["Ebs"].get("VolumeSize", 0))
    raise Refused(f"{image['ImageId']} has no EBS root disk: machines that are stopped and started need one")


def _facts(image: "ImageTypeDef", system: Base | None = None) -> BaseImage:
    return BaseImage(
        image=image["ImageId"],
        system=system or _system_of(image),
        architecture=image["Architecture"],
        root_device=image["RootDeviceName"],
        root_size=root_size(image),
    )


def _system_of(image: "ImageTypeDef") -> Base:
    """The system of an AMI, by its name; anything that is not Amazon's counts as Debian's or Ubuntu's kind."""
    return Base.AMAZON_LINUX if image.get("Name", "").startswith("al2023-") else Base.UBUNTU
