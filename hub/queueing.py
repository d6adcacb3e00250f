"""A queue of those who wait for AWS, in which everybody knows the own place."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

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
