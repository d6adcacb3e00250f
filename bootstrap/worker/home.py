"""Makes the home disk ready to be mounted: finds it, checks it, and formats one that is new.

    python -m bootstrap.worker.home --config /etc/cloudjhub/worker.json

Runs as root at every boot, before the home is mounted, and waits for a disk that is attached later. A disk is formatted
only if the launch of this very instance made it, no home was ready on the instance before, and it is blank. Any other
one is checked by `e2fsck -p`. If that does not help, this program fails, and neither the mount nor the server starts.
"""

import argparse
import os
import pwd
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lifecycle_app.contract import WORKER_CONFIG, HomeDisk

from .disks import (
    Content,
    Disk,
    DiskError,
    check,
    content_of,
    ebs_disks,
    ext4_label,
    is_blank,
    make_file_system,
    serial_of,
)
from .settings import ConfigError, WorkerConfig

LABEL = "cloudjhub-home"
OWNER = "jovyan"
FAMILY = ("ext2", "ext3", "ext4")
"""How blkid names an ext4, which of them depends on features that damage may hide."""
FIRST_LOOK, LONGEST_LOOK = 0.1, 2.0
"""Seconds between two looks for a disk that is not attached yet: at first often, since a user waits; later seldom,
since a machine that is busy does not count as hung."""
READY = "ready"
"""In the log: this instance's home has a file system, so nothing is ever formatted again."""
FORMATTING = "formatting "
"""In the log: a blank disk, whose serial number follows, is being formatted. Nothing was ever mounted from it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are on a worker. `log` is on the root disk; `link` leads to the home disk; `undo` is e2fsck's."""

    home: Path = Path("/home/jovyan")
    log: Path = Path("/var/lib/cloudjhub/home")
    link: Path = Path("/run/cloudjhub/home-disk")
    undo: Path = Path("/var/lib/cloudjhub/home.e2undo")


class Action(Enum):
    """What is done to a disk before it is mounted."""

    FORMAT = "format"
    CHECK = "check"


def decide(disk: Disk, content: Content, blank: Callable[[], bool], home: HomeDisk, log: str) -> Action:
    """What to do with the disk, which is formatted only if nothing is lost. Raises DiskError if it is not a home."""
    if content.kind in FAMILY and content.label == LABEL:
        return Action.CHECK
    if content.kind or disk.has_partitions:
        found = f"{content.kind} {content.label}".strip() or "partitions"
        raise DiskError(f"{disk.path} holds {found}, which is not a home of cloudJHub")
    if not blank():
        return Action.CHECK  # a damaged home: e2fsck knows more of ext4 than blkid
    if home is HomeDisk.NEW and log != READY:
        return Action.FORMAT
    raise DiskError(f"{disk.path} is blank, but was not made for this machine")


def is_unfinished(disk: Disk, content: Content, home: HomeDisk, log: str) -> bool:
    """Was this disk, found blank, being formatted when the machine went down? Then nothing was ever mounted from it."""
    is_ours = content.kind in ("", *FAMILY) and not disk.has_partitions
    return is_ours and home is HomeDisk.NEW and bool(disk.serial) and log == FORMATTING + disk.serial


def find(
    disks: Sequence[Disk], content: Callable[[Path], Content] = content_of, volume: str = ""
) -> Disk | None:
    """The home disk: the one of this volume, or, where the launch names none, the one beside the root disk, or of
    several the one that says so. Raises DiskError if unclear.
    """
    if volume:
        # A copy of a backup is attached before the home is, and has its label, too: here only the id counts.
        return next((one for one in disks if one.serial == serial_of(volume)), None)
    free = [one for one in disks if not one.is_mounted]
    if len(free) > 1:
        labelled = [one for one in free if content(one.path).label == LABEL]
        if len(labelled) != 1:
            names = ", ".join(str(one.path) for one in free)
            raise DiskError(f"several disks could be the home: {names}")
        return labelled[0]
    return free[0] if free else None


def await_disk(volume: str) -> Disk:
    """The home disk, as soon as it is attached. The hub gives the server no environment before. Raises DiskError."""
    pause = FIRST_LOOK
    while (disk := find(ebs_disks(), volume=volume)) is None:
        if pause == FIRST_LOOK:
            say("waiting for the home disk to be attached")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_LOOK)
    return disk


def prepare(disk: Disk, home: HomeDisk, places: Places) -> None:
    """Format or check the disk. Raises DiskError if it cannot be used; then nothing was formatted."""
    log, content = read_log(places.log), content_of(disk.path)
    try:
        action = decide(disk, content, lambda: is_blank(disk.path), home, log)
        if action is Action.CHECK:
            if ext4_label(disk.path) not in (LABEL, None):
                raise DiskError(f"the file system of {disk.path} is not a home of cloudJHub")
            places.undo.parent.mkdir(parents=True, exist_ok=True)
            check(disk.path, places.undo)
    except DiskError:
        if not is_unfinished(disk, content, home, log):
            raise
        action = Action.FORMAT
    if action is Action.FORMAT:
        say(f"{disk.path} is new: making its file system")
        write_log(places.log, FORMATTING + disk.serial)
        make_file_system(disk.path, LABEL, *owned_by(pwd.getpwnam(OWNER)))
    if home is HomeDisk.NEW and log != READY:
        write_log(places.log, READY)  # before anything is mounted: what is mounted once is never formatted


def owned_by(owner: pwd.struct_passwd) -> list[str]:
    """mkfs.ext4's options for a file system whose root belongs to a user."""
    return ["-E", f"root_owner={owner.pw_uid}:{owner.pw_gid}"]


def read_log(path: Path) -> str:
    """How far the home of this instance is; "" before anything was done. Raises DiskError: unknown is not new."""
    try:
        return path.read_text(encoding="utf-8").strip("\n")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}") from error


def write_log(path: Path, line: str) -> None:
    """Write the line so that it survives a crash from here on. Raises DiskError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise DiskError(f"{path} cannot be written: {error.strerror}") from error


def point_to(disk: Path, link: Path) -> None:
    """Make the link that the mount unit mounts."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(disk)


def say(line: str) -> None:
    """A line for the journal and the console."""
    print(f"cloudjhub-home: {line}", flush=True)


def run(config: Path, places: Places) -> int:
    """0 when the home can be mounted, or needs no disk of its own; 1 when it cannot."""
    try:
        launch = WorkerConfig.from_file(config)
        home = launch.home
        if home is None:
            raise ConfigError(
                f"{config} does not say where the home is: a hub of an earlier version wrote it"
            )
        if home is HomeDisk.NONE or places.home.is_mount():
            return 0
        disk = await_disk(launch.home_volume)
        prepare(disk, home, places)
        point_to(disk.path, places.link)
    except (ConfigError, DiskError) as error:
        say(f"{error}. Nothing was formatted, and the server does not start: the guide says what to do")
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare this machine's home disk."""
    parser = argparse.ArgumentParser(
        prog="python -m bootstrap.worker.home", description="Prepares the home disk"
    )
    parser.add_argument("--config", type=Path, default=Path(WORKER_CONFIG), help="launch file")
    return run(parser.parse_args(arguments).config, Places())


if __name__ == "__main__":
    sys.exit(main())
