"""What the operator wants at this moment: who belongs to the cluster, and the image that new workers get."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from hub import people
from hub.calls import Calls
from hub.people import People
from lifecycle_app.errors import StoreUnavailable

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
FRESH = timedelta(seconds=5)
"""Launches read the image again, a class that logs in at once not one by one."""
IMAGE_SCOPE = "image"
IMAGE = re.compile(r"ami-[0-9a-f]{8,17}\Z")

Apply = Callable[[People], Awaitable[None]]


class Wanted:
    """Read from the settings table when the hub starts and then every minute.

    `read` gives the texts of the scopes that exist. What cannot be read, or is no use, leaves the last known as it is.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, str]],
        calls: Calls,
        *,
        image: str,
        known: People,
        every: timedelta = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._calls = calls
        self._every = every
        self._fallbacks: tuple[People, str] = known, image
        self._clock = clock
        self._read_at = -FRESH.total_seconds()
        self._task: asyncio.Task[None] | None = None
        self.people = known
        self.image = image

    def read_at_start(self) -> None:
        """Reads once, before there is an event loop."""
        try:
            self._take(self._read())
        except StoreUnavailable as error:
            log.warning("users and image cannot be read, going on with what the settings say: %s", error)

    async def read_again(self) -> None:
        """Takes in what is wanted now. Raises StoreUnavailable."""
        self._take(await self._calls.read(self._read))

    async def image_now(self) -> str:
        """The image for a worker whose launch begins now: what was read some seconds ago, or the last known; "" where
        there has been none yet.
        """
        if not self.image or self._clock() - self._read_at >= FRESH.total_seconds():
            try:
                await self.read_again()
            except StoreUnavailable as error:
                log.warning("the image cannot be read, going on with the one known: %s", error)
        return self.image

    def follow(self, apply: Apply) -> None:
        """Goes on reading, and hands the people to `apply` each time, changed or not."""
        self._task = asyncio.ensure_future(self._follow(apply))

    async def close(self) -> None:
        """Ends the reading."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self, apply: Apply) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.read_again()
            except StoreUnavailable as error:
                log.warning("users and image cannot be read, going on with those known: %s", error)
            except Exception:
                log.exception("users and image cannot be read, going on with those known")
            try:
                await apply(self.people)
            except Exception:
                log.exception("the users cannot be taken over; trying again in %s", self._every)

    def _take(self, texts: Mapping[str, str]) -> None:
        self._read_at = self._clock()
        known, image = self._fallbacks
        self._take_people(texts.get(people.SCOPE), known)
        self._take_image(texts.get(IMAGE_SCOPE), image)

    def _take_people(self, text: str | None, fallback: People) -> None:
        if text is None:
            self.people = fallback
            return
        try:
            self.people = people.parse(text)
        except ValueError as error:
            log.error("the users in the settings table cannot be used, going on with those known: %s", error)

    def _take_image(self, text: str | None, fallback: str) -> None:
        image = fallback if text is None else text
        if not image:
            return  # none has been built yet, or it was and stays
        if not IMAGE.match(image):
            log.error("the settings table's image %r is no image, going on with %s", image[:100], self.image)
        elif image != self.image:
            log.info("workers are launched from %s from now on, no longer from %s", image, self.image)
            self.image = image
