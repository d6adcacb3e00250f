"""Passwords: bcrypt outside the event loop, and how long a source waits after wrong ones."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

import bcrypt
from tornado import web

from hub.login.devices import Source

T = TypeVar("T")

LONGEST_PASSWORD = 72
"""Bytes: bcrypt ignores the rest."""
THREADS = os.cpu_count() or 1
MOST_WAITING = 500
"""Passwords that wait for a thread: a class that logs in at once."""
FIRST_WAIT = timedelta(seconds=5)
REMEMBERED = 10
"""A failure counts for so many times the longest wait: who stays away for that long gains nothing by it."""
MOST_SOURCES = 10_000
"""So many are remembered; of more, the one whose last failure is the oldest is forgotten."""


class Hashing:
    """Runs bcrypt, which takes a quarter of a second, in a thread for each processor, named `bcrypt`."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._most_waiting = most_waiting
        self._waiting = 0

    def check_room(self) -> None:
        """Raises HTTPError 503 where too many passwords wait already."""
        if self._waiting >= self._most_waiting:
            raise web.HTTPError(503, "The hub is checking many passwords. Try again in a minute.")

    async def hashed(self, password: str) -> bytes:
        """The hash of a password that can be used. Raises HTTPError 503."""
        return await self._run(lambda: bcrypt.hashpw(password.encode(), bcrypt.gensalt()))

    async def is_right(self, password: str, hashed: bytes) -> bool:
        """Is it the password of this hash? Raises HTTPError 503."""
        encoded = password.encode(errors="surrogatepass")
        # Too long a one takes as much time: the time must not reveal which accounts exist.
        right = await self._run(lambda: bcrypt.checkpw(encoded[:LONGEST_PASSWORD], hashed))
        return right and len(encoded) <= LONGEST_PASSWORD

    async def _run(self, function: Callable[[], T]) -> T:
        self.check_room()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self._waiting -= 1


@dataclass(frozen=True, slots=True)
class _Failed:
    times: int
    last: datetime


class Backoff:
    """Lets a source fail `free` times; from then on it waits after each failure, FIRST_WAIT at first, then twice as
    long each time, at most `longest`. A source is a short text.
    """

    def __init__(self, free: int, longest: timedelta) -> None:
        self._free = free
        self._longest = longest
        self._failed: dict[str, _Failed] = {}

    def wait(self, source: str, now: datetime) -> timedelta:
        """How long the source has still to wait; zero if it may try."""
        failed = self._failed.get(source)
        if failed is None or failed.times < self._free:
            return timedelta()
        doublings = min(failed.times - self._free, 20)
        whole: timedelta = min(FIRST_WAIT * 2**doublings, self._longest)
        return max(whole - (now - failed.last), timedelta())

    def add(self, source: str, now: datetime) -> None:
        """Counts a failure."""
        before = self._failed.pop(source, None)
        is_recent = before is not None and now - before.last <= REMEMBERED * self._longest
        self._failed[source] = _Failed(before.times + 1 if before and is_recent else 1, now)
        if len(self._failed) > MOST_SOURCES:
            del self._failed[next(iter(self._failed))]

    def take_back(self, source: str) -> None:
        """Forgets one failure, which was none; earlier ones still count."""
        failed = self._failed.get(source)
        if failed is not None:
            self._failed[source] = _Failed(failed.times - 1, failed.last)

    def forgive(self, source: str) -> None:
        """Forgets the failures of a source that has proven who it is."""
        self._failed.pop(source, None)


FREE, LONGEST = 5, timedelta(minutes=10)
"""Wrong passwords before a source waits, and its longest wait, where no option says otherwise."""
MOST_FROM_AN_ADDRESS = 500
"""Wrong passwords for whatever names, from browsers without a login of that name: a class may share an address."""
LONGEST_FOR_AN_ADDRESS = timedelta(minutes=1)


class Guesses:
    """Counts wrong passwords, by name and browser or address, and by address: no user locks out another."""

    def __init__(self, free: int = FREE, longest: timedelta = LONGEST) -> None:
        self._of_name = Backoff(free, longest)
        self._of_address = Backoff(MOST_FROM_AN_ADDRESS, LONGEST_FOR_AN_ADDRESS)

    def check(self, source: Source, now: datetime) -> None:
        """Raises HTTPError 429. Others at the same address make no browser wait that its user has logged in with."""
        waits = [self._of_name.wait(source.of_name, now)]
        if not source.is_known:
            waits.append(self._of_address.wait(source.address, now))
        seconds = ceil(max(waits).total_seconds())
        if seconds:
            told = f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
            raise web.HTTPError(429, f"Too many wrong passwords. Try again in {told}.")

    def add(self, source: Source, now: datetime) -> None:
        """Counts a password as wrong, before it is checked: many at the same moment must not all be allowed."""
        self._of_name.add(source.of_name, now)
        self._of_address.add(source.address, now)

    def forgive(self, source: Source) -> None:
        """It was right."""
        self._of_name.forgive(source.of_name)
        self._of_address.take_back(source.address)

    def take_back(self, source: Source) -> None:
        """It could not be checked."""
        self._of_name.take_back(source.of_name)
        self._of_address.take_back(source.address)
