"""The alarms that notify an administrator when the lifecycle app does not work. Pure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.cluster.documents import filled_in
from bootstrap.config.settings import ClusterSettings
from lifecycle_app.model.messages import duration

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
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
    found = [_alarm(settings, "dead-letters")]
    found += [_alarm(settings, "errors", handler) for handler in names.WATCHED]
    actions = [topic] if topic else []
    common = {"ActionsEnabled": True, "OKActions": actions}
    on_alarm = [
        {**common, **alarm, "AlarmActions": actions, "InsufficientDataActions": []} for alarm in found
    ]
    silent = {**common, **_alarm(settings, "sweep-silent")}
    return [*on_alarm, {**silent, "AlarmActions": [], "InsufficientDataActions": actions}]


def retired(cluster: str) -> list[str]:
    """Alarms that clusters of version 0.1 have: what they report, that of the dead-letter queue reports earlier."""
    return [names.alarm(cluster, f"throttles-{handler}") for handler in names.WATCHED]


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


def _alarm(settings: ClusterSettings, kind: str, handler: str = "") -> Alarm:
    """One of those in the YAML file, of a function where they name a handler."""
    quiet = silence(settings.timing.sweep_schedule)
    found = filled_in(
        Path(__file__).with_name("alarms.yaml"),
        queue=names.dead_letter_queue(settings.cluster),
        function=names.function(settings.cluster, handler or "sweep"),
        quiet=duration(quiet),
        third_of_quiet=int(quiet.total_seconds()) // 3,
    )
    what = f"{kind}-{handler}" if handler else kind
    return {"AlarmName": names.alarm(settings.cluster, what), **found[kind]}
