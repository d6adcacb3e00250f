"""Places in the queue for AWS: the order, what is told of it, who goes away and who comes again."""

import asyncio
from collections.abc import Awaitable, Callable

from hub.clients.calls import Queue


class Turns:
    """Lets the queue go on one by one."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(0)

    async def __call__(self) -> None:
        await self._free.acquire()

    async def let(self, count: int) -> None:
        for _ in range(count):
            self._free.release()
        for _ in range(3 * count + 10):
            await asyncio.sleep(0)


def waiting(queue: Queue, name: str, gone: list[str], told: list[int]) -> "asyncio.Task[None]":
    async def wait(ticket: int) -> None:
        await queue.wait(ticket, told.append)
        gone.append(name)

    return asyncio.ensure_future(wait(queue.ticket()))


async def test_everybody_goes_in_the_order_of_coming_and_sees_the_place_go_down() -> None:
    turns, gone = Turns(), list[str]()
    queue = Queue(turns)
    told: dict[str, list[int]] = {name: [] for name in "abcd"}
    for name in "abcd":
        waiting(queue, name, gone, told[name])
    await turns.let(2)
    assert gone == ["a", "b"]
    assert told == {"a": [], "b": [2, 1], "c": [3, 2, 1], "d": [4, 3, 2]}
    await turns.let(2)
    assert gone == ["a", "b", "c", "d"]
    assert told["d"] == [4, 3, 2, 1]


async def test_who_comes_alone_is_told_nothing() -> None:
    turns, gone, told = Turns(), list[str](), list[int]()
    waiting(Queue(turns), "a", gone, told)
    await turns.let(1)
    assert (gone, told) == (["a"], [])


async def test_who_goes_away_leaves_the_place_and_the_turn_to_the_next() -> None:
    turns, gone = Turns(), list[str]()
    queue = Queue(turns)
    told: dict[str, list[int]] = {name: [] for name in "abc"}
    tasks = {name: waiting(queue, name, gone, told[name]) for name in "abc"}
    await turns.let(0)
    tasks["a"].cancel()
    await turns.let(1)
    assert gone == ["b"]
    assert told["c"] == [3, 1]


async def test_who_has_to_ask_again_does_not_stand_at_the_end() -> None:
    """A machine that one zone does not have is asked for in another."""
    turns, gone = Turns(), list[str]()
    queue = Queue(turns)

    async def twice(ticket: int) -> None:
        for name in ("first try", "second try"):
            await queue.wait(ticket, lambda _: None)
            gone.append(name)

    again = asyncio.ensure_future(twice(queue.ticket()))
    for name in "bc":
        waiting(queue, name, gone, [])
    await turns.let(1)
    await turns.let(3)
    assert gone == ["first try", "second try", "b", "c"]
    await again


async def test_a_thousand_are_not_told_of_each_of_a_thousand_steps() -> None:
    turns, gone = Turns(), list[str]()
    queue, told = Queue(turns), [list[int]() for _ in range(1000)]
    for number in range(1000):
        waiting(queue, str(number), gone, told[number])
    await turns.let(1000)
    assert gone == [str(number) for number in range(1000)]
    assert told[-1][:3] == [1000, 900, 810]
    assert told[-1][-10:] == list(range(10, 0, -1))
    assert len(told[-1]) < 60


async def test_a_queue_that_was_empty_goes_on() -> None:
    turns: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)  # noqa: E731 -- a turn each time
    queue = Queue(turns)
    for _ in range(3):
        await asyncio.wait_for(queue.wait(queue.ticket(), lambda _: None), 5)
