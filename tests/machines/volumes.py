"""EBS volumes: files behind loop devices."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

BYTES_PER_GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Device:
    """A volume that is attached to this host."""

    volume: str
    path: str

    def __str__(self) -> str:
        """As hardware.sh names it."""
        return f"{Path(self.path).name}={self.volume}"

    def detach(self) -> None:
        subprocess.run(["losetup", "--detach", self.path], check=False)


def attach(directory: Path, volume: str, size_gb: int) -> Device:
    """The volume's device, its content in the directory; a new volume is blank."""
    image = directory / f"{volume}.img"
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size_gb * BYTES_PER_GB)  # sparse: takes what is written
    done = subprocess.run(
        ["losetup", "--find", "--show", str(image)], stdout=subprocess.PIPE, text=True, check=True
    )
    return Device(volume, done.stdout.strip())


def detach_all(directory: Path) -> None:
    """Of the volumes in the directory, those that a machine which was killed has left attached."""
    listed = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
        stdout=subprocess.PIPE, text=True, check=False,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        name, _, file = line.partition(" ")
        if file.strip().startswith(f"{directory}/"):
            Device("", name).detach()
