"""How long a source waits after wrong passwords, and where bcrypt runs."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import pytest
from tornado.web import HTTPError

from hub.login.passwords import LONGEST_PASSWORD, MOST_SOURCES, Backoff, Hashing

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LONGEST = timedelta(minutes=10)


def failed(times: int, backoff: Backoff | None = None) -> Backoff:
    """A source `x` that has failed so many times, just now."""
    found = backoff or Backoff(3, LONGEST)
    for _ in range(times):
        found.add("x", NOW)
    return found


@pytest.mark.parametrize(
    ("times", "seconds"), [(0, 0), (2, 0), (3, 5), (4, 10), (5, 20), (9, 320), (10, 600), (500, 600)]
)
def test_the_wait_grows_from_seconds_to_the_longest(times: int, seconds: int) -> None:
    assert failed(times).wait("x", NOW) == timedelta(seconds=seconds)
    assert failed(times).wait("y", NOW) == timedelta()


def test_a_wait_ends_and_the_next_failure_doubles_it() -> None:
    backoff = failed(4)
    assert backoff.wait("x", NOW + timedelta(seconds=9)) == timedelta(seconds=1)
    later = NOW + timedelta(seconds=10)
    assert backoff.wait("x", later) == timedelta()
    backoff.add("x", later)
    assert backoff.wait("x", later) == timedelta(seconds=20)


def test_a_right_password_forgives_and_what_was_no_failure_is_taken_back() -> None:
    backoff = failed(5)
    backoff.take_back("x")
    assert backoff.wait("x", NOW) == timedelta(seconds=10)
    backoff.forgive("x")
    backoff.take_back("x")
    assert failed(2, backoff).wait("x", NOW) == timedelta()


def test_failures_are_forgotten_only_after_much_more_than_the_longest_wait() -> None:
    backoff = failed(9)
    backoff.add("x", NOW + 10 * LONGEST)
    assert backoff.wait("x", NOW + 10 * LONGEST) == LONGEST
    backoff.add("x", NOW + 21 * LONGEST)
    assert backoff.wait("x", NOW + 21 * LONGEST) == timedelta()


def test_what_is_remembered_is_bounded() -> None:
    backoff = failed(3)
    for number in range(MOST_SOURCES):
        backoff.add(str(number), NOW)
    assert backoff.wait("x", NOW) == timedelta(), "the oldest is forgotten"
    assert len(backoff._failed) == MOST_SOURCES


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The threads in which bcrypt ran, and how many did at that moment."""
    seen: list[tuple[str, int]] = []
    running: set[int] = set()

    def watched(function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            running.add(threading.get_ident())
            seen.append((threading.current_thread().name, len(running)))
            try:
                return function(*arguments)
            finally:
                running.discard(threading.get_ident())

        return run

    for name in ("hashpw", "checkpw"):
        monkeypatch.setattr(bcrypt, name, watched(getattr(bcrypt, name)))
    return seen


async def test_bcrypt_runs_in_few_threads_and_for_few_at_a_time(at_once: list[tuple[str, int]]) -> None:
    hashing = Hashing(threads=2, most_waiting=6)
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4))
    at_once.clear()
    tries = [hashing.is_right(word, hashed) for word in ("right", "wrong") * 5]
    said = await asyncio.gather(*tries, return_exceptions=True)
    assert said[:6] == [True, False] * 3
    assert {type(one) for one in said[6:]} == {HTTPError}
    assert {name.rpartition("_")[0] for name, _ in at_once} == {"bcrypt"}
    assert max(number for _, number in at_once) <= 2
    assert await hashing.is_right("right", hashed), "there is room again"


async def test_a_password_beyond_what_bcrypt_sees_is_wrong() -> None:
    hashing = Hashing()
    hashed = bcrypt.hashpw(b"x" * LONGEST_PASSWORD, bcrypt.gensalt(4))
    assert await hashing.is_right("x" * LONGEST_PASSWORD, hashed)
    assert not await hashing.is_right("x" * (LONGEST_PASSWORD + 1), hashed)
    assert not await hashing.is_right("\ud800", hashed)
