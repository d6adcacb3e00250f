"""Gestures: keys, clicks, moves, scrolling and touches in a visible page, as our extension of JupyterLab reports them.

A page with the extension reports every gesture within a minute. What widgets send over its kernels' sockets is then no
sign of a person: the gesture is. The sockets of such a page say so in their address.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs

EVERY = timedelta(minutes=1)
"""At most one gesture counts in so much time, whatever a page sends."""
MARK = "cloudjhub_gestures"
"""The parameter in the address of a kernel's socket."""
DONE = "typed, clicked or scrolled"


class Gestures:
    """The gestures of all pages of a server."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._counted: datetime | None = None
        self.are_reported = False
        """Has a page with the extension reached this server since its start?"""

    def heard(self) -> None:
        """A page with the extension has reached this server."""
        self.are_reported = True

    def made(self) -> str | None:
        """A page reported a gesture: what a person did, or None if one was counted just before."""
        self.heard()
        now = self._clock()
        # A clock that was set back must not make gestures uncounted until it has caught up.
        if self._counted is not None and timedelta(0) <= now - self._counted < EVERY:
            return None
        self._counted = now
        return DONE


def is_from_page(query: str) -> bool:
    """Is the socket whose address has this query of a page that reports its gestures?"""
    return MARK in parse_qs(query)
