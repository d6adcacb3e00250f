"""A lean CloudWatch in memory, like boto3's client: metrics in slots of time, alarms by the local cloud's rules."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bootstrap.local.cloud.cloudwatch.alarms import AlarmState, Condition, MissingData, evaluate

MINUTE = 60
DAY = 24 * 60 * MINUTE
KEPT = 5000
"""Slots of a metric that are kept at least: of minutes, those of more than three days."""

Series = dict[int, float]
"""The highest value by the number of its slot, counted from 1970 on."""


@dataclass(slots=True)
class Alarm:
    """An alarm on one metric."""

    name: str
    metric: tuple[str, str, str]
    period: int
    condition: Condition
    state: AlarmState = AlarmState.INSUFFICIENT_DATA


@dataclass(kw_only=True)
class LeanCloudWatch:
    """`rang` hears of each alarm that comes into the state ALARM, with the instance it watches."""

    now: Callable[[], datetime]
    rang: Callable[[str, str], None] = lambda _name, _instance: None
    slot: int = MINUTE
    """Seconds: no period of an alarm or a query is shorter."""
    is_rolling: bool = True
    """Do an alarm's periods end when it is evaluated, as CloudWatch's do, or where the clock's periods end?"""
    series: dict[tuple[str, str, str], Series] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def put(self, namespace: str, name: str, instance_id: str, value: float, at: datetime) -> None:
        """One datapoint; of a slot the highest counts."""
        points = self.series.setdefault((namespace, name, instance_id), {})
        slot = int(at.timestamp()) // self.slot
        points[slot] = max(value, points.get(slot, value))
        if len(points) > 2 * KEPT:
            for old in sorted(points)[:-KEPT]:
                del points[old]

    # What boto3's client has.

    def put_metric_alarm(self, **request: Any) -> None:
        self.calls["PutMetricAlarm"] += 1
        [dimension] = request["Dimensions"]
        watched = Condition(
            comparison=request["ComparisonOperator"],
            threshold=request["Threshold"],
            evaluation_periods=request["EvaluationPeriods"],
            datapoints_to_alarm=request["DatapointsToAlarm"],
            missing=MissingData(request["TreatMissingData"]),
        )
        known = self.alarms.get(request["AlarmName"])
        self.alarms[request["AlarmName"]] = Alarm(
            request["AlarmName"],
            (request["Namespace"], request["MetricName"], dimension["Value"]),
            request["Period"],
            watched,
            known.state if known else AlarmState.INSUFFICIENT_DATA,
        )

    def delete_alarms(self, AlarmNames: Sequence[str]) -> None:  # noqa: N803 -- boto3's own name
        self.calls["DeleteAlarms"] += 1
        for name in AlarmNames:
            self.alarms.pop(name, None)

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(self, operation)

    def describe(self, prefix: str) -> dict[str, Any]:
        self.calls["DescribeAlarms"] += 1
        return {
            "MetricAlarms": [
                {
                    "AlarmName": alarm.name,
                    "Period": alarm.period,
                    "EvaluationPeriods": alarm.condition.evaluation_periods,
                    "Threshold": alarm.condition.threshold,
                }
                for alarm in self.alarms.values()
                if alarm.name.startswith(prefix)
            ]
        }

    def data(self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime) -> dict[str, Any]:
        self.calls["GetMetricData"] += 1
        return {"MetricDataResults": [self._result(query, start, end) for query in queries]}

    def evaluate(self) -> None:
        """At the end of a slot: each alarm's state, and who is to hear of it."""
        now = int(self.now().timestamp()) // self.slot
        for alarm in list(self.alarms.values()):
            points, step = self.series.get(alarm.metric, {}), alarm.period // self.slot
            # Alarms on more than a day go by the clock's hours.
            is_rolling = self.is_rolling and alarm.period * alarm.condition.evaluation_periods <= DAY
            last = now if is_rolling else now - now % step
            seen = [
                _highest(points, range(begin, begin + step))
                for begin in range(last - alarm.condition.evaluation_range * step, last, step)
            ]
            before, alarm.state = alarm.state, evaluate(alarm.condition, seen, alarm.state)
            if alarm.state is AlarmState.ALARM and before is not AlarmState.ALARM:
                self.rang(alarm.name, alarm.metric[2])

    def _result(self, query: Mapping[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
        asked = query["MetricStat"]
        metric, step = asked["Metric"], asked["Period"] // self.slot
        [dimension] = metric["Dimensions"]
        points = self.series.get((metric["Namespace"], metric["MetricName"], dimension["Value"]), {})
        first, last = int(start.timestamp()) // self.slot, -(-int(end.timestamp()) // self.slot)
        found = [
            (begin, value)
            for begin in range(first - first % step, last, step)
            if (value := _highest(points, range(begin, begin + step))) is not None
        ]
        return {
            "Id": query["Id"],
            "Timestamps": [datetime.fromtimestamp(begin * self.slot, UTC) for begin, _ in found],
            "Values": [value for _, value in found],
        }


@dataclass(frozen=True, slots=True)
class _Pages:
    cloudwatch: LeanCloudWatch
    operation: str

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        if self.operation == "describe_alarms":
            yield self.cloudwatch.describe(request["AlarmNamePrefix"])
        elif self.operation == "list_metrics":
            yield {"Metrics": []}
        else:
            yield self.cloudwatch.data(request["MetricDataQueries"], request["StartTime"], request["EndTime"])


def _highest(points: Series, slots: range) -> float | None:
    if len(slots) == 1:
        return points.get(slots[0])
    return max((points[one] for one in slots if one in points), default=None)
