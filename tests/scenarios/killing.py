"""Kills what a crash would kill: hub and proxy of a running local cloud, and all that runs on a worker's machine."""

import psutil

from bootstrap.local import processes
from bootstrap.machines.manager_request import ROLE_MANAGER
from lifecycle_app.contract import TAG_ROLE
from tests.scenarios.cloud import LocalCloud, control

HUB, PROXY = "hub", "proxy"
# What tells the programs of a manager apart, in their command lines.
PROGRAMS = {HUB: "jupyterhub_config.py", PROXY: "configurable-http-proxy"}


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
        for one in control(cloud.told, "state")["instances"]
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
    control(cloud.told, "poweroff", {"instance_id": instance_id})
