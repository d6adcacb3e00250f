"""AWS calls from the hub's event loop: in threads, paced within EC2's request rates, batched, in the order of arrival.

All times are seconds of a monotonic clock.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hub.errors import CloudBusy, CloudRefused
from lifecycle_app.adapters.aws import code_of

log = logging.getLogger(__name__)

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

Say = Callable[[str], None]
"""Shows a message to the user who waits."""
Turn = Callable[[], Awaitable[None]]
"""Returns when the next call may be made."""
BatchCall = Callable[[Sequence[K]], Awaitable[Mapping[K, V | Exception]]]
"""One call for several keys: the result or the error of each."""

# RunInstances and StartInstances: 5 at once, 2 a second (per account and region).
BURST = 5
RATE = 2.0
LONGEST_PAUSE = 8.0
# The SDK does not retry: that is decided here, in one place.
QUICK = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1}, max_pool_connections=16)
THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "ResourceCountExceeded"})
TRANSIENT = frozenset(
    {"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "InsufficientHostCapacity"}
)
MOST_TRIES = 10
MOST_FAILURES = 4
LAST_PLACES = 10
"""Of these places in the queue each is reported; further back, each tenth of the way."""


@dataclass(slots=True)
class TokenBucket:
    """Allows `burst` calls at once and then `rate` a second, in the order in which they ask."""

    burst: int = BURST
    rate: float = RATE
    _free_at: float = field(default=float("-inf"), init=False)

    def reserve(self, now: float) -> float:
        """Reserves the next call; the seconds until it may be made."""
        earliest = now - (self.burst - 1) / self.rate
        turn = max(self._free_at, earliest)
        self._free_at = turn + 1 / self.rate
        return max(0.0, turn - now)


class Calls:
    """Runs AWS calls. `sleep` and `clock` are asyncio's and the monotonic clock, except in tests."""

    def __init__(
        self,
        threads: Executor,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._sleep = sleep
        self._clock = clock

    async def read(self, function: Callable[[], T]) -> T:
        """What `function` returns, run once in a thread, without pacing."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def pause(self, seconds: float) -> None:
        """Waits for this long."""
        await self._sleep(seconds)

    async def turn(self, pace: TokenBucket) -> None:
        """Returns when the next call may be made."""
        await self._sleep(pace.reserve(self._clock()))

    async def call(
        self, what: str, function: Callable[[], T], pace: TokenBucket | None = None, *, has_turn: bool = False
    ) -> T:
        """What an AWS call returns that may be repeated without harm; `has_turn` if its first turn has come already.

        Retries after throttling and lost connections. Raises ClientError for what EC2 refuses, CloudBusy or
        CloudRefused.
        """
        failures = 0
        for attempt in range(MOST_TRIES):
            if pace and not (has_turn and attempt == 0):
                await self.turn(pace)
            try:
                return await self.read(function)
            except ClientError as error:
                failures += _weight(error)
                problem: Exception = error
            except BotoCoreError as error:
                failures += 1
                problem = error
            if failures >= MOST_FAILURES:
                log.error("%s failed %s times: %s", what, failures, problem)
                raise CloudRefused(
                    "AWS cannot be reached. Your files are safe. Try again in a minute."
                ) from problem
            log.warning("%s: %s; trying again", what, problem)
            await self._sleep(pause(attempt))
        raise CloudBusy("AWS is busy. Try again in a minute.")


class Coalescer(Generic[K, V]):
    """Collects the requests of `window` seconds into one call, for at most `most` keys.

    If the call has to wait for its `turn`, what is requested meanwhile goes with it. Requests for the same key share
    one result. A caller that is cancelled cancels no other.
    """

    def __init__(
        self, batch_call: BatchCall[K, V], *, window: float, most: int, turn: Turn | None = None
    ) -> None:
        self._batch_call = batch_call
        self._window = window
        self._most = most
        self._turn = turn
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def request(self, key: K) -> V:
        """The result for `key`. Raises the call's error for it."""
        result = self._waiting.get(key)
        if result is None:
            result = asyncio.get_running_loop().create_future()
            result.add_done_callback(_retrieve_error)
            if not self._waiting:
                self._in_background(self._after_window())
            self._waiting[key] = result
        return await asyncio.shield(result)

    async def _after_window(self) -> None:
        await asyncio.sleep(self._window)
        while self._waiting:
            if self._turn:
                await self._turn()
            keys = list(self._waiting)[: self._most]
            self._in_background(self._call({key: self._waiting.pop(key) for key in keys}))

    async def _call(self, waiting: Mapping[K, asyncio.Future[V]]) -> None:
        try:
            results = await self._batch_call(list(waiting))
        except Exception as error:
            results = dict.fromkeys(waiting, error)
        for key, future in waiting.items():
            result = results[key]
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Queue:
    """Lets its waiters go one at a time, each when `turn` allows it, in the order of their tickets.

    A waiter that leaves gives its place to the next. One that comes back with its ticket keeps its place.
    """

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._tickets = itertools.count()
        self._waiting: dict[int, _Waiter] = {}
        self._pump: asyncio.Task[None] | None = None

    def ticket(self) -> int:
        """A place behind all that have one."""
        return next(self._tickets)

    async def wait(self, ticket: int, report: Callable[[int], None]) -> None:
        """Returns when this ticket's turn has come. Until then `report` gets the place, which only goes down."""
        waiter = _Waiter(report, asyncio.get_running_loop().create_future())
        self._waiting[ticket] = waiter
        waiter.update(1 + sum(earlier < ticket for earlier in self._waiting))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._release_in_turn())
        try:
            await waiter.turn
        finally:
            self._waiting.pop(ticket, None)

    async def _release_in_turn(self) -> None:
        while self._waiting:
            await self._turn()
            if not self._waiting:
                return
            first = self._waiting.pop(min(self._waiting))
            if not first.turn.done():
                first.turn.set_result(None)
            for place, ticket in enumerate(sorted(self._waiting), start=1):
                self._waiting[ticket].update(place)


@dataclass(slots=True, eq=False)
class _Waiter:
    report: Callable[[int], None]
    turn: "asyncio.Future[None]"
    reported: int | None = field(default=None)

    def update(self, place: int) -> None:
        """Reports the place, unless it hardly changed: a thousand waiters must not get a thousand reports each."""
        if self.reported is None:
            is_news = place > 1
        else:
            is_news = place < self.reported and (place <= LAST_PLACES or place <= self.reported * 0.9)
        if is_news:
            self.reported = place
            self.report(place)


def pause(attempt: int) -> float:
    """Seconds before the next try: at most 1, 2, 4 and then 8, evenly spread so that callers do not meet again."""
    return random.uniform(0, min(LONGEST_PAUSE, 2.0**attempt))  # noqa: S311 -- not a secret


def _weight(error: ClientError) -> int:
    """How much the error counts as a failure. Raises it if trying again cannot help."""
    code = code_of(error)
    if code in THROTTLED:
        return 0
    if code in TRANSIENT:
        return 1
    raise error


def _retrieve_error(result: "asyncio.Future[V]") -> None:
    """All callers may be gone: asyncio would log an error that none of them has seen."""
    if not result.cancelled():
        result.exception()
