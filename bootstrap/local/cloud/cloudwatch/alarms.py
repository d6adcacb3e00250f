"""When a CloudWatch alarm changes state. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

EXTRA_PERIODS = 2
"""CloudWatch evaluates more than the evaluation periods; its documentation shows 5 for 3."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
COMPARISON_TEXTS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class AlarmState(StrEnum):
    """An alarm's state, by CloudWatch's names."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class MissingData(StrEnum):
    """TreatMissingData."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an alarm watches for: M (`datapoints_to_alarm`) of N (`evaluation_periods`) breaching."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: MissingData

    @property
    def evaluation_range(self) -> int:
        """How many periods are evaluated."""
        return self.evaluation_periods + EXTRA_PERIODS

    def is_breaching(self, value: float) -> bool:
        """Whether a value breaches the threshold."""
        return COMPARISONS[self.comparison](value, self.threshold)


def evaluate(condition: Condition, datapoints: Sequence[float | None], state: AlarmState) -> AlarmState:
    """The alarm's state after the datapoints of its evaluation range, oldest first, None for missing ones."""
    real = [value for value in datapoints if value is not None]
    if not real:
        return _without_data(condition.missing, state)
    enough = condition.datapoints_to_alarm
    missing_count = condition.evaluation_periods - len(real)
    if missing_count <= 0:
        window = real[-condition.evaluation_periods :]
        return _verdict(sum(map(condition.is_breaching, window)) >= enough)
    breaching = sum(map(condition.is_breaching, real))
    if breaching >= enough:
        return AlarmState.ALARM
    match condition.missing:
        case MissingData.BREACHING:
            return _verdict(breaching + missing_count >= enough)
        case MissingData.NOT_BREACHING:
            return AlarmState.OK
        case MissingData.IGNORE:
            return state if breaching == len(real) else AlarmState.OK
        case MissingData.MISSING:
            return _with_gaps(condition, datapoints, breaching == len(real), state)
        case _:
            assert_never(condition.missing)


def _without_data(missing: MissingData, state: AlarmState) -> AlarmState:
    match missing:
        case MissingData.MISSING:
            return AlarmState.INSUFFICIENT_DATA
        case MissingData.IGNORE:
            return state
        case MissingData.BREACHING:
            return AlarmState.ALARM
        case MissingData.NOT_BREACHING:
            return AlarmState.OK
        case _:
            assert_never(missing)


def _with_gaps(
    condition: Condition, datapoints: Sequence[float | None], only_breaching: bool, state: AlarmState
) -> AlarmState:
    """Nothing but breaching data alarms once the oldest of it is old enough; until then it may be a false alarm."""
    if not only_breaching:
        return AlarmState.OK
    oldest = next(place for place, value in enumerate(datapoints) if value is not None)
    is_old_enough = len(datapoints) - oldest >= condition.datapoints_to_alarm
    return AlarmState.ALARM if is_old_enough else state


def _verdict(is_alarm: bool) -> AlarmState:
    return AlarmState.ALARM if is_alarm else AlarmState.OK


def reason(condition: Condition, datapoints: Sequence[float | None], old: AlarmState, new: AlarmState) -> str:
    """Why the state changed, in CloudWatch's format."""
    real = [value for value in datapoints if value is not None][-condition.evaluation_periods :]
    if not real:
        crossed = {
            MissingData.BREACHING: f"no datapoints were received for {condition.evaluation_periods} periods and "
            f"{condition.evaluation_periods} missing datapoints were treated as [Breaching].",
            MissingData.NOT_BREACHING: f"no datapoints were received for {condition.evaluation_periods} periods and "
            f"{condition.evaluation_periods} missing datapoints were treated as [NonBreaching].",
        }
        if condition.missing in crossed:
            return f"Threshold Crossed: {crossed[condition.missing]}"
        return f"Insufficient Data: {condition.evaluation_periods} datapoints were unknown."
    breaching = sum(map(condition.is_breaching, real))
    is_alarm = new is AlarmState.ALARM
    count = breaching if is_alarm else len(real) - breaching
    values = ", ".join(f"{value}" for value in real)
    needed = condition.datapoints_to_alarm
    if not is_alarm:
        needed = condition.evaluation_periods - condition.datapoints_to_alarm + 1
    verb = ("was" if count == 1 else "were") + ("" if is_alarm else " not")
    return (
        f"Threshold Crossed: {count} out of the last {condition.evaluation_periods} datapoints [{values}] "
        f"{verb} {COMPARISON_TEXTS[condition.comparison]} the threshold ({condition.threshold}) "
        f"(minimum {needed} datapoint{'s' if needed != 1 else ''} for {old} -> {new} transition)."
    )
