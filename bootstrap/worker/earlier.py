"""Shows the files of an earlier day beside the home: a copy of a backup, which nothing can change.

    python -m bootstrap.worker.earlier --config /etc/cloudjhub/worker.json

Runs as root at every boot, once the home is mounted, on a machine whose launch attached such a copy. Whatever is wrong
with it, the server starts without it. Nothing is ever mounted in the home itself: a name there leads to the files.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lifecycle_app.contract import WORKER_CONFIG

from .disks import Content, Disk, DiskError, content_of, ebs_disks, serial_of
from .home import FAMILY, LABEL
from .settings import ConfigError, WorkerConfig

OPTIONS = "ro,noload,errors=continue,nosuid,nodev,noexec"
"""The journal is not replayed, which would write. A backup is the disk at one moment, so a file that was just written
may be missing or cut."""
LONGEST_WAIT = 20.0
"""Seconds. A launch attaches the copy before the machine boots."""
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where the copy is mounted, and the name in the home that leads there."""

    mount: Path = Path("/media/earlier-files")
    name: Path = Path("/home/jovyan/earlier-files")


def copy_of(
    disks: Sequence[Disk], volume: str, content: Callable[[Path], Content] = content_of
) -> Disk | None:
    """The disk with the copy: beside root disk and home, with a home's file system; None while it is not there. Raises
    DiskError if there are several.
    """
    free = [one for one in disks if not one.is_mounted and one.serial != serial_of(volume)]
    found = [one for one in free if (said := content(one.path)).kind in FAMILY and said.label == LABEL]
    if len(found) > 1:
        raise DiskError(f"several disks could be the backup: {', '.join(str(one.path) for one in found)}")
    return found[0] if found else None


def await_copy(volume: str) -> Disk:
    """The disk with the copy. Raises DiskError if there is none."""
    ends = time.monotonic() + LONGEST_WAIT
    while (disk := copy_of(ebs_disks(), volume)) is None:
        if time.monotonic() >= ends:
            raise DiskError("no disk with a backup is attached")
        time.sleep(PAUSE)
    return disk


def mount(disk: Path, at: Path) -> None:
    """Mount the copy. Raises DiskError."""
    at.mkdir(mode=0o755, parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "ext4", "-o", OPTIONS, str(disk), str(at)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DiskError(f"{disk} cannot be mounted: {done.stderr.strip()[:300]}")


def lead_there(places: Places) -> bool:
    """Make the name in the home, which belongs to its user: what has that name already stays. Was it made, or there?"""
    try:
        os.symlink(places.mount, places.name)
    except FileExistsError:
        return is_ours(places)
    return True


def is_ours(places: Places) -> bool:
    """Does the name lead where we have made it lead?"""
    return places.name.is_symlink() and os.readlink(places.name) == str(places.mount)


def clear(places: Places) -> None:
    """Remove the name that an earlier machine of this home has made."""
    if is_ours(places):
        places.name.unlink()


def say(line: str) -> None:
    """A line for the journal and the console."""
    print(f"cloudjhub-earlier: {line}", flush=True)


def run(config: Path, places: Places) -> int:
    """0 when the files are there, or none were asked for; 1 when they cannot be shown."""
    try:
        volume = WorkerConfig.from_file(config).home_volume
        if places.mount.is_mount():
            return 0
        clear(places)
        if not volume:
            return 0
        mount(await_copy(volume).path, places.mount)
        if not lead_there(places):
            say(f"{places.name} exists: the earlier files are in {places.mount}")
    except (ConfigError, DiskError, OSError) as error:
        say(f"{error}. The server starts without the earlier files")
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the earlier files on this machine."""
    parser = argparse.ArgumentParser(
        prog="python -m bootstrap.worker.earlier", description="Shows earlier files"
    )
    parser.add_argument("--config", type=Path, default=Path(WORKER_CONFIG), help="launch file")
    return run(parser.parse_args(arguments).config, Places())


if __name__ == "__main__":
    sys.exit(main())
