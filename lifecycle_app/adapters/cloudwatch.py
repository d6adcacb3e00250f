"""Workers' reports and idle alarms in CloudWatch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil, isfinite
from typing import Any

from lifecycle_app.adapters.aws import aws_errors
from lifecycle_app.contract import (
    METRIC_APP,
    METRIC_DETAILS,
    METRIC_HOME_FREE,
    METRIC_HOME_SIZE,
    METRIC_LEVEL,
    METRIC_SOURCE,
    METRIC_UNITS,
    Level,
    idle_alarm_name,
    idle_alarm_prefix,
    metric_namespace,
)
from lifecycle_app.errors import CloudError
from lifecycle_app.model.evidence import REPORTS_MISSED, AppTraffic, Evidence, Report, Source
from lifecycle_app.model.growth import HomeReport
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import (
    CLOCKS_DIFFER,
    MINUTE,
    MINUTES_KEPT,
    looked_back,
    query_period,
)
from lifecycle_app.model.worker import EPOCH

log = logging.getLogger(__name__)

METRICS_A_CALL = 500
ALARMS_A_CALL = 100
SHORT_ALARM_PERIODS = (10, 20, 30)
"""Seconds; other periods of alarms are whole minutes."""
LONGEST_BY_MINUTES = timedelta(days=1)
"""An alarm may look back so far, unless its period is an hour or more."""
LONGEST_BY_HOURS = timedelta(days=7)
AHEAD = timedelta(minutes=10)
"""Reports of the time to come are read too: this function's clock may be slow, or a worker's fast. Activity in them
counts; and if they are far ahead, a clock is wrong."""
MEASURED_EVERY = timedelta(minutes=5)
"""EC2's own metrics, without detailed monitoring."""
MEASURES_MISSED = 3


@dataclass(frozen=True, slots=True)
class IdleAlarm:
    """An idle alarm: it looks back on `datapoints` periods, and fires if all are below `threshold`."""

    period: timedelta
    datapoints: int
    threshold: Level


@dataclass(slots=True)
class _Series:
    """One metric's datapoints, oldest first."""

    points: list[tuple[datetime, float]] = field(default_factory=list)
    is_whole: bool = False


