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

# RunInstances and StartInstances: 5 at once, 2 a second (per account and region).
BURST = 5
RATE = 2.0
LONGEST_PAUSE = 8.0


@dataclass(slots=True)
class TokenBucket:
    """Lets `burst` calls go at once and then `rate` a second, in the order in which they asked."""

    burst: int = BURST
    rate: float = RATE
    _free_at: float = field(default=float("-inf"), init=False)

    def reserve(self, now: float) -> float:
        """Books the next call and tells how many seconds it has to wait."""
        earliest = now - (self.burst - 1) / self.rate
        turn = max(self._free_at, earliest)
        self._free_at = turn + 1 / self.rate
        return max(0.0, turn - now)


def pause(attempt: int) -> float:
    """Seconds before trying again: up to 1, 2, 4 and then 8, evenly spread so that callers do not meet again."""
    return random.uniform(0, min(LONGEST_PAUSE, 2.0**attempt))  # noqa: S311 -- not a secret


log = logging.getLogger(__name__)

T = TypeVar("T")

# No waiting in the SDK: trying again is decided here, in one place.
QUICK = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1}, max_pool_connections=16)

THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "ResourceCountExceeded"})
PASSING = frozenset(
    {"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "InsufficientHostCapacity"}
)
MOST_TRIES = 10
MOST_FAILURES = 4

Say = Callable[[str], None]


def code_of(error: ClientError) -> str:
    """AWS's own word for the error."""
    return error.response["Error"]["Code"]


class Calls:
    """Runs AWS calls. `sleep` and `clock` are asyncio's and the monotonic clock, unless a test says otherwise."""

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
        """What `function` returns, run in a thread, without pacing and once."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def pause(self, seconds: float) -> None:
        """Waits for so long."""
        await self._sleep(seconds)

    async def turn(self, pace: TokenBucket) -> None:
        """Returns when the next call may be made."""
        await self._sleep(pace.reserve(self._clock()))

    async def call(
        self, what: str, function: Callable[[], T], pace: TokenBucket | None = None, *, booked: bool = False
    ) -> T:
        """What an AWS call returns that may be repeated without harm; `booked` if its first turn has come already.

        Throttling and lost connections are waited out. Raises ClientError for what EC2 refuses, CloudBusy or
        CloudRefused.
        """
        failures = 0
        for attempt in range(MOST_TRIES):
            if pace and not (booked and attempt == 0):
                await self.turn(pace)
            try:
                return await self.read(function)
            except ClientError as error:
                failures += _raise_unless_passing(error)
                problem: Exception = error
            except BotoCoreError as error:
                failures += 1
                problem = error
            if failures >= MOST_FAILURES:
                log.error("%s failed %s times: %s", what, failures, problem)
                raise CloudRefused(
                    "AWS cannot be reached just now. Nothing is lost; try again in a minute."
                ) from problem
            log.warning("%s: %s; trying again", what, problem)
            await self._sleep(pause(attempt))
        raise CloudBusy("AWS has too many requests of ours to work through. Try again in a minute.")


def _raise_unless_passing(error: ClientError) -> int:
    """How much the error counts as a failure; raises it if trying again cannot help."""
    code = code_of(error)
    if code in THROTTLED:
        return 0
    if code in PASSING:
        return 1
    raise error


K = TypeVar("K")
V = TypeVar("V")

Turn = Callable[[], Awaitable[None]]
Together = Callable[[Sequence[K]], Awaitable[Mapping[K, V | Exception]]]


class Joining(Generic[K, V]):
    """Collects what is asked within `window` seconds and asks it together, at most `most` at once.

    If `turn` makes a call wait, what is asked meanwhile still goes with it. Who asks for the same thing meanwhile gets
    the same answer. A caller that goes away takes nobody else along.
    """

    def __init__(
        self, together: Together[K, V], *, window: float, most: int, turn: Turn | None = None
    ) -> None:
        self._together = together
        self._window = window
        self._most = most
        self._turn = turn
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, key: K) -> V:
        """The answer for `key`. Raises what the call has for it."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_seen)
            if not self._waiting:
                self._in_background(self._after_window())
            self._waiting[key] = answer
        return await asyncio.shield(answer)

    async def _after_window(self) -> None:
        await asyncio.sleep(self._window)
        while self._waiting:
            if self._turn:
                await self._turn()
            keys = list(self._waiting)[: self._most]
            self._in_background(self._answer({key: self._waiting.pop(key) for key in keys}))

    async def _answer(self, waiting: Mapping[K, asyncio.Future[V]]) -> None:
        try:
            answers = await self._together(list(waiting))
        except Exception as error:
            answers = dict.fromkeys(waiting, error)
        for key, future in waiting.items():
            answer = answers[key]
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _seen(answer: "asyncio.Future[V]") -> None:
    """Nobody may be left to hear of an error; asyncio would log that."""
    if not answer.cancelled():
        answer.exception()


LAST_PLACES = 10
"""So near to the end of the queue each step is told; further back, each tenth of the way."""


@dataclass(slots=True, eq=False)
class _Waiter:
    say: Callable[[int], None]
    go: "asyncio.Future[None]"
    told: int | None = field(default=None)

    def hear(self, place: int) -> None:
        """Tells the place, if that is news: a thousand waiters must not be told of a thousand steps each."""
        if self.told is None:
            is_news = place > 1
        else:
            is_news = place < self.told and (place <= LAST_PLACES or place <= self.told * 0.9)
        if is_news:
            self.told = place
            self.say(place)


class Queue:
    """Lets one after the other go, each when `turn` allows it, in the order of their tickets.

    Who goes away leaves the place to the next. Who has to come again with the same ticket does not stand at the end.
    """

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        self._tickets = itertools.count()
        self._waiting: dict[int, _Waiter] = {}
        self._pump: asyncio.Task[None] | None = None

    def ticket(self) -> int:
        """A place behind everybody who has one."""
        return next(self._tickets)

    async def wait(self, ticket: int, say: Callable[[int], None]) -> None:
        """Returns when it is this one's turn; `say` hears of the place while it is not, and goes down."""
        waiter = _Waiter(say, asyncio.get_running_loop().create_future())
        self._waiting[ticket] = waiter
        waiter.hear(1 + sum(earlier < ticket for earlier in self._waiting))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._let_go())
        try:
            await waiter.go
        finally:
            self._waiting.pop(ticket, None)

    async def _let_go(self) -> None:
        while self._waiting:
            await self._turn()
            if not self._waiting:
                return
            first = self._waiting.pop(min(self._waiting))
            if not first.go.done():
                first.go.set_result(None)
            for place, ticket in enumerate(sorted(self._waiting), start=1):
                self._waiting[ticket].hear(place)
