"""The requests that build a worker image, as pure functions of the settings. No secret is in the user data."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.site import BuiltNetwork
from bootstrap.config.choices import Base, Egress
from bootstrap.config.settings import ClusterSettings
from bootstrap.machines import fetch
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.bundle import Bundle
from bootstrap.machines.image import setup
from lifecycle_app.model.worker import TAG_CLUSTER, TAG_CREATOR, TAG_NAME, TAG_OWNER, TAG_ROLE

ROLE_BUILDER, ROLE_IMAGE = "builder", "image"
TAG_CONTENT = "cloudjhub:content"
TAG_VERSION = "cloudjhub:version:"
CREATOR = "cloudjhub"
# What of the bundle is baked in. The rest of it changes without a new image.
BAKED = ("bootstrap/__init__.py", "bootstrap/worker/")


# EC2 takes no more, in bytes before base64.
LONGEST = 16 * 1024
# venv is a package of its own on Ubuntu; Amazon Linux's own Python is 3.9. mkfs.ext4 formats home disks.
PACKAGES = {
    Base.UBUNTU: ("python3-venv", "e2fsprogs", "sudo", "git"),
    Base.AMAZON_LINUX: ("python3.11", "e2fsprogs", "sudo", "git", "shadow-utils"),
}
PYTHON = {Base.UBUNTU: "python3", Base.AMAZON_LINUX: "python3.11"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The fields of /etc/cloudjhub/image.json: where the bundle is, by bucket and key, and pip requirements."""

    region: str
    bucket: str
    bundle: str
    packages: Sequence[str]


def user_data(config: ImageConfig, system: Base) -> str:
    """The builder's cloud-config. JSON is YAML. Values reach programs through a file, never through a shell."""
    document: dict[str, Any] = {
        # Workers do not update themselves at boot: the image begins with all updates.
        "package_update": True,
        "package_upgrade": True,
        "packages": list(PACKAGES[system]),
        "write_files": [
            _file(setup.CONFIG, json.dumps(asdict(config)), "0644"),
            _file(setup.FETCH, Path(fetch.__file__).read_text(encoding="utf-8"), "0644"),
            _file(setup.PROGRAM, Path(setup.__file__).read_text(encoding="utf-8"), "0644"),
        ],
        "runcmd": [[PYTHON[system], setup.PROGRAM]],
    }
    return "#cloud-config\n" + json.dumps(document) + "\n"


def _file(path: str, content: str, permissions: str) -> dict[str, str]:
    return {"path": path, "permissions": permissions, "content": content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides what an image holds. `content` names it, in hex: equal recipes make equal images."""

    base: BaseImage
    disk: int
    config: ImageConfig
    content: str


def recipe(settings: ClusterSettings, base: BaseImage, bundle: Bundle, bucket: str) -> Recipe:
    """What the cluster's worker image is to be made of."""
    config = ImageConfig(
        region=settings.region, bucket=bucket, bundle=bundle.key, packages=settings.workers.packages
    )
    lasting = ImageConfig(region="", bucket="", bundle="", packages=settings.workers.packages)
    decides = {
        "base": asdict(base),
        "disk": settings.workers.disk,
        "set-up": user_data(lasting, base.system),
        "baked": baked(bundle),
    }
    content = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return Recipe(base=base, disk=settings.workers.disk, config=config, content=content)


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
    """RunInstances for the builder. It reaches the internet from where it stands before there is a manager."""
    tags = _tags(
        settings, ROLE_BUILDER, {TAG_NAME: f"{names.image(settings.cluster)}-builder"}, made_of.content
    )
    return {
        "ImageId": made_of.base.image,
        "InstanceType": settings.workers.types[0],
        "NetworkInterfaces": [_interface(settings, network, group)],
        "IamInstanceProfile": {"Name": names.role(settings.cluster, "builder")},
        "InstanceInitiatedShutdownBehavior": "stop",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": made_of.base.root_device,
                "Ebs": {
                    "VolumeSize": made_of.disk,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        "UserData": user_data(made_of.config, made_of.base.system),
    }


def image_request(
    settings: ClusterSettings, made_of: Recipe, builder: str, versions: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """CreateImage of the builder that is set up and stopped."""
    name = f"{names.image(settings.cluster)}-{now:%Y%m%d-%H%M%S}"
    told = {f"{TAG_VERSION}{what}": version for what, version in versions.items()}
    tags = _tags(settings, ROLE_IMAGE, {TAG_NAME: name, **told}, made_of.content)
    words = ", ".join(f"{what} {version}" for what, version in sorted(versions.items()))
    return {
        "InstanceId": builder,
        "Name": name,
        "Description": f"Worker of the cloudJHub cluster {settings.cluster}: {words}"[:255],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    }


def versions_in(tags: Mapping[str, str]) -> dict[str, str]:
    """What an image holds, as its tags tell."""
    return {
        name.removeprefix(TAG_VERSION): value for name, value in tags.items() if name.startswith(TAG_VERSION)
    }


def _interface(settings: ClusterSettings, network: BuiltNetwork, group: str) -> dict[str, Any]:
    """The workers' subnet and way out, except where that way is the manager, which is not there yet."""
    egress = settings.network.egress if settings.network.is_ours else Egress.NAT_GATEWAY
    subnet = network.manager_subnet if egress is Egress.MANAGER else network.worker_subnets[0]
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet,
        "Groups": [group],
        "DeleteOnTermination": True,
    }
    # Nobody reaches it there either: the group admits the manager's proxy only.
    return interface if egress is Egress.NAT_GATEWAY else {**interface, "AssociatePublicIpAddress": True}


def _tags(
    settings: ClusterSettings, role: str, more: Mapping[str, str], content: str
) -> list[dict[str, str]]:
    tags = {
        TAG_OWNER: settings.owner,
        TAG_CREATOR: CREATOR,
        TAG_CLUSTER: settings.cluster,
        TAG_ROLE: role,
        TAG_CONTENT: content,
        **more,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items()]