class CloudWatch:
    """CloudWatch's view of one cluster's workers. Every method raises CloudError if it cannot be asked."""

    def __init__(self, client: Any, cluster: str, report_period: timedelta) -> None:
        self._client = client
        self._cluster = cluster
        self._period = report_period

    def put_idle_alarm(self, instance_id: str, policy: Policy) -> None:
        """Creates or updates the alarm that fires when the worker has been idle for its policy's timeout."""
        alarm = idle_alarm(policy, self._period)
        with aws_errors("PutMetricAlarm"):
            self._client.put_metric_alarm(**alarm_request(self._cluster, instance_id, alarm))

    def delete_idle_alarms(self, instance_ids: Sequence[str]) -> None:
        """Deletes these instances' alarms, if they exist."""
        names = [idle_alarm_name(self._cluster, instance_id) for instance_id in instance_ids]
        with aws_errors("DeleteAlarms"):
            for chunk in _chunks(names, ALARMS_A_CALL):
                self._client.delete_alarms(AlarmNames=list(chunk))

    def idle_alarms(self) -> dict[str, IdleAlarm]:
        """The cluster's idle alarms, by instance."""
        # With the `i-`: another cluster's name may begin like this one's alarms.
        prefix = idle_alarm_prefix(self._cluster)
        pages = self._client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix + "i-")
        with aws_errors("DescribeAlarms"):
            return {
                found["AlarmName"].removeprefix(prefix): _found_alarm(found)
                for page in pages
                for found in page["MetricAlarms"]
            }

    def strange_metrics(self, instance_ids: Collection[str], most: int) -> int:
        """How many metrics of the last three hours in the cluster's namespace are none that these instances report;
        counting ends once there are more than `most`."""
        namespace, found = metric_namespace(self._cluster), 0
        pages = self._client.get_paginator("list_metrics").paginate(
            Namespace=namespace, RecentlyActive="PT3H"
        )
        with aws_errors("ListMetrics"):
            for page in pages:
                found += sum(not _is_report(metric, instance_ids) for metric in page.get("Metrics", ()))
                if found > most:
                    break
        return found

    def suits(self, alarm: IdleAlarm, policy: Policy) -> bool:
        """Is this the alarm for this policy?"""
        return alarm == idle_alarm(policy, self._period)

    def newest(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        """The reports of each worker since then, its level only; many workers in each call."""
        since = max(since, now - MINUTES_KEPT + CLOCKS_DIFFER)
        step = query_period(self._period, now - since)
        queries = [self._query(METRIC_LEVEL, instance_id, step) for instance_id in instance_ids]
        answers = self._data(queries, since, now, step)
        return {
            instance_id: self._reported(series, step)
            for instance_id, series in zip(instance_ids, answers, strict=True)
        }

    def homes(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, HomeReport]:
        """The newest report of each worker about its home, if it has one since then: only homes that fill are reported.

        The size is asked for where there is a report of the free space. What cannot be is left out.
        """
        step = MINUTE
        queries = [self._query(METRIC_HOME_FREE, one, step) for one in instance_ids]
        free = dict(zip(instance_ids, self._data(queries, since, now, step), strict=True))
        filling = [one for one, series in free.items() if series.is_whole and series.points]
        queries = [self._query(METRIC_HOME_SIZE, one, step) for one in filling]
        sizes = zip(filling, self._data(queries, since, now, step), strict=True)
        return {
            one: HomeReport(at + step, dict(series.points)[at], left)
            for one, series in sizes
            for at, left in free[one].points[-1:]
            if series.is_whole and at in dict(series.points) and at <= now
        }

    def evidence(self, instance_id: str, policy: Policy, now: datetime) -> Evidence:
        """All that CloudWatch knows of one worker over the time that its policy looks back on."""
        back = looked_back(policy, self._period)
        return self._evidence([instance_id], back, policy.hung_after, now)[instance_id]

    def evidence_of_all(self, policies: Mapping[str, Policy], now: datetime) -> dict[str, Evidence]:
        """The evidence of each instance, by its policy; those that look back equally far are read in the same calls."""
        alike: dict[tuple[timedelta, timedelta], list[str]] = {}
        for instance_id, policy in policies.items():
            back = looked_back(policy, self._period)
            alike.setdefault((back, policy.hung_after), []).append(instance_id)
        return {
            instance_id: evidence
            for (back, hung_after), instance_ids in alike.items()
            for instance_id, evidence in self._evidence(instance_ids, back, hung_after, now).items()
        }

    def _evidence(
        self, instance_ids: Sequence[str], back: timedelta, hung_after: timedelta, now: datetime
    ) -> dict[str, Evidence]:
        names, step = (
            (METRIC_LEVEL, METRIC_APP, METRIC_SOURCE, *METRIC_DETAILS),
            query_period(self._period, back),
        )
        queries = [self._query(name, one, step) for one in instance_ids for name in names]
        reported = list(_chunks(self._data(queries, now - back, now, step), len(names)))
        measures = [_query("AWS/EC2", "CPUUtilization", one, MINUTE, "Percent") for one in instance_ids]
        measured = self._data(measures, now - hung_after, now, MINUTE)
        return {
            one: self._combined(one, series, step, _percents(cpu, now - hung_after, now))
            for one, series, cpu in zip(instance_ids, reported, measured, strict=True)
        }

    def _combined(
        self, instance_id: str, series: Sequence[_Series], step: timedelta, cpu: tuple[float, ...]
    ) -> Evidence:
        activity, app, source, *details = series
        is_whole = activity.is_whole and app.is_whole
        if not is_whole:
            log.warning("%s: CloudWatch has returned only a part of its reports", instance_id)
        highest = {
            name: max(value for _, value in one.points)
            for name, one in zip(METRIC_DETAILS, details, strict=True)
            if one.points
        }
        traffic = [AppTraffic(begin + step, number) for begin, number in app.points if number > 0]
        newest = traffic[-1] if traffic else None
        named = [Source(begin + step, number) for begin, number in source.points if number > 0]
        known = replace(self._reported(activity, step), is_whole=is_whole)
        return replace(known, cpu=cpu, details=highest, app=newest, source=named[-1] if named else None)

    def _reported(self, activity: _Series, step: timedelta) -> Evidence:
        """The reports, from datapoints of `step` each: what a datapoint is about ends with its step, not before.

        Where a step has several reports, they are one datapoint, and none is missing unless a whole step is.
        """
        period = max(self._period, step)
        reports = _reports((begin + step - period, value) for begin, value in activity.points)
        return Evidence(period=period, reports=reports, is_whole=activity.is_whole)

    def _query(self, name: str, instance_id: str, period: timedelta) -> dict[str, Any]:
        return _query(metric_namespace(self._cluster), name, instance_id, period, METRIC_UNITS[name])

    def _data(
        self, queries: Sequence[Mapping[str, Any]], since: datetime, now: datetime, period: timedelta
    ) -> list[_Series]:
        """The datapoints of each query, from the period of `since` to a little after `now`."""
        start = since - (since - EPOCH) % period
        until = now + max(AHEAD, (REPORTS_MISSED + 2) * self._period)
        found: list[_Series] = []
        for chunk in _chunks(queries, METRICS_A_CALL):
            numbered = [{"Id": f"m{n}", **query} for n, query in enumerate(chunk)]
            pages = self._client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=numbered, StartTime=start, EndTime=until, ScanBy="TimestampAscending"
            )
            with aws_errors("GetMetricData"):
                results = [result for page in pages for result in page.get("MetricDataResults", ())]
            found += _series(results, [query["Id"] for query in numbered])
        return found


