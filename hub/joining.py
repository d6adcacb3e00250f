"""Joins questions that are asked at the same moment into one call."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

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
