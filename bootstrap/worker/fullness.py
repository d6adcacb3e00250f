"""How full the home is and what in it is large, for its user to delete something in time."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lifecycle_app.contract import FULL_ENOUGH

from .work import plain

FULLNESS = "cloudjhub_fullness"
"""Where handlers find the `Fullness` of their server among the web application's settings."""
EVERY = 300.0
"""Seconds after which it is looked again for what is large."""
MOST_ENTRIES = 200_000
"""So many files and directories are looked at, which takes a second or two; with more, what is large is not said."""
SHOWN, LONGEST_NAME = 5, 60
LEAST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Space:
    """A file system: the share that is used, of its blocks or of its files, whichever is more; bytes left."""

    share: float
    free: int


def space(home: Path) -> Space | None:
    """The space of the home's file system, as its user has it; None if it cannot be asked."""
    try:
        found = os.statvfs(home)
    except OSError:
        return None
    blocks = 1 - found.f_bavail / found.f_blocks if found.f_blocks else 0.0
    # Some file systems have no fixed number of files, and say 0.
    files = 1 - found.f_favail / found.f_files if found.f_files else 0.0
    return Space(max(blocks, files), found.f_bavail * found.f_frsize)


def largest(home: Path, most: int = MOST_ENTRIES) -> list[tuple[str, int]]:
    """What takes most space directly below the home: names with bytes, largest first. Empty if there is too much to
    look at. Other file systems and what cannot be read are left out; a file with several names counts with each.
    """
    left = iter(range(most))
    sizes: dict[str, int] = {}
    try:
        device = os.stat(home).st_dev
        for entry in _entries(home, most):
            sizes[entry.name] = sum(_sizes(entry, device, left, most))
    except (OSError, TooManyEntries):
        return []
    ordered = sorted(sizes.items(), key=lambda one: -one[1])
    return [(plain(name, LONGEST_NAME), size) for name, size in ordered[:SHOWN] if size >= LEAST_BYTES]


def _entries(directory: str | Path, most: int) -> list["os.DirEntry[str]"]:
    with os.scandir(directory) as found:
        return list(islice(found, most + 1))


class TooManyEntries(Exception):
    """There is more to look at than is done for this."""


def _sizes(first: "os.DirEntry[str]", device: int, left: Iterator[int], most: int) -> Iterator[int]:
    """The bytes that each file below an entry takes."""
    waiting = [first]
    while waiting:
        entry = waiting.pop()
        if next(left, None) is None:
            raise TooManyEntries
        with suppress(OSError):
            found = entry.stat(follow_symlinks=False)
            if found.st_dev == device:
                yield found.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    waiting += _entries(entry.path, most)


class Fullness:
    """What a page shows of a home that fills. The look for what is large runs beside the requests."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._clock = clock
        self._large: list[tuple[str, int]] = []
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    def told(self) -> dict[str, Any] | None:
        """The share that is used, bytes left, and what was large at the last look; None below 85 %."""
        found = space(self._home)
        if found is None or found.share < FULL_ENOUGH:
            return None
        is_old = self._read_at is None or self._clock() - self._read_at >= EVERY
        if is_old and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self.read())
        large = [{"name": name, "bytes": size} for name, size in self._large]
        return {"share": round(found.share, 3), "free": found.free, "large": large}

    async def read(self) -> None:
        """Looks once for what is large."""
        self._large = await asyncio.to_thread(largest, self._home)
        self._read_at = self._clock()
