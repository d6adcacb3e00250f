"""Finds the state disk by its volume id and gives a blank one its file system."""

import time
from pathlib import Path

from bootstrap.machines.manager import running
from bootstrap.machines.manager.errors import SetupError
from bootstrap.machines.manager.paths import LABEL
from bootstrap.machines.manager.running import Run

BLOCK_DEVICES = Path("/sys/block")
# What Xen instances call the disk that is attached as /dev/sdf; they know no serial numbers.
XEN_DEVICE = "xvdf"
ATTACHED_WITHIN, LOOK_EVERY = 600.0, 1.0
BLANK = 2
"""blkid's exit code for "nothing found"; anything else, an error too, means: hands off."""


def find_disk(volume: str, devices: Path = BLOCK_DEVICES) -> str | None:
    """The name of the block device of an EBS volume, like nvme1n1; None while it is not attached."""
    serial = volume.replace("-", "")
    for device in sorted(devices.iterdir()):
        for file in (device / "device/serial", device / "serial"):
            if file.exists() and file.read_text().strip().replace("-", "") == serial:
                return device.name
    return XEN_DEVICE if (devices / XEN_DEVICE).exists() else None


def await_disk(volume: str, devices: Path = BLOCK_DEVICES, within: float = ATTACHED_WITHIN) -> Path:
    """The device file of the volume, as soon as it is attached. Raises SetupError if it takes too long."""
    end = time.monotonic() + within
    while (name := find_disk(volume, devices)) is None:
        if time.monotonic() > end:
            raise SetupError(f"the state disk {volume} is not attached: run `cloudjhub up`")
        time.sleep(LOOK_EVERY)
    return Path("/dev") / name


def format_if_blank(disk: Path, run: Run = running.run) -> None:
    """Make the file system, unless the disk has it. Raises SetupError for a disk that holds anything else."""
    label = run(["lsblk", "--nodeps", "--noheadings", "--raw", "--output", "LABEL", str(disk)]).strip()
    if label == LABEL:
        return
    parts = run(["lsblk", "--noheadings", "--raw", "--output", "NAME", str(disk)]).split()
    if len(parts) != 1 or running.answer_code(["blkid", "--probe", str(disk)]) != BLANK:
        raise SetupError(f"{disk} holds something that is not cloudJHub's state: attach the right volume")
    run(["mkfs.ext4", "-q", "-L", LABEL, str(disk)])
    run(["udevadm", "settle"])
