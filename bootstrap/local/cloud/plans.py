"""What the machine room is told: plain values read from moto's objects."""

import base64
from dataclasses import dataclass
from typing import Any

from bootstrap.local.cloud.machines import Machine


@dataclass(frozen=True, slots=True)
class BootPlan:
    """Everything that booting an instance needs. `home_volume` is its first disk beside the root."""

    instance_id: str
    image_id: str
    address: str
    user_data: bytes
    root_volume: str
    home_volume: str | None


def boot_plan(machine: Machine) -> BootPlan:
    instance = machine.instance
    return BootPlan(
        instance_id=machine.instance_id,
        image_id=str(instance.image_id),
        address=str(instance.private_ip_address),
        user_data=user_data(instance),
        root_volume=root_volume(instance),
        home_volume=home_volume(instance),
    )


def user_data(instance: Any) -> bytes:
    """User data as the instance sees it, decoded."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def root_volume(instance: Any) -> str:
    return str(instance.block_device_mapping[instance.root_device_name].volume_id)


def home_volume(instance: Any) -> str | None:
    """The first attached disk, by device name, that is not the root."""
    others = sorted(
        (device, block)
        for device, block in instance.get_block_device_mapping
        if device != instance.root_device_name
    )
    return str(others[0][1].volume_id) if others else None


def profile_role(instance: Any, iam: Any) -> str | None:
    """The role of the instance's profile, None without one."""
    profile = instance.iam_instance_profile
    if not profile:
        return None
    for one in iam.instance_profiles.values():
        if one.arn == profile["Arn"]:
            return str(one.roles[0].name) if one.roles else None
    return None
