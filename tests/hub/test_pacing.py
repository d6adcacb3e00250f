"""The token bucket: a burst at once, then a steady rate, in order."""

import pytest

from hub.clients.calls import LONGEST_PAUSE, TokenBucket, pause


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
