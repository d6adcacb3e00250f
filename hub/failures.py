"""Slows down whoever keeps failing to prove who it is."""

from collections import deque
from datetime import datetime, timedelta

from hub.errors import TooManyTries

MOST_FAILURES = 30
FAILURES_WITHIN = timedelta(minutes=1)


class Failures:
    """Limits how often something may fail to prove who it is: `most` times within `within`."""

    def __init__(self, most: int = MOST_FAILURES, within: timedelta = FAILURES_WITHIN) -> None:
        self._most = most
        self._within = within
        self._at: dict[str, deque[datetime]] = {}

    def check(self, source: str, now: datetime) -> None:
        """Raises TooManyTries for a source that has failed too often."""
        self._forget(now)
        if len(self._at.get(source, ())) >= self._most:
            raise TooManyTries("too many attempts that proved nothing")

    def add(self, source: str, now: datetime) -> None:
        """Counts a failure."""
        self._at.setdefault(source, deque(maxlen=self._most)).append(now)

    def forgive(self, source: str) -> None:
        """Forgets the failures of a source that has proved who it is."""
        self._at.pop(source, None)

    def _forget(self, now: datetime) -> None:
        for source, times in list(self._at.items()):
            while times and now - times[0] > self._within:
                times.popleft()
            if not times:
                del self._at[source]
