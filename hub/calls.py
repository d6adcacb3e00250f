"""AWS calls from the hub's event loop: in threads, paced, and tried again where that is safe."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hub.errors import CloudBusy, CloudRefused
from hub.pacing import TokenBucket, pause

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
