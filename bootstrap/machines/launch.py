"""What the launches of the manager and of the image's builder have in common: user data, tags and RunInstances."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bootstrap.aws.tags import listed, tags_of_cluster
from bootstrap.config.settings import ClusterSettings
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.outgoing import NEVER_PROXIED, Outgoing
from hub.spawn.launch_request import UNLIMITED_CREDITS, instance_request
from hub.spawn.launch_request import disk as root_disk
from lifecycle_app.contract import CREATOR, TAG_CREATOR, TAG_OWNER, TAG_ROLE

TAG_CONTENT = "cloudjhub:content"
USER_DATA_LIMIT = 16 * 1024
"""Bytes that EC2 accepts, before base64."""


def cloud_config(document: Mapping[str, Any]) -> str:
    """User data for cloud-init; JSON is YAML. Raises ValueError where it is more than EC2 accepts."""
    text = f"#cloud-config\n{json.dumps(document)}\n"
    if len(text.encode()) > USER_DATA_LIMIT:
        raise ValueError(f"the user data has {len(text.encode())} bytes; EC2 accepts {USER_DATA_LIMIT}")
    return text


def file(path: Path | str, content: str) -> dict[str, str]:
    """A file that cloud-init writes."""
    return {"path": str(path), "permissions": "0644", "content": content}


def program(path: Path | str, module: ModuleType) -> dict[str, str]:
    """A module's own source as a file that cloud-init writes."""
    return file(path, Path(str(module.__file__)).read_text(encoding="utf-8"))


def fetch_requirements(path: Path | str) -> dict[str, str]:
    """The lock of what fetches the bundle as a file that cloud-init writes; without comments, which take room."""
    lines = Path(__file__).with_name("fetch-requirements.txt").read_text(encoding="utf-8").splitlines()
    locked = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    return file(path, "\n".join(locked).replace("\\\n", "") + "\n")


def outgoing(settings: ClusterSettings) -> Outgoing:
    """The institution's proxy and mirrors. Machines of our own network reach each other without the proxy."""
    network = settings.network
    own = (str(network.cidr),) if network.is_ours else ()
    return Outgoing(
        http_proxy=network.http_proxy,
        https_proxy=network.https_proxy or network.http_proxy,
        no_proxy=tuple(dict.fromkeys((*NEVER_PROXIED, *own, *network.no_proxy))),
        pip_index=network.pip_index,
        apt_mirror=network.apt_mirror,
    )


def tags(settings: ClusterSettings, role: str, more: Mapping[str, str]) -> list[dict[str, str]]:
    """The tags of whatever the operator's machine creates in EC2."""
    machine = {TAG_OWNER: settings.owner, TAG_CREATOR: CREATOR}
    return listed({**machine, **tags_of_cluster(settings), TAG_ROLE: role, **more})


def request(
    base: BaseImage,
    *,
    instance_type: str,
    interface: Mapping[str, Any],
    profile: str,
    disk: int,
    key: str,
    tags: list[dict[str, str]],
    user_data: str,
) -> dict[str, Any]:
    """RunInstances for one machine with an encrypted root disk (GB) that is deleted with it; `key`: its KMS key.

    A new machine has no CPU credits: with standard ones a builder would take hours, and a class would wait for the hub.
    """
    common = instance_request(
        image=base.image,
        instance_type=instance_type,
        role=profile,
        disks=[root_disk(base.root_device, disk, key)],
        tags=tags,
        user_data=user_data,
        credits=UNLIMITED_CREDITS,
        has_new_interface="NetworkInterfaceId" not in interface,
    )
    return {**common, "NetworkInterfaces": [{"DeviceIndex": 0, **interface}]}
