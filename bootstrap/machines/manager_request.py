"""The requests that make the manager, as pure functions of the settings and of what is built already.

No secret is in its user data: whoever may describe the instance can read that.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Challenge
from bootstrap.aws.site import BuiltNetwork
from bootstrap.config.settings import ClusterSettings, Hub
from bootstrap.machines import fetch, launch
from bootstrap.machines.address import public_url
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.launch import TAG_CONTENT
from bootstrap.machines.manager import install_packages
from bootstrap.machines.manager.config import CONFIG_PATH, UNITS, ManagerConfig
from bootstrap.machines.manager.services import (
    FETCH,
    FETCH_REQUIREMENTS,
    INSTALL_PACKAGES,
    SETUP,
    packages,
    unit,
)
from bootstrap.machines.outgoing import Outgoing
from hub.config.settings import PATHS
from hub.spawn.launch_request import encrypted
from lifecycle_app.contract import TAG_NAME

ROLE_MANAGER, ROLE_STATE = "manager", "manager-state"
STATE_DEVICE = "/dev/sdf"


def manager_config(
    settings: ClusterSettings,
    *,
    place: Mapping[str, str],
    network: BuiltNetwork,
    bucket: str,
    bundle: str,
    state_volume: str,
    secret_versions: Mapping[str, int],
    challenge: Challenge | None = None,
) -> ManagerConfig:
    """The configuration of the cluster's manager.

    `place`: outputs of the place stack; `bundle`: the bundle's key; `secret_versions` of the authenticator's secrets;
    `challenge`: the record by which its certificate is validated.
    """
    manager, ours = settings.manager, settings.network
    return ManagerConfig(
        cluster=settings.cluster,
        region=settings.region,
        owner=settings.owner,
        tags=dict(settings.tags),
        kms_key=settings.kms_key,
        bucket=bucket,
        bundle=bundle,
        log_group=names.log_group(settings.cluster),
        audit_group=names.audit_log_group(settings.cluster),
        state_volume=state_volume,
        public_url=public_url(settings, place),
        private_address=place["ManagerAddress"],
        https=manager.https,
        email=manager.email,
        subdomains=manager.has_subdomains,
        acme_dns=asdict(challenge) if challenge else None,
        reboot_window=manager.reboot_window,
        allowed_networks=[str(one) for one in ours.allowed_networks],
        nat_range=str(ours.cidr) if ours.is_ours and ours.egress.manager_forwards else "",
        workers={
            **hub_settings("workers", settings.workers),
            "types": list(settings.workers.all_types),
            "subnets": list(network.worker_subnets),
            "group": place["WorkerGroup"],
            "role": names.role(settings.cluster, "worker", settings.role_prefix),
        },
        hub=look(settings.hub),
        login=hub_settings("login", settings.login),
        timing=hub_settings("timing", settings.timing),
        secret_versions=secret_versions,
        outgoing=outgoing_document(settings),
    )


def outgoing_document(settings: ClusterSettings) -> dict[str, Any]:
    """Proxy and mirrors for the manager's file; {} where there are none."""
    found = launch.outgoing(settings)
    is_set = found.variables or found.pip_index or found.apt_mirror
    return {name: _as_json(value) for name, value in asdict(found).items()} if is_set else {}


def look(hub: Hub) -> dict[str, str]:
    """What the hub's pages show of the institution, under the keys of `cluster.yaml`; the logo is in the bundle."""
    given = {"brand": hub.brand, "color": hub.color, "login_text": hub.login_text}
    return {name: value for name, value in given.items() if value}


def hub_settings(section: str, settings: object) -> dict[str, Any]:
    """The settings in this section of `cluster.yaml` that the hub reads, under the same keys; durations in seconds."""
    names = [path.partition(".")[2] for path in PATHS if path.startswith(f"{section}.")]
    return {name: _as_json(getattr(settings, name)) for name in names if hasattr(settings, name)}


def _as_json(value: Any) -> Any:
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _as_json(one) for name, one in asdict(value).items() if one}
    return [_as_json(one) for one in value] if isinstance(value, tuple) else value


def content(settings: ClusterSettings, config: ManagerConfig) -> str:
    """A hash, in hex, of everything that decides what the manager is.

    The base image's id is not part of it: a newer one is used at the next replacement, but does not cause one.
    """
    manager = settings.manager
    decides = [user_data(config), manager.type, manager.disk, manager.base]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


def launch_request(
    settings: ClusterSettings, config: ManagerConfig, base: BaseImage, interface: str, zone: str
) -> dict[str, Any]:
    """RunInstances for the manager, with the network interface that keeps its addresses."""
    tags = manager_tags(settings, ROLE_MANAGER, zone, {TAG_CONTENT: content(settings, config)})
    return launch.request(
        base,
        instance_type=settings.manager.type,
        interface={"NetworkInterfaceId": interface},
        profile=names.role(settings.cluster, "manager", settings.role_prefix),
        disk=settings.manager.disk,
        key=settings.kms_key,
        tags=tags,
        user_data=user_data(config),
    )


def volume_request(settings: ClusterSettings, zone: str, interface: str) -> dict[str, Any]:
    """CreateVolume for the state disk.

    With its client token, a run after an interrupted one gets the same volume. The network interface is part of the
    token, so that a cluster that was removed and built again gets a new one.
    """
    token = f"{settings.cluster} {ROLE_STATE} {zone} {settings.manager.state_disk} {interface}"
    tags = manager_tags(settings, ROLE_STATE, zone, {})
    return {
        "AvailabilityZone": zone,
        "Size": settings.manager.state_disk,
        "VolumeType": "gp3",
        **encrypted(settings.kms_key),
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags}],
        "ClientToken": hashlib.sha256(token.encode()).hexdigest(),
    }


def manager_tags(
    settings: ClusterSettings, role: str, zone: str, more: Mapping[str, str]
) -> list[dict[str, str]]:
    """The tags of the manager's instance and disks."""
    name = f"JUPYTER_HUB_{zone}_{settings.cluster}_MANAGER"
    return launch.tags(settings, role, {TAG_NAME: name, **more})


def user_data(config: ManagerConfig) -> str:
    """What cloud-init does at the first boot. The set-up unit does everything else, at every boot.

    Raises ValueError where it is more than EC2 accepts.
    """
    outgoing = Outgoing(**config.outgoing)
    document = {
        **outgoing.archive(),
        "package_update": True,
        "packages": packages(config),
        "write_files": [
            *outgoing.files(is_worker=False),
            launch.file(CONFIG_PATH, config.to_json()),
            launch.program(FETCH, fetch),
            launch.fetch_requirements(FETCH_REQUIREMENTS),
            launch.program(INSTALL_PACKAGES, install_packages),
            launch.file(UNITS / SETUP, unit(SETUP, config)),
        ],
        # A list is run without a shell.
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", SETUP],
            # It outlives cloud-init, which would not try again.
            ["systemctl", "start", "--no-block", SETUP],
        ],
    }
    return launch.cloud_config(document)
