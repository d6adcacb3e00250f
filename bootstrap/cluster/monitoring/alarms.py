"""The alarms that notify an administrator when the lifecycle app does not work. Pure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bootstrap.aws import names
from bootstrap.config.settings import ClusterSettings

QUARTER = timedelta(minutes=15)
FIVE_MINUTES = timedelta(minutes=5)
DAY = timedelta(days=1)
TRIES = 3
PARTS = 3
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)\Z")
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
COMPARED = (
    "AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions", "InsufficientDataActions", "Namespace",
    "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator",
    "TreatMissingData",
)  # fmt: skip

Alarm = dict[str, Any]
"""PutMetricAlarm's arguments."""


def alarms(settings: ClusterSettings, topic: str) -> list[Alarm]:
    """All alarms of a cluster; `topic` is the ARN that they notify, "" for none."""
    found = [_dead_letters(settings.cluster)]
    found += [_errors(settings.cluster, handler) for handler in names.HANDLERS]
    found += [_throttles(settings.cluster, handler) for handler in names.HANDLERS]
    actions = [topic] if topic else []
    common = {"ActionsEnabled": True, "OKActions": actions}
    on_alarm = [
        {**common, **alarm, "AlarmActions": actions, "InsufficientDataActions": []} for alarm in found
    ]
    return [*on_alarm, {**common, **_sweep(settings), "AlarmActions": [], "InsufficientDataActions": actions}]


def differs(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Is this not the alarm that is wanted?"""
    return any(wanted.get(name) != found.get(name) for name in COMPARED)


def silence(schedule: str) -> timedelta:
    """After how long without a run something is wrong: three missed runs, a quarter of an hour at least.

    For a cron expression, whose next run is not calculated: a day, the longest period of an alarm.
    """
    match = RATE.match(schedule)
    if match is None:
        return DAY
    missed = 3 * int(match[1]) * UNITS[match[2]]
    return min(max(QUARTER, missed), DAY)


def _dead_letters(cluster: str) -> Alarm:
    return _alarm(
        cluster,
        "dead-letters",
        f"Events that no function could handle lie in {names.dead_letter_queue(cluster)}",
        metric=("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        dimension=("QueueName", names.dead_letter_queue(cluster)),
        statistic="Maximum",
        period=FIVE_MINUTES,
        # SQS sends no metrics of a queue that is not used, even with messages in it: the alarm keeps its state
        # until the queue is emptied.
        missing="ignore",
    )


def _sweep(settings: ClusterSettings) -> Alarm:
    """Notifies by INSUFFICIENT_DATA: a function that is not called has no datapoint. If missing data were breaching,
    the alarm of a new cluster would be in ALARM until its first sweep. An alarm begins in INSUFFICIENT_DATA, and must
    have left it once before it notifies.
    """
    quiet = silence(settings.timing.sweep_schedule)
    return {
        **_of_function(
            settings.cluster,
            "sweep",
            "Invocations",
            "sweep-silent",
            f"The sweep, which stops idle workers, has not run for {quiet}",
        ),
        # CloudWatch evaluates some periods more where the latest have no data: with three periods for the quiet
        # time, it notifies soon after.
        "Period": int(quiet.total_seconds()) // PARTS,
        "EvaluationPeriods": PARTS,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "missing",
    }


def _errors(cluster: str, handler: str) -> Alarm:
    """One event's three tries, or three events: a single failure is made up for by the retry."""
    description = f"{names.function(cluster, handler)} failed {TRIES} times in a quarter of an hour"
    return {
        **_of_function(cluster, handler, "Errors", f"errors-{handler}", description),
        "Threshold": float(TRIES),
        "Period": int(QUARTER.total_seconds()),
    }


def _throttles(cluster: str, handler: str) -> Alarm:
    """Lasting ones: Lambda itself tries a throttled event again for hours."""
    description = (
        f"{names.function(cluster, handler)} is throttled: the account's concurrent executions are used up"
    )
    return {
        **_of_function(cluster, handler, "Throttles", f"throttles-{handler}", description),
        "EvaluationPeriods": 3,
    }


def _of_function(cluster: str, handler: str, metric: str, what: str, description: str) -> Alarm:
    return _alarm(
        cluster,
        what,
        description,
        metric=("AWS/Lambda", metric),
        dimension=("FunctionName", names.function(cluster, handler)),
        statistic="Sum",
        period=FIVE_MINUTES,
        missing="notBreaching",
    )


def _alarm(
    cluster: str,
    what: str,
    description: str,
    *,
    metric: tuple[str, str],
    dimension: tuple[str, str],
    statistic: str,
    period: timedelta,
    missing: str,
) -> Alarm:
    return {
        "AlarmName": names.alarm(cluster, what),
        "AlarmDescription": description,
        "Namespace": metric[0],
        "MetricName": metric[1],
        "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
        "Statistic": statistic,
        "Period": int(period.total_seconds()),
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": missing,
    }
