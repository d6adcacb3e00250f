"""AWS calls: what is tried again, how they are paced and batched, and the order in which they wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from hub.clients.calls import (
    LONGEST_PAUSE,
    MOST_FAILURES,
    MOST_TRIES,
    QUICK,
    Coalescer,
    Queue,
    TokenBucket,
    pause,
)
from hub.errors import CloudBusy, CloudRefused
from tests.hub.fakes import Clock, calls, refusal


class Flaky:
    """Fails with each of the errors in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def lost() -> Exception:
    return EndpointConnectionError(endpoint_url="https://ec2")


@pytest.mark.parametrize(
    "errors", [[refusal("RequestLimitExceeded")] * 5, [lost()] * 3, [refusal("Unavailable")] * 3]
)
async def test_passing_trouble_is_waited_out(errors: list[Exception]) -> None:
    clock, flaky = Clock(), Flaky(*errors)
    assert await calls(clock).call("it", flaky) == "done"
    assert len(clock.slept) == len(errors)


async def test_lasting_throttling_ends() -> None:
    flaky = Flaky(*[refusal("RequestLimitExceeded")] * 99)
    with pytest.raises(CloudBusy):
        await calls().call("it", flaky)
    assert flaky.tries == MOST_TRIES


async def test_lost_connection_ends_sooner() -> None:
    flaky = Flaky(*[lost()] * 99)
    with pytest.raises(CloudRefused, match="cannot be reached"):
        await calls().call("it", flaky)
    assert flaky.tries == MOST_FAILURES


async def test_refusal_is_not_tried_again() -> None:
    flaky = Flaky(refusal("VcpuLimitExceeded"))
    with pytest.raises(ClientError):
        await calls().call("it", flaky)
    assert flaky.tries == 1


async def test_each_try_is_paced() -> None:
    clock = Clock()
    bucket = TokenBucket(burst=1, rate=1)
    for _ in range(3):
        await calls(clock).call("it", Flaky(), bucket)
    assert clock.time == 2


async def test_booked_turn_is_not_paid_twice() -> None:
    clock = Clock()
    bucket = TokenBucket(burst=1, rate=1)
    for _ in range(3):
        await calls(clock).turn(bucket)
        await calls(clock).call("it", Flaky(), bucket, has_turn=True)
    assert clock.time == 2


def test_sdk_itself_neither_waits_long_nor_tries_again() -> None:
    # A client that is made with it adds the mode, which changes nothing for a single attempt.
    assert QUICK.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]  # not in botocore's stubs


def test_burst_goes_at_once_then_two_a_second() -> None:
    bucket = TokenBucket(burst=5, rate=2)
    assert [bucket.reserve(100.0) for _ in range(8)] == [0, 0, 0, 0, 0, 0.5, 1.0, 1.5]


def test_burst_is_there_again_after_a_rest() -> None:
    bucket = TokenBucket(burst=5, rate=2)
    for _ in range(7):
        bucket.reserve(0.0)
    assert [bucket.reserve(10.0) for _ in range(6)] == [0, 0, 0, 0, 0, 0.5]


def test_two_hundred_launches_take_under_a_hundred_seconds() -> None:
    bucket = TokenBucket()
    assert max(bucket.reserve(0.0) for _ in range(200)) == pytest.approx(97.5)


@pytest.mark.parametrize(
    ("attempt", "most"), [(0, 1), (1, 2), (2, 4), (3, LONGEST_PAUSE), (9, LONGEST_PAUSE)]
)
def test_pause_grows_to_a_limit_and_is_spread(attempt: int, most: float) -> None:
    pauses = [pause(attempt) for _ in range(200)]
    assert all(0 <= one <= most for one in pauses)
    assert max(pauses) - min(pauses) > most / 2


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


async def test_caller_that_goes_away_takes_no_other_along() -> None:
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


async def test_everyone_goes_in_the_order_of_coming_and_sees_the_place_go_down() -> None:
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


async def test_a_thousand_do_not_hear_each_of_a_thousand_steps() -> None:
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