def idle_alarm(policy: Policy, report_period: timedelta) -> IdleAlarm:
    """The alarm for the policy, within CloudWatch's limits, and not finer than the data of the decision.

    For a timeout beyond those limits it fires too early: the worker is kept then; the sweep stops it once it is due.
    """
    step = query_period(report_period, looked_back(policy, report_period))
    period = max(alarm_period(report_period), step)
    if policy.idle_timeout > LONGEST_BY_MINUTES:
        period = max(period, timedelta(hours=1))
    datapoints = ceil(min(policy.idle_timeout, LONGEST_BY_HOURS) / period)
    return IdleAlarm(period, datapoints, policy.lowest_level)


def _found_alarm(found: Mapping[str, Any]) -> IdleAlarm:
    """The alarm as it is; one that was changed into something else fits no policy, and is updated."""
    try:
        level = Level(found["Threshold"])
        return IdleAlarm(timedelta(seconds=found["Period"]), found["EvaluationPeriods"], level)
    except (KeyError, ValueError):
        return IdleAlarm(timedelta(0), 0, Level.QUIET)


def alarm_period(report_period: timedelta) -> timedelta:
    """The shortest period of an alarm for this report period."""
    seconds = report_period.total_seconds()
    short = [allowed for allowed in SHORT_ALARM_PERIODS if allowed >= seconds]
    return timedelta(seconds=short[0] if short else ceil(seconds / 60) * 60)


def alarm_request(cluster: str, instance_id: str, alarm: IdleAlarm) -> dict[str, Any]:
    """PutMetricAlarm's arguments. Missing reports do not fire it: they are unknown."""
    return {
        "AlarmName": idle_alarm_name(cluster, instance_id),
        "AlarmDescription": f"{instance_id} of cluster {cluster} shows no activity",
        "ActionsEnabled": False,
        "Namespace": metric_namespace(cluster),
        "MetricName": METRIC_LEVEL,
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
        "Statistic": "Maximum",
        "Unit": METRIC_UNITS[METRIC_LEVEL],
        "Period": int(alarm.period.total_seconds()),
        "EvaluationPeriods": alarm.datapoints,
        "DatapointsToAlarm": alarm.datapoints,
        "Threshold": float(alarm.threshold),
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def _is_report(metric: Mapping[str, Any], instance_ids: Collection[str]) -> bool:
    """Is it what a worker reports of itself?"""
    match metric:
        case {"MetricName": name, "Dimensions": [{"Name": "InstanceId", "Value": instance_id}]}:
            return name in METRIC_UNITS and instance_id in instance_ids
        case _:
            return False


def _query(namespace: str, name: str, instance_id: str, period: timedelta, unit: str) -> dict[str, Any]:
    metric = {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
    }
    seconds = int(period.total_seconds())
    stat = {"Metric": metric, "Period": seconds, "Stat": "Maximum", "Unit": unit}
    return {"MetricStat": stat, "ReturnData": True}


def _series(results: Iterable[Mapping[str, Any]], ids: Sequence[str]) -> list[_Series]:
    """The datapoints of each id; empty and incomplete where the answer has none.

    Each page of a long answer except the last says that it is a part. Values that no worker reports, negative or not
    finite, mean that the others may be wrong too.
    """
    found = {one: _Series() for one in ids}
    failed: set[str] = set()
    for result in results:
        series = found.get(result.get("Id", ""))
        if series is None:
            raise CloudError("GetMetricData", "OddAnswer", f"an unknown id: {result.get('Id')!r}")
        times, values = result.get("Timestamps", ()), result.get("Values", ())
        if len(times) != len(values):
            raise CloudError("GetMetricData", "OddAnswer", f"{len(values)} values for {len(times)} times")
        series.points += [
            (at.astimezone(UTC), value) for at, value in zip(times, values, strict=True) if isfinite(value)
        ]
        status = result.get("StatusCode", "Complete")
        if status not in ("Complete", "PartialData") or not all(
            isfinite(value) and value >= 0 for value in values
        ):
            failed.add(result["Id"])
        series.is_whole = status == "Complete" and result["Id"] not in failed
    for series in found.values():
        series.points.sort()
    return list(found.values())


def _percents(measured: _Series, since: datetime, now: datetime) -> tuple[float, ...]:
    """EC2's own measurements, if they cover the whole time without a gap; else empty: nothing is known."""
    times = [since, *(at for at, _ in measured.points), now]
    has_gap = any(later - earlier > MEASURES_MISSED * MEASURED_EVERY for earlier, later in pairwise(times))
    if not measured.is_whole or has_gap:
        return ()
    return tuple(percent for _, percent in measured.points)


def _reports(points: Iterable[tuple[datetime, float]]) -> tuple[Report, ...]:
    """Values above the highest level count as the highest: whatever is reported can only keep a worker running."""
    return tuple(
        Report(at, Level(min(max(int(value), Level.QUIET), Level.INTERACTION))) for at, value in points
    )


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
