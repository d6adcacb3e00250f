"""The CloudWatch calls in which moto is laxer than CloudWatch."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.cloudwatch.alarm_watch import AlarmWatch, state_detail
from bootstrap.local.cloud.cloudwatch.alarms import AlarmState
from bootstrap.local.cloud.cloudwatch.metrics import (
    HIGH_RESOLUTION,
    STANDARD_RESOLUTION,
    STATISTICS,
    Metric,
    MetricStore,
    Sample,
)
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.wire import Call

MOST_QUERIES = 500
MOST_DATA = 1000
MOST_DIMENSIONS = 30
OLDEST_SAMPLE = 14 * 86400
NEWEST_SAMPLE = 2 * 3600
QUERY_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
SHORT_PERIODS = (10, 20, 30)
DAY = 86400


@dataclass(slots=True)
class CloudWatch:
    """Answers metric and alarm calls by CloudWatch's rules. Used under the emulator's lock."""

    emulator: Emulator
    metrics: MetricStore
    watch: AlarmWatch
    clock: Callable[[], float]

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {
            "PutMetricData": self._put_data,
            "GetMetricData": self._get_data,
            "GetMetricStatistics": self._get_statistics,
            "PutMetricAlarm": self._put_alarm,
            "DescribeAlarms": self._describe_alarms,
            "SetAlarmState": self._set_state,
        }

    def record(self, metric: Metric, sample: Sample, resolution: int) -> None:
        """Adds a sample; a metric's first goes to moto too, for ListMetrics."""
        if self.metrics.put(metric, sample, resolution, self.clock()):
            datum = {
                "MetricName": metric.name,
                "Value": sample.maximum,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            }
            self.emulator.backend("cloudwatch").put_metric_data(metric.namespace, [datum])

    def _put_data(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        namespace, data = parameters.get("Namespace", ""), parameters.get("MetricData", [])
        if namespace.startswith("AWS/"):
            raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
        if len(data) > MOST_DATA:
            raise _invalid(f"The collection MetricData must not have a size greater than {MOST_DATA}.")
        samples = [
            (_metric(namespace, datum), _sample(datum, self.clock()), _resolution(datum)) for datum in data
        ]
        for metric, sample, resolution in samples:
            self.record(metric, sample, resolution)
        return wire.answer(call, None)

    def _get_data(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        queries = parameters.get("MetricDataQueries", [])
        start, end = _seconds(parameters["StartTime"]), _seconds(parameters["EndTime"])
        _check_queries(queries, start, end)
        newest_first = parameters.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = [
            self._result(query, start, end, newest_first)
            for query in queries
            if query.get("ReturnData", True)
        ]
        return wire.answer(call, {"MetricDataResults": results, "Messages": []})

    def _result(
        self, query: Mapping[str, Any], start: float, end: float, newest_first: bool
    ) -> dict[str, Any]:
        stat = query["MetricStat"]
        metric = _metric(stat["Metric"]["Namespace"], stat["Metric"])
        found = self.metrics.statistic(
            metric, stat["Stat"], int(stat["Period"]), start, end, stat.get("Unit")
        )
        times = sorted(found, reverse=newest_first)
        return {
            "Id": query["Id"],
            "Label": query.get("Label") or metric.name,
            "Timestamps": [_naive(at) for at in times],
            "Values": [found[at] for at in times],
            "StatusCode": "Complete",
        }

    def _get_statistics(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        metric = _metric(parameters["Namespace"], parameters)
        start, end, period = (
            _seconds(parameters["StartTime"]),
            _seconds(parameters["EndTime"]),
            int(parameters["Period"]),
        )
        names = parameters.get("Statistics", [])
        if not names or not set(names) <= set(STATISTICS):
            raise AwsError(
                "InvalidParameterCombination", "At least one of the parameters Statistics is required."
            )
        found = {
            name: self.metrics.statistic(metric, name, period, start, end, parameters.get("Unit"))
            for name in names
        }
        points = [
            {"Timestamp": _naive(at), **{name: found[name][at] for name in names}} for at in found[names[0]]
        ]
        return wire.answer(call, {"Label": metric.name, "Datapoints": points})

    def _put_alarm(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        _check_alarm(parameters)
        existing = self.emulator.backend("cloudwatch").alarms
        before = existing.get(parameters.get("AlarmName"))
        response = self.emulator.forward(call.service, call.request)
        if response.status_code >= 400:
            return response
        alarm = existing[parameters["AlarmName"]]
        if before is None:
            alarm.state_value = str(AlarmState.INSUFFICIENT_DATA)
        else:
            alarm.state_value, alarm.state_reason = before.state_value, before.state_reason
            alarm.state_reason_data = before.state_reason_data
            alarm.state_updated_timestamp, alarm.history = before.state_updated_timestamp, before.history
        return response

    def _describe_alarms(self, call: Call) -> Response:
        """moto applies only one of the conditions; without a state its answer is right."""
        wanted = wire.parameters(call).get("StateValue")
        if wanted is None:
            return self.emulator.forward(call.service, call.request)
        parameters = wire.parameters(call)
        prefix, names = parameters.get("AlarmNamePrefix", ""), parameters.get("AlarmNames")
        alarms = [
            alarm
            for alarm in self.emulator.backend("cloudwatch").alarms.values()
            if alarm.state_value == wanted
            and alarm.name.startswith(prefix)
            and (names is None or alarm.name in names)
        ]
        return wire.answer(call, {"MetricAlarms": alarms, "CompositeAlarms": []})

    def _set_state(self, call: Call) -> Response:
        alarm = self.emulator.backend("cloudwatch").alarms.get(wire.parameters(call).get("AlarmName"))
        before = state_detail(alarm) if alarm else {}
        response = self.emulator.forward(call.service, call.request)
        if alarm is not None and response.status_code < 400 and before["value"] != alarm.state_value:
            self.watch.announce(alarm, before)
        return response


def _metric(namespace: str, described: Mapping[str, Any]) -> Metric:
    dimensions = described.get("Dimensions", [])
    if len(dimensions) > MOST_DIMENSIONS:
        raise _invalid(f"The collection Dimensions must not have a size greater than {MOST_DIMENSIONS}.")
    pairs = sorted((one["Name"], one["Value"]) for one in dimensions)
    return Metric(namespace, described["MetricName"], tuple(pairs))


def _sample(datum: Mapping[str, Any], now: float) -> Sample:
    at = _seconds(datum["Timestamp"]) if "Timestamp" in datum else now
    if not now - OLDEST_SAMPLE <= at <= now + NEWEST_SAMPLE:
        raise AwsError(
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time "
            "within the past two weeks and not more than two hours in the future.",
        )
    unit = datum.get("Unit", "None")
    if "StatisticValues" in datum:
        given = datum["StatisticValues"]
        numbers = [float(given[name]) for name in ("Minimum", "Maximum", "Sum", "SampleCount")]
        return Sample(at, numbers[0], numbers[1], numbers[2], numbers[3], unit)
    values = [float(value) for value in datum.get("Values", [])] or [float(datum["Value"])]
    if not all(map(isfinite, values)):
        raise AwsError(
            "InvalidParameterValue", "The value for parameter MetricData.member.1.Value is invalid."
        )
    counts = [float(count) for count in datum.get("Counts", [])] or [1.0] * len(values)
    total = sum(value * count for value, count in zip(values, counts, strict=True))
    return Sample(at, min(values), max(values), total, sum(counts), unit)


def _resolution(datum: Mapping[str, Any]) -> int:
    resolution = int(datum.get("StorageResolution", STANDARD_RESOLUTION))
    if resolution not in (HIGH_RESOLUTION, STANDARD_RESOLUTION):
        raise _invalid("StorageResolution must be 1 or 60.")
    return resolution


def _check_queries(queries: list[Mapping[str, Any]], start: float, end: float) -> None:
    if len(queries) > MOST_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    ids = [str(query.get("Id", "")) for query in queries]
    for query, query_id in zip(queries, ids, strict=True):
        if not QUERY_ID.fullmatch(query_id) or ids.count(query_id) > 1:
            raise _invalid(
                f"The value {query_id!r} for parameter Id is used twice or not a word in lower case."
            )
        if "MetricStat" not in query:
            raise _invalid("The local cloud knows no metric math: give a MetricStat.")
        if query["MetricStat"]["Stat"] not in STATISTICS:
            raise _invalid(f"The value {query['MetricStat']['Stat']} for parameter Stat is not supported.")
        _check_period(int(query["MetricStat"]["Period"]), (1, 5, *SHORT_PERIODS))


def _check_alarm(parameters: Mapping[str, Any]) -> None:
    if "Metrics" in parameters:
        raise _invalid("The local cloud evaluates alarms on one metric only: give MetricName and Statistic.")
    period, periods = int(parameters.get("Period", 0)), int(parameters.get("EvaluationPeriods", 0))
    _check_period(period, SHORT_PERIODS)
    days = 1 if period < 3600 else 7
    if period * periods > days * DAY:
        raise _invalid(f"Metrics cannot be checked across more than {days * DAY} seconds.")
    if not 1 <= int(parameters.get("DatapointsToAlarm", periods)) <= periods:
        raise _invalid("DatapointsToAlarm must be at least 1 and not greater than EvaluationPeriods.")
    if parameters.get("Statistic") not in STATISTICS:
        raise _invalid("The local cloud evaluates alarms on a Statistic only.")


def _check_period(period: int, short: tuple[int, ...]) -> None:
    if period not in short and (period < 60 or period % 60):
        raise _invalid(
            f"The value {period} for parameter Period is invalid: {', '.join(map(str, short))} or a multiple of 60."
        )


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _seconds(moment: datetime) -> float:
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def _naive(at: float) -> datetime:
    """moto's serializers take UTC without saying so."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
