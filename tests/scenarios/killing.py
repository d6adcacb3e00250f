"""Kills what a crash would kill: hub and proxy of a running local cloud, and all that runs on a worker's machine."""

from typing import Any

import psutil
import requests

from bootstrap.local import processes
from bootstrap.machines.manager_request import ROLE_MANAGER
from lifecycle_app.model.worker import TAG_ROLE
from tests.scenarios.cloud import LocalCloud

HUB, PROXY = "hub", "proxy"
# What tells the programs of a manager apart, in their command lines.
PROGRAMS = {HUB: "jupyterhub_config.py", PROXY: "configurable-http-proxy"}


def control(cloud: LocalCloud) -> dict[str, Any]:
    """Instances and faults as the local cloud knows them itself, without the delay of EC2's descriptions."""
    answer = requests.get(f"{cloud.told['environment']['AWS_ENDPOINT_URL']}/_cloud/state", timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def kill(cloud: LocalCloud, *names: str) -> None:
    """SIGKILL for these programs of the manager, at the same moment; those that do not run just now are passed over."""
    running = programs(cloud)
    for name in names:
        if name in running:
            running[name].kill()
    psutil.wait_procs([running[name] for name in names if name in running])


def programs(cloud: LocalCloud) -> dict[str, psutil.Process]:
    """The hub and the proxy that run now."""
    [manager] = [
        one
        for one in control(cloud)["instances"]
        if one["tags"].get(TAG_ROLE) == ROLE_MANAGER and one["pid"] is not None
    ]
    found = {}
    for process in psutil.Process(manager["pid"]).children():
        line = " ".join(process.cmdline())
        found.update({name: process for name, mark in PROGRAMS.items() if mark in line})
    return found


def crash(cloud: LocalCloud, instance_id: str) -> None:
    """SIGKILL for all that runs on an instance; the instance itself runs on, and does nothing."""
    mine = processes.of_instance(cloud.state_dir, instance_id)
    for process in mine:
        process.kill()
    psutil.wait_procs(mine)


def power_off(cloud: LocalCloud, instance_id: str) -> None:
    """The instance shuts itself down."""
    variables = cloud.told["environment"]
    requests.post(
        f"{variables['AWS_ENDPOINT_URL']}/_cloud/poweroff",
        json={"instance_id": instance_id},
        headers={"Authorization": f"Bearer {variables['AWS_SECRET_ACCESS_KEY']}"},
        timeout=30,
    ).raise_for_status()
