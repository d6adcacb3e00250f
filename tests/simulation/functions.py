"""The lifecycle functions, each run a greenlet: every call of its service takes time in which all else goes on.

At each such boundary a call may fail, before or after it has done its work, and the function may come to its end.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from greenlet import getcurrent, greenlet

from tests.simulation.virtual_time import VirtualLoop

log = logging.getLogger(__name__)

TIMEOUT = 180.0
"""Seconds after which Lambda ends a function; less than a claim's lease."""
RETRY_AFTER = (60.0, 120.0)
"""Lambda tries an event's function twice more."""


class KilledError(BaseException):
    """The function's end, as Lambda ends one: no handler of its own sees it."""


class Fate(Enum):
    """What becomes of a function at one of its calls."""

    PASSES = "passes"
    ENDS_BEFORE = "ends before the call"
    ENDS_AFTER = "ends after the call"


@dataclass(frozen=True, slots=True)
class Chances:
    """What happens at a boundary; drawn by the simulation's seed."""

    latency: Callable[[], float]
    fate: Callable[[str], Fate]
    fail: Callable[[str], Exception | None]
    """An error with which the call fails; it has done its work, or not."""
    works_though_failed: Callable[[], bool]


class Functions:
    """Runs functions."""

    def __init__(self, loop: VirtualLoop, chances: Chances) -> None:
        self._loop = loop
        self._chances = chances
        self._deadlines: dict[greenlet, float] = {}
        self.crossed = 0
        self.ambushes: list[tuple[str, Callable[[], object]]] = []
        """What is to happen when the next call of that name is under way."""
        self.failures: list[str] = []
        self._fate = chances.fate
        self.results: list[tuple[datetime, str, object]] = []

    def invoke(self, name: str, act: Callable[[], object], *, retries: tuple[float, ...] = ()) -> None:
        """Runs a function now, and again after a failure."""

        def run() -> None:
            try:
                self.results.append((self._loop.now(), name, act()))
            except KilledError:
                self._again(name, act, retries)
            except Exception as error:
                log.info("%s failed: %s", name, error)
                self.failures.append(f"{name}: {type(error).__name__}: {error}")
                self._again(name, act, retries)
            finally:
                del self._deadlines[getcurrent()]

        running = greenlet(run)
        self._deadlines[running] = self._loop.time() + TIMEOUT
        running.switch()

    def decide_fates_by(self, fate: Callable[[str], Fate]) -> None:
        """From now on this says what becomes of a function at each call."""
        self._fate = fate

    def remaining(self) -> float:
        """Seconds until the running function's end."""
        return self._deadlines[getcurrent()] - self._loop.time()

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._deadlines)

    def cross(self, what: str, effect: Callable[[], Any]) -> Any:
        """What a call gives, some time later."""
        if getcurrent() not in self._deadlines:
            return effect()
        self.crossed += 1
        if self._spring(what):
            self._pause(longer=2.0)
        fate = self._fate(what)
        self._pause()
        if fate is Fate.ENDS_BEFORE:
            raise KilledError(what)
        error = self._chances.fail(what)
        if error is not None and not self._chances.works_though_failed():
            raise error
        try:
            result = effect()
        finally:
            self._pause()
        if fate is Fate.ENDS_AFTER:
            raise KilledError(what)
        if error is not None:
            raise error
        return result

    def wait_for(self, what: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of work in the event loop, such as a handler of the hub's."""

        def begin() -> Any:
            here = getcurrent()
            task = asyncio_task(self._loop, work())
            task.add_done_callback(lambda _: here.switch())
            _leave(here)
            return task.result()

        return self.cross(what, begin)

    def _spring(self, what: str) -> bool:
        """Was a task waiting for this moment?"""
        sprung = [one for one in self.ambushes if one[0] == what]
        for ambush in sprung:
            self.ambushes.remove(ambush)
            self._loop.call_soon(ambush[1])
        return bool(sprung)

    def _pause(self, longer: float = 0.0) -> None:
        here = getcurrent()
        self._loop.call_later(longer + self._chances.latency(), here.switch)
        _leave(here)
        if self._loop.time() > self._deadlines[here]:
            raise KilledError("out of time")

    def _again(self, name: str, act: Callable[[], object], retries: tuple[float, ...]) -> None:
        if retries:
            self._loop.call_later(retries[0], lambda: self.invoke(name, act, retries=retries[1:]))


class Crossed:
    """An adapter whose methods take time and may fail, as calls over a network."""

    def __init__(self, name: str, inner: Any, functions: Functions) -> None:
        self._name = name
        self._inner = inner
        self._functions = functions

    def __getattr__(self, method: str) -> Any:
        def crossed(*args: Any, **more: Any) -> Any:
            effect = getattr(self._inner, method)
            return self._functions.cross(f"{self._name}.{method}", lambda: effect(*args, **more))

        return crossed


def _leave(here: greenlet) -> None:
    """Back to the event loop, which goes on until a task switches here again."""
    assert here.parent is not None
    here.parent.switch()


def asyncio_task(loop: VirtualLoop, work: Awaitable[Any]) -> Any:
    """A task of the loop, whoever begins it."""

    async def run() -> Any:
        return await work

    return loop.create_task(run())
