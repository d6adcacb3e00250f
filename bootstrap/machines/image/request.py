"""The requests that build a worker image, as pure functions of the settings. No secret is in the user data."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.site import BuiltNetwork
from bootstrap.config.choices import Base, Egress
from bootstrap.config.settings import ClusterSettings, Workers
from bootstrap.machines import fetch, launch
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.bundle import PREFIX, Bundle
from bootstrap.machines.image import start
from bootstrap.machines.image.setup import SHARED
from bootstrap.machines.launch import TAG_CONTENT
from bootstrap.machines.operator_files import script_of
from bootstrap.machines.outgoing import Outgoing
from lifecycle_app.contract import TAG_NAME

ROLE_BUILDER, ROLE_IMAGE = "builder", "image"
TAG_VERSION = "cloudjhub:version:"
# What of the bundle decides what is in the image. The rest of it changes without a new image.
BAKED = (
    *SHARED,
    "bootstrap/machines/image/additions.py",
    "bootstrap/machines/image/setup.py",
    "bootstrap/worker/",
)


# venv is a package of its own on Ubuntu; Amazon Linux's own Python is 3.9. mkfs.ext4 formats home disks.
PACKAGES = {
    Base.UBUNTU: ("python3-venv", "e2fsprogs", "sudo", "git"),
    Base.AMAZON_LINUX: ("python3.11", "e2fsprogs", "sudo", "git", "shadow-utils"),
}
NONE = Outgoing()
PYTHON = {Base.UBUNTU: "python3", Base.AMAZON_LINUX: "python3.11"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The fields of /etc/cloudjhub/image.json: where bundle and the operator's additions are, by bucket and keys."""

    region: str
    bucket: str
    bundle: str
    packages: str


def packages_object(workers: Workers) -> tuple[str, bytes]:
    """Key and content of the operator's additions in the bucket: user data has no room for many packages.

    Raises SettingsError for a script that cannot be used.
    """
    script = script_of(workers.setup, "workers.setup") if workers.setup else ""
    additions = {"packages": workers.packages, "apt_packages": workers.apt_packages, "setup": script}
    content = json.dumps(additions).encode()
    return f"{PREFIX}{hashlib.sha256(content).hexdigest()}.packages.json", content


def user_data(config: ImageConfig, system: Base, outgoing: Outgoing = NONE) -> str:
    """The builder's cloud-config. Values reach programs through a file, never through a shell."""
    variables = [f"{name}={value}" for name, value in outgoing.variables.items()]
    return launch.cloud_config(
        {
            **(outgoing.archive() if system is Base.UBUNTU else {}),
            # Workers do not update themselves at boot: the image has all updates.
            "package_update": True,
            "package_upgrade": True,
            "packages": list(PACKAGES[system]),
            "write_files": [
                *outgoing.files(is_worker=True),
                launch.file(start.CONFIG, json.dumps(asdict(config))),
                launch.program(start.FETCH, fetch),
                launch.fetch_requirements(start.FETCH_REQUIREMENTS),
                launch.program(start.START, start),
            ],
            "runcmd": [[*(["env", *variables] if variables else []), PYTHON[system], start.START]],
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what is in an image. `content` is its hash, in hex: equal recipes make equal images."""

    base: BaseImage
    disk: int
    config: ImageConfig
    outgoing: Outgoing
    content: str


def recipe(settings: ClusterSettings, base: BaseImage, bundle: Bundle, bucket: str) -> Recipe:
    """The recipe of the cluster's worker image. Raises SettingsError for a script that cannot be used."""
    packages, _ = packages_object(settings.workers)
    config = ImageConfig(region=settings.region, bucket=bucket, bundle=bundle.key, packages=packages)
    outgoing = launch.outgoing(settings)
    lasting = ImageConfig(region="", bucket="", bundle="", packages=packages)
    decides = {
        "base": asdict(base),
        "disk": settings.workers.disk,
        "set-up": user_data(lasting, base.system, outgoing),
        "baked": baked(bundle),
        # Launches from an image of another key would encrypt each root disk anew.
        **({"key": settings.kms_key} if settings.kms_key else {}),
    }
    content = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return Recipe(base=base, disk=settings.workers.disk, config=config, outgoing=outgoing, content=content)


def baked(bundle: Bundle) -> dict[str, str]:
    """The hash of each of the bundle's files that goes into the image."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(bundle.content)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.startswith(BAKED) else None
            if content is not None:
                found[member.name] = hashlib.sha256(content.read()).hexdigest()
    return found


def launch_request(
    settings: ClusterSettings, made_of: Recipe, network: BuiltNetwork, group: str
) -> dict[str, Any]:
    """RunInstances for the builder. It reaches the internet without a manager."""
    more = {TAG_CONTENT: made_of.content, TAG_NAME: f"{names.image(settings.cluster)}-builder"}
    return launch.request(
        made_of.base,
        instance_type=settings.workers.all_types[0],
        interface=_interface(settings, network, group),
        profile=names.role(settings.cluster, "builder", settings.role_prefix),
        disk=made_of.disk,
        key=settings.kms_key,
        tags=launch.tags(settings, ROLE_BUILDER, more),
        user_data=user_data(made_of.config, made_of.base.system, made_of.outgoing),
    )


def image_request(
    settings: ClusterSettings, made_of: Recipe, builder: str, versions: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """CreateImage of the builder, after it was set up and has stopped."""
    name = f"{names.image(settings.cluster)}-{now:%Y%m%d-%H%M%S}"
    held = {f"{TAG_VERSION}{what}": version for what, version in versions.items()}
    tags = launch.tags(settings, ROLE_IMAGE, {TAG_CONTENT: made_of.content, TAG_NAME: name, **held})
    listed = ", ".join(f"{what} {version}" for what, version in sorted(versions.items()))
    return {
        "InstanceId": builder,
        "Name": name,
        "Description": f"Worker of the cloudJHub cluster {settings.cluster}: {listed}"[:255],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    }


def versions_in(tags: Mapping[str, str]) -> dict[str, str]:
    """The versions in an image, from its tags."""
    return {
        name.removeprefix(TAG_VERSION): value for name, value in tags.items() if name.startswith(TAG_VERSION)
    }


def _interface(settings: ClusterSettings, network: BuiltNetwork, group: str) -> dict[str, Any]:
    """In the workers' subnet, with their egress, unless that is the manager, which does not exist yet."""
    egress = settings.network.egress if settings.network.is_ours else Egress.NAT_GATEWAY
    subnet = network.manager_subnet if egress.manager_forwards else network.worker_subnets[0]
    interface = {"SubnetId": subnet, "Groups": [group], "DeleteOnTermination": True}
    # It accepts no connections there either: the group admits only the manager's proxy.
    return interface if egress is Egress.NAT_GATEWAY else {**interface, "AssociatePublicIpAddress": True}
