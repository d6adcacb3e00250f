"""What is asked at the same moment is asked once."""

import asyncio
from collections.abc import Sequence

import pytest

from hub.clients.calls import Coalescer


class Asked:
    """Answers with the upper-case key, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def together(self, keys: Sequence[str]) -> dict[str, str | Exception]:
        self.calls.append(list(keys))
        return {key: KeyError(key) if key == "bad" else key.upper() for key in keys}


async def test_simultaneous_questions_are_one_call() -> None:
    asked = Asked()
    joining = Coalescer[str, str](asked.together, window=0.01, most=200)
    assert await asyncio.gather(*(joining.request(key) for key in ("a", "b", "a"))) == ["A", "B", "A"]
    assert asked.calls == [["a", "b"]]


async def test_later_question_is_another_call() -> None:
    asked = Asked()
    joining = Coalescer[str, str](asked.together, window=0.01, most=200)
    await joining.request("a")
    await joining.request("a")
    assert asked.calls == [["a"], ["a"]]


async def test_large_crowd_is_split_at_the_limit() -> None:
    asked = Asked()
    joining = Coalescer[str, str](asked.together, window=0.01, most=2)
    await asyncio.gather(*(joining.request(key) for key in "abcde"))
    assert [len(call) for call in asked.calls] == [2, 2, 1]


async def test_what_is_asked_while_a_call_waits_for_its_turn_goes_with_it() -> None:
    """So a class that comes back within seconds costs few calls, though each of its users came alone."""
    asked, came, turn = Asked(), asyncio.Event(), asyncio.Semaphore(0)

    async def my_turn() -> None:
        came.set()
        await turn.acquire()

    joining = Coalescer[str, str](asked.together, window=0, most=2, turn=my_turn)
    questions = [asyncio.ensure_future(joining.request("a"))]
    async with asyncio.timeout(5):
        await came.wait()
    questions += [asyncio.ensure_future(joining.request(key)) for key in "bc"]
    await asyncio.sleep(0)
    turn.release()
    assert await questions[0] == "A"
    assert asked.calls == [["a", "b"]]
    turn.release()
    assert await asyncio.gather(*questions) == ["A", "B", "C"]
    assert asked.calls == [["a", "b"], ["c"]]


async def test_error_of_one_is_not_the_others() -> None:
    joining = Coalescer[str, str](Asked().together, window=0.01, most=200)
    bad, good = await asyncio.gather(joining.request("bad"), joining.request("a"), return_exceptions=True)
    assert isinstance(bad, KeyError)
    assert good == "A"


async def test_failed_call_is_everybodys() -> None:
    async def broken(_: Sequence[str]) -> dict[str, str | Exception]:
        raise RuntimeError("down")

    joining = Coalescer[str, str](broken, window=0.01, most=200)
    for answer in await asyncio.gather(joining.request("a"), joining.request("b"), return_exceptions=True):
        assert isinstance(answer, RuntimeError)


async def test_caller_that_goes_away_takes_nobody_along() -> None:
    joining = Coalescer[str, str](Asked().together, window=0.05, most=200)
    leaving, staying = (
        asyncio.ensure_future(joining.request("a")),
        asyncio.ensure_future(joining.request("a")),
    )
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "A"
    with pytest.raises(asyncio.CancelledError):
        await leaving
