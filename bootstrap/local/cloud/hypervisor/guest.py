"""What an instance of a base image runs in the local cloud, in place of an operating system with cloud-init.

    python -m bootstrap.local.cloud.hypervisor.guest --root DIR --home DIR --instance-id ID --address ADDRESS

The hypervisor has already written the user data below the root directory; the files there decide what the machine does:
build an image (here), run the manager (`manager.py`), or nothing. What an image builder would install is this machine's
own Python environment, in which the workers of the local cloud run.
"""

import argparse
import json
import logging
import platform
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import boto3

from bootstrap.local.cloud.hypervisor import manager
from bootstrap.local.cloud.hypervisor.manager import Machine
from bootstrap.machines.fetch import fetch, fetch_packages
from bootstrap.machines.image import setup, start
from bootstrap.machines.manager.config import CONFIG_PATH

log = logging.getLogger(__name__)

POWER_OFF = 111
"""The exit status with which a guest asks for its shutdown: `poweroff` would be this machine's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as the instance that the arguments describe; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bootstrap.local.cloud.hypervisor.guest")
    for name in ("root", "home"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("instance-id", "address"):
        parser.add_argument(f"--{name}", required=True)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return run(Machine(**vars(parser.parse_args(arguments))))


def run(machine: Machine) -> int:
    """Do what the user data is for; the exit status, POWER_OFF to shut the machine down."""
    if machine.path(start.CONFIG).exists():
        return build_image(machine)
    if machine.path(str(CONFIG_PATH)).exists():
        return manager.run(machine)
    log.info("the user data has no configuration of a manager or an image builder: nothing to do")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def build_image(machine: Machine) -> int:
    """Set the machine up as `bootstrap.machines.image.setup` does, except for what needs a system of its own."""
    try:
        start.say(setup.last_line(set_up(machine)), str(machine.root / "console"))
    except Exception as error:  # as in the real one: whatever the cause, the machine must not keep running
        log.exception("the set-up failed")
        start.say(f"{start.FAILED}{error}", str(machine.root / "console"))
    return POWER_OFF


def set_up(machine: Machine) -> dict[str, str]:
    """Fetch and check the bundle with the builder's role; the versions in the image. Raises what went wrong."""
    config = json.loads(machine.path(start.CONFIG).read_text())
    bundle = machine.path(start.BUNDLE)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    s3 = boto3.client("s3", region_name=config["region"])
    fetch(s3, config["bucket"], config["bundle"], bundle)
    fetch_packages(s3, config["bucket"], config["packages"], machine.path(setup.PACKAGES))
    units = [f"bootstrap/worker/systemd/{unit}" for unit in setup.UNITS]
    for needed in ("bootstrap/worker/image-requirements.txt", *units):
        if not (bundle / needed).is_file():
            raise start.SetupFailed(f"the bundle lacks {needed}")
    return {**_versions(), "python": platform.python_version(), "system": "local cloud"}


def _versions() -> dict[str, str]:
    """The versions of the installed packages that an image reports; nbgrader is optional."""
    here = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return {name: here[name] for name in setup.REPORTED if name in here}


if __name__ == "__main__":
    sys.exit(main())
