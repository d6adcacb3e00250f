"""The disks of a machine: which are EBS volumes, what is on them, and whether one is blank."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK_STORE = re.compile(r"Elastic.*Block.*Store")
"""The model of an EBS volume on Nitro instances; udev writes `_` for blanks."""
NOTHING_FOUND = 2
"""blkid's exit code: it recognizes nothing. That does not make a disk blank: libblkid 2.39 and later says so of an ext4
with one wrong byte in its superblock, too."""
REPAIRED = frozenset({0, 1})
"""e2fsck's exit codes for a file system that was sound, or is now. Of the others, 4 and more left errors."""
SUPERBLOCK, EXT4_MAGIC = 1024, b"\x53\xef"
UNDO_KEYS = (8, 8)
"""Where an undo file has the number of its keys, which are one for each range of blocks: offset and length."""
LARGEST_JOURNAL = 2 << 30
"""Bytes: ext4's own limit is 1 GB; a repair writes what is in the journal, and a little more."""
MEGABYTE = 1 << 20
SAMPLE = 64 * 1024
SAMPLES = 64


class DiskError(Exception):
    """A disk cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Disk:
    """An EBS volume; `serial` is its volume id without the hyphen, "" if that is not known."""

    path: Path
    serial: str = ""
    has_partitions: bool = False
    is_mounted: bool = False
    """Is it, or a part of it, mounted?"""


@dataclass(frozen=True, slots=True)
class Content:
    """What blkid finds on a disk: the type of file system or the like, "" for nothing, and its label."""

    kind: str = ""
    label: str = ""


def serial_of(volume: str) -> str:
    """The serial number of an EBS volume, as `Disk` has it. Pure."""
    return volume.replace("-", "")


def ebs_disks() -> list[Disk]:
    """The machine's EBS volumes. Raises DiskError."""
    done = _run("lsblk", "--json", "--paths", "--output", "NAME,MODEL,SERIAL,MOUNTPOINT")
    try:
        listed = json.loads(done.stdout or "{}").get("blockdevices", [])
    except ValueError as error:
        raise DiskError(f"lsblk's answer is not understood: {error}") from error
    return [_disk(one) for one in listed if BLOCK_STORE.search(one.get("model") or "")]


def content_of(disk: Path) -> Content:
    """What blkid finds on the disk itself, asked anew. Raises DiskError where it is ambiguous or cannot be read."""
    done = _run("blkid", "--probe", "--output", "export", str(disk))
    if done.returncode == NOTHING_FOUND:
        return Content()
    if done.returncode:
        raise DiskError(f"blkid cannot say what is on {disk} ({done.returncode}): {_last_line(done)}")
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return Content(found.get("TYPE") or found.get("PTTYPE") or "something unknown", found.get("LABEL", ""))


def ext4_label(disk: Path) -> str | None:
    """The label in the superblock of an ext4, whatever its state; None without one. Raises DiskError."""
    found = read(disk, SUPERBLOCK, 1024)
    if found[56:58] != EXT4_MAGIC:
        return None
    return found[120:136].rstrip(b"\0").decode(errors="replace")


def is_blank(disk: Path) -> bool:
    """Is everything zero where a disk that was ever used has content? Raises DiskError if it cannot be read.

    The first and the last megabyte, each place of an ext4 backup superblock, and samples from the whole disk.
    """
    size = size_of(disk)
    return size > 0 and not any(any(read(disk, offset, length)) for offset, length in places(size))


def size_of(disk: Path) -> int:
    """Bytes of a block device or an image file. Raises DiskError."""
    try:
        with disk.open("rb", buffering=0) as device:
            return device.seek(0, os.SEEK_END)
    except OSError as error:
        raise DiskError(f"{disk} cannot be read: {error.strerror}") from error


def read(disk: Path, offset: int, length: int) -> bytes:
    """Bytes of the disk, fewer at its end. Raises DiskError."""
    try:
        with disk.open("rb", buffering=0) as device:
            return os.pread(device.fileno(), length, offset)
    except OSError as error:
        raise DiskError(f"{disk} cannot be read: {error.strerror}") from error


def places(size: int) -> Iterator[tuple[int, int]]:
    """Where `is_blank` reads in a disk of this many bytes: offsets and lengths."""
    yield 0, MEGABYTE
    yield max(0, size - MEGABYTE), MEGABYTE
    for block in (1024, 2048, 4096):
        for group in _backup_groups(-(-size // (8 * block * block))):
            yield group * 8 * block * block, SAMPLE
    for part in range(1, SAMPLES):
        yield size * part // SAMPLES, SAMPLE


def check(disk: Path, undo: Path) -> None:
    """Repair what e2fsck repairs without asking; a disk that still has errors is left as it was found.

    e2fsck writes before it gives up: to zeroed group descriptors it gives valid checksums, and then no program finds
    the files. So it notes in the file `undo` what it overwrites. Only where that has no space, and a look without
    writing finds no errors, it notes nothing. Raises DiskError if errors remain, or the disk has no ext4.
    """
    undo.unlink(missing_ok=True)
    has_space = shutil.disk_usage(undo.parent).free >= LARGEST_JOURNAL
    noted = ["-z", str(undo)] if has_space or _run("e2fsck", "-n", str(disk)).returncode else []
    done = _run("e2fsck", "-p", *noted, str(disk))
    if done.returncode not in REPAIRED:
        damaged = f"the file system of {disk} is damaged, e2fsck -p ended with {done.returncode}"
        # Without keys, nothing was overwritten: most often e2fsck did not even open the file system.
        has_keys = undo.exists() and any(read(undo, *UNDO_KEYS))
        if has_keys and _run("e2undo", str(undo), str(disk)).returncode:
            raise DiskError(f"{damaged}, and what it changed could not be undone: keep {undo}")
        undo.unlink(missing_ok=True)
        raise DiskError(damaged)
    undo.unlink(missing_ok=True)


def make_file_system(disk: Path, label: str, *options: str) -> None:
    """Format the disk: its content is lost. Raises DiskError."""
    done = _run("mkfs.ext4", "-q", "-L", label, *options, str(disk))
    if done.returncode:
        raise DiskError(f"mkfs.ext4 of {disk} ended with {done.returncode}: {_last_line(done)}")


def _disk(listed: dict[str, Any]) -> Disk:
    parts: list[dict[str, Any]] = listed.get("children") or []
    return Disk(
        path=Path(listed["name"]),
        serial=serial_of((listed.get("serial") or "").strip()),
        has_partitions=bool(parts),
        is_mounted=any(one.get("mountpoint") for one in (listed, *parts)),
    )


def _backup_groups(count: int) -> list[int]:
    """The block groups, of `count`, in which ext4 has backups of its superblock: 1, and powers of 3, 5 and 7."""
    powers = {base**exponent for base in (3, 5, 7) for exponent in range(30)}
    return sorted(group for group in powers if group < count)


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program, and print what it says on errors. Raises DiskError if it is not there."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise DiskError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode not in (0, NOTHING_FOUND):
        print((done.stdout + done.stderr).strip(), flush=True)
    return done


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return ((done.stderr or done.stdout).strip() or "no output").splitlines()[-1]
