"""An event loop whose clock jumps to what is due next, so that years pass in seconds, and the same way each time."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

BEGINNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday."""
OWNER: ContextVar[object] = ContextVar("OWNER", default=None)
"""The process whose task runs."""


class _Jumping(selectors.BaseSelector):
    """Waits for nothing: where the loop would wait, its clock goes on instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is due ever again: the simulation is stuck")
        self.elapsed += max(0.0, timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._owned: dict[object, set[asyncio.Task[Any]]] = {}
        self.set_task_factory(self._own)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._jumping.elapsed

    def now(self) -> datetime:
        """The virtual time of day."""
        return BEGINNING + timedelta(seconds=self.time())

    def begin_for(self, owner: object, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task that belongs to a process, as all do that it begins, and they in turn."""
        context = copy_context()
        context.run(OWNER.set, owner)
        return self.create_task(work, context=context)

    def cancel_tasks_of(self, owner: object) -> None:
        """The process ends."""
        for task in self._owned.pop(owner, set()):
            task.cancel()

    def _own(self, loop: Any, work: Any, **more: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
        context = more.get("context")
        owner = context.get(OWNER) if context else OWNER.get()
        if owner is not None:
            owned = self._owned.setdefault(owner, set())
            owned.add(task)
            task.add_done_callback(owned.discard)
        # Whoever waits for it hears of an error; nothing waits for a process that was killed.
        task.add_done_callback(_heard)
        return task


def _heard(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
