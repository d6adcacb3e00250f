"""Alarm states, by the tables of CloudWatch's documentation on missing data."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bootstrap.local.cloud.cloudwatch.alarm_watch import SLOWER, AlarmWatch
from bootstrap.local.cloud.cloudwatch.alarms import AlarmState, Condition, MissingData, evaluate, reason
from bootstrap.local.cloud.faults import Faults

OK, ALARM, INSUFFICIENT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA
RETAIN = None
TREATMENTS = (MissingData.MISSING, MissingData.IGNORE, MissingData.BREACHING, MissingData.NOT_BREACHING)


def condition(needed: int, periods: int, missing: MissingData = MissingData.MISSING) -> Condition:
    """Breaching is 1, not breaching 0."""
    return Condition(
        comparison="GreaterThanOrEqualToThreshold",
        threshold=1,
        evaluation_periods=periods,
        datapoints_to_alarm=needed,
        missing=missing,
    )


def points(drawn: str) -> list[float | None]:
    """`0` not breaching, `X` breaching, `-` missing; the newest last, as in the documentation."""
    return [{"0": 0.0, "X": 1.0, "-": None}[one] for one in drawn.split()]


@pytest.mark.parametrize("state", list(AlarmState))
@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ("0 - X - X", (OK, OK, OK, OK)),
        ("0 - - - -", (OK, OK, OK, OK)),
        ("- - - - -", (INSUFFICIENT, RETAIN, ALARM, OK)),
        ("0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        ("- - X - -", (ALARM, RETAIN, ALARM, OK)),
    ],
)
def test_three_of_three(drawn: str, expected: tuple[AlarmState | None, ...], state: AlarmState) -> None:
    for missing, wanted in zip(TREATMENTS, expected, strict=True):
        assert evaluate(condition(3, 3, missing), points(drawn), state) is (wanted or state), missing


@pytest.mark.parametrize("state", list(AlarmState))
@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ("0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        ("0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        ("0 - X - -", (OK, OK, ALARM, OK)),
        ("- - - - 0", (OK, OK, ALARM, OK)),
        ("- - - X -", (ALARM, RETAIN, ALARM, OK)),
    ],
)
def test_two_of_three(drawn: str, expected: tuple[AlarmState | None, ...], state: AlarmState) -> None:
    for missing, wanted in zip(TREATMENTS, expected, strict=True):
        assert evaluate(condition(2, 3, missing), points(drawn), state) is (wanted or state), missing


@pytest.mark.parametrize("drawn", ["- - - - X", "- - - X -"])
def test_first_breaching_data_is_not_yet_an_alarm(drawn: str) -> None:
    assert evaluate(condition(3, 3), points(drawn), OK) is OK
    assert evaluate(condition(3, 3), points(drawn), INSUFFICIENT) is INSUFFICIENT


@pytest.mark.parametrize("missing", TREATMENTS)
def test_the_newest_real_data_decides_when_there_is_enough(missing: MissingData) -> None:
    assert evaluate(condition(3, 3, missing), points("X X X 0 0"), ALARM) is OK
    assert evaluate(condition(3, 3, missing), points("0 0 X X X"), OK) is ALARM
    assert evaluate(condition(1, 1, missing), points("- X -"), OK) is ALARM


def test_an_idle_alarm_needs_every_period_and_no_gap_counts_as_idle() -> None:
    idle = Condition(
        comparison="LessThanThreshold",
        threshold=2,
        evaluation_periods=4,
        datapoints_to_alarm=4,
        missing=MissingData.NOT_BREACHING,
    )
    assert evaluate(idle, [3, 0, 0, 0, 0, 0], OK) is ALARM
    assert evaluate(idle, [3, 3, 3, 0, 0, 0], OK) is OK
    assert evaluate(idle, [None, None, None, 0, 0, 0], OK) is OK
    assert evaluate(idle, [None, 0, 0, None, 0, 0], OK) is ALARM
    assert evaluate(idle, [None] * 6, ALARM) is OK


@pytest.mark.parametrize(
    ("comparison", "below", "at", "above"),
    [
        ("LessThanThreshold", True, False, False),
        ("LessThanOrEqualToThreshold", True, True, False),
        ("GreaterThanThreshold", False, False, True),
        ("GreaterThanOrEqualToThreshold", False, True, True),
    ],
)
def test_comparisons(comparison: str, below: bool, at: bool, above: bool) -> None:
    one = Condition(
        comparison=comparison,
        threshold=2,
        evaluation_periods=1,
        datapoints_to_alarm=1,
        missing=MissingData.MISSING,
    )
    assert [one.is_breaching(value) for value in (1.9, 2, 2.1)] == [below, at, above]


def test_reasons_are_worded_as_cloudwatch_words_them() -> None:
    assert reason(condition(1, 1), [None, None, 99.5], OK, ALARM) == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.5] was greater than or equal to the threshold (1) "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert reason(condition(2, 3), [0.0, 0.0, 1.0], ALARM, OK) == (
        "Threshold Crossed: 2 out of the last 3 datapoints [0.0, 0.0, 1.0] were not greater than or equal to "
        "the threshold (1) (minimum 2 datapoints for ALARM -> OK transition)."
    )
    assert (
        reason(condition(3, 3), [None] * 5, OK, INSUFFICIENT)
        == "Insufficient Data: 3 datapoints were unknown."
    )
    assert "3 missing datapoints were treated as [NonBreaching]" in reason(
        condition(3, 3, MissingData.NOT_BREACHING), [None] * 5, ALARM, OK
    )


class Turns(threading.Event):
    """Ends after so many turns, each of which begins at once."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


@dataclass
class Noted(AlarmWatch):
    """Notes each evaluation, and whether it has the alarms on whole minutes."""

    evaluated: list[bool] = field(default_factory=list)

    def evaluate_all(self, *, with_standard: bool) -> None:
        self.evaluated.append(with_standard)


@pytest.mark.parametrize(("off", "expected"), [(False, [*[False] * (SLOWER - 1), True]), (True, [])])
def test_all_are_evaluated_each_turn_unless_alarms_are_off(off: bool, expected: list[bool]) -> None:
    faults, nothing = Faults(), cast(Any, None)
    faults.switch("alarms-off", on=off)
    emulator = cast(Any, SimpleNamespace(lock=threading.Lock()))
    watch = Noted(emulator, nothing, nothing, faults, nothing, timedelta(0))
    watch.run(Turns(SLOWER))
    assert watch.evaluated == expected
