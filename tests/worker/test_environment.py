"""The hub's answers: what they mean, and when the worker asks again."""

from datetime import timedelta
from typing import Any

import pytest

from bootstrap.worker.environment import ServerEnvironment, parse, refusal, wait
from bootstrap.worker.settings import EnvironmentUnavailable, IdentityUnavailable


def seconds(attempt: int, failure: Exception, jitter: float) -> float:
    return wait(attempt, failure, lambda: jitter).total_seconds()


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [(1, 0.25, 0.5), (2, 0.5, 1.0), (3, 1.0, 2.0), (5, 4.0, 8.0), (6, 7.5, 15.0), (1000, 7.5, 15.0)],
)
@pytest.mark.parametrize("failure", [IdentityUnavailable("no role"), refusal(503), refusal(500, "soon")])
def test_waits_double_up_to_a_limit_and_spread(
    failure: Exception, attempt: int, shortest: float, longest: float
) -> None:
    assert (seconds(attempt, failure, 0.0), seconds(attempt, failure, 1.0)) == (shortest, longest)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_retried_slowly(status: int) -> None:
    assert seconds(1, refusal(status), 0.0) == 30


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("0", 0.0), ("3", 3.0), ("3600", 60.0), (None, 0.25), ("soon", 0.25), ("-1", 0.25)],
)
def test_the_hub_says_when_to_come_back(retry_after: str | None, expected: float) -> None:
    assert seconds(1, refusal(409, retry_after), 0.0) == expected


@pytest.mark.parametrize(
    ("status", "refused"), [(401, True), (403, True), (404, False), (409, False), (503, False)]
)
def test_only_identity_is_a_refusal(status: int, refused: bool) -> None:
    failure = refusal(status)
    assert failure.refused is refused
    assert str(status) in str(failure)


def test_an_answer_becomes_an_environment() -> None:
    assert parse({"env": {"A": "1"}, "args": ["--x"]}) == ServerEnvironment({"A": "1"}, ("--x",))
    assert parse({"env": {}}) == ServerEnvironment({}, ())


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"env": []}, {"env": {"A": 1}}, {"env": {}, "args": "--x"}, {"env": {}, "args": [1]}],
)
def test_an_odd_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse(answer)


def test_an_environment_does_not_show_its_token() -> None:
    assert "secret" not in repr(ServerEnvironment({"JUPYTERHUB_API_TOKEN": "secret"}, ("--secret",)))


def test_a_reason_is_told() -> None:
    failure = EnvironmentUnavailable("gone", retry_after=timedelta(seconds=1))
    assert (str(failure), failure.refused, failure.retry_after) == ("gone", False, timedelta(seconds=1))
