"""An image builder in the local cloud: fetches and checks the bundle as its role, tells the versions, powers off.

What it would install is this machine's own Python environment, which the workers of the local cloud run in.
"""

import json
import logging
import platform
from importlib import metadata

import boto3

from bootstrap.local.machine import POWER_OFF, Machine
from bootstrap.machines.fetch import fetch
from bootstrap.machines.image import setup

log = logging.getLogger(__name__)


def build_image(machine: Machine) -> int:
    """Set the machine up as `bootstrap.machines.image.setup` does, as far as there is a system to set up."""
    try:
        setup.say(setup.last_words(set_up(machine)), str(machine.root / "console"))
    except Exception as error:  # as in the real one: whatever it is, the machine must not stay up
        log.exception("the set-up failed")
        setup.say(f"{setup.FAILED}{error}", str(machine.root / "console"))
    return POWER_OFF


def set_up(machine: Machine) -> dict[str, str]:
    """The versions that the image holds. Raises what went wrong."""
    config = json.loads(machine.path(setup.CONFIG).read_text())
    bundle = machine.path(setup.BUNDLE)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    fetch(boto3.client("s3", region_name=config["region"]), config["bucket"], config["bundle"], bundle)
    for needed in (
        "bootstrap/worker/image-requirements.txt",
        *(f"bootstrap/worker/systemd/{unit}" for unit in setup.UNITS),
    ):
        if not (bundle / needed).is_file():
            raise setup.SetupFailed(f"the bundle lacks {needed}")
    return {**_versions(), "python": platform.python_version(), "system": "local cloud"}


def _versions() -> dict[str, str]:
    """Of those packages that are here; nbgrader need not be."""
    here = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return {name: here[name] for name in setup.TOLD if name in here}
