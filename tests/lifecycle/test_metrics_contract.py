"""CloudWatch as the adapter reads it, and the tests' metrics in memory, keep to the same."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from lifecycle_app.adapters.cloudwatch import (
    CloudWatch,
    IdleAlarm,
    alarm_period,
    alarm_request,
    idle_alarm,
)
from lifecycle_app.contract import METRIC_UNITS, Level, source_number
from lifecycle_app.model.evidence import AppTraffic, Report, Source
from lifecycle_app.model.growth import HomeReport
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import query_period
from tests.lifecycle.emulated import emulated_aws
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND
from tests.lifecycle.fakes import MemoryMetrics

Metrics = CloudWatch | MemoryMetrics
SEEN = tuple(Report(NOON + n * MINUTE - HOUR, Level(n % 3)) for n in range(60))
DAY = timedelta(days=1)
RSYNC = source_number("{program} in a terminal", "rsync")


@pytest.fixture(params=["memory", "cloudwatch"])
def metrics(request: pytest.FixtureRequest) -> Iterator[Metrics]:
    """Alice's worker has reported for an hour, Bob's never."""
    if request.param == "memory":
        memory = MemoryMetrics()
        memory.reports[ALICE] = SEEN
        memory.cpu[ALICE] = (1.5, 0.5)
        memory.apps[ALICE] = AppTraffic(NOON - 2 * MINUTE, 4)
        memory.sources[ALICE] = Source(NOON - MINUTE, RSYNC)
        yield memory
        return
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        activity(client, *((report.level, report.at + 20 * SECOND) for report in SEEN))
        publish(client, "AWS/EC2", "CPUUtilization", (1.5, NOON - 20 * MINUTE), (0.5, NOON - 10 * MINUTE))
        publish(client, "cloudjhub/test", "BusyKernels", (2, NOON - 5 * MINUTE))
        publish(client, "cloudjhub/test", "App", (8501, NOON - 9 * MINUTE), (4, NOON - 3 * MINUTE))
        publish(
            client, "cloudjhub/test", "Source", (RSYNC + 1, NOON - 9 * MINUTE), (RSYNC, NOON - 2 * MINUTE)
        )
        yield CloudWatch(client, "test", MINUTE)


def publish(client: Any, namespace: str, name: str, *values: tuple[float, datetime]) -> None:
    """Alice's values of a metric with their times, as many to a call as CloudWatch takes."""
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "InstanceId", "Value": ALICE}],
            "Timestamp": at,
            "Value": float(value),
            "Unit": METRIC_UNITS.get(name, "Percent"),
        }
        for value, at in values
    ]
    for first in range(0, len(data), 1000):
        client.put_metric_data(Namespace=namespace, MetricData=data[first : first + 1000])


def activity(client: Any, *values: tuple[float, datetime]) -> None:
    publish(client, "cloudjhub/test", "Activity", *values)


def test_datapoints_of_another_unit_hide_nothing() -> None:
    """Every worker may write to the cluster's metrics: zeros of a unit of its own must not make another look idle."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        activity(client, (3.0, NOON - 3 * MINUTE))
        forged: Any = {
            "MetricName": "Activity",
            "Dimensions": [{"Name": "InstanceId", "Value": ALICE}],
            "Timestamp": NOON - 30 * SECOND,
            "Value": 0.0,
            "Unit": "Bytes",
        }
        client.put_metric_data(Namespace="cloudjhub/test", MetricData=[forged])
        found = CloudWatch(client, "test", MINUTE).newest([ALICE], NOON - 5 * MINUTE, NOON)[ALICE]
        assert [report.level for report in found.reports] == [3]


def test_the_newest_reports_of_many(metrics: Metrics) -> None:
    found = metrics.newest([BOB, ALICE], NOON - 10 * MINUTE, NOON)
    assert list(found) == [BOB, ALICE]
    assert found[BOB].reports == ()
    assert found[ALICE].reports == SEEN[-10:]
    assert metrics.newest([], NOON - HOUR, NOON) == {}


def test_all_that_is_known_of_one(metrics: Metrics) -> None:
    policy = Policy(idle_timeout=30 * MINUTE)
    evidence = metrics.evidence(ALICE, policy, NOON)
    assert evidence.reports == SEEN[-34:]
    assert evidence.cpu == (1.5, 0.5)
    assert evidence.app == AppTraffic(NOON - 2 * MINUTE, 4)
    assert evidence.source == Source(NOON - MINUTE, RSYNC)
    assert evidence.covers(NOON - 30 * MINUTE, NOON)
    assert evidence.last_life(Level.WORK) == NOON
    nothing = metrics.evidence(BOB, policy, NOON)
    assert (nothing.reports, nothing.cpu, dict(nothing.details), nothing.app) == ((), (), {}, None)


def test_reports_keep_to_whole_periods_whenever_they_are_asked_for() -> None:
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        activity(client, *((report.level, report.at + 20 * SECOND) for report in SEEN))
        found = CloudWatch(client, "test", MINUTE).newest([ALICE], NOON - 130 * SECOND, NOON - SECOND)
        assert found[ALICE].reports == SEEN[-3:]


def test_alarms_come_and_go(metrics: Metrics) -> None:
    policy = Policy(idle_timeout=30 * MINUTE, signals=frozenset({Level.WORK}))
    metrics.put_idle_alarm(ALICE, policy)
    metrics.put_idle_alarm(ALICE, policy)
    metrics.put_idle_alarm(BOB, Policy())
    alarms = metrics.idle_alarms()
    assert alarms == {ALICE: IdleAlarm(MINUTE, 30, Level.WORK), BOB: IdleAlarm(MINUTE, 60, Level.LOAD)}
    assert metrics.suits(alarms[ALICE], policy)
    assert not metrics.suits(alarms[BOB], policy)
    metrics.delete_idle_alarms([ALICE, "i-never"])
    assert set(metrics.idle_alarms()) == {BOB}
    metrics.delete_idle_alarms([])


def test_metrics_that_no_worker_reports_are_counted() -> None:
    """Other names, other dimensions, other instances; each name that a known worker has is its own."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        activity(client, (1.0, NOON))
        metrics = CloudWatch(client, "test", MINUTE)
        assert metrics.strange_metrics({ALICE}, 10) == 0
        assert metrics.strange_metrics({BOB}, 10) == 1
        publish(client, "cloudjhub/test", "Coins", (1.0, NOON))
        more = [
            {"MetricName": "Activity", "Dimensions": [{"Name": "N", "Value": str(n)}], "Value": 1.0}
            for n in range(3)
        ]
        client.put_metric_data(Namespace="cloudjhub/test", MetricData=more)  # type: ignore[arg-type]
        client.put_metric_data(
            Namespace="cloudjhub/test", MetricData=[{"MetricName": "Activity", "Value": 1.0}]
        )
        publish(client, "cloudjhub/other", "Coins", (1.0, NOON))
        assert metrics.strange_metrics({ALICE}, 10) == 5


def test_counting_of_metrics_ends_where_there_are_too_many() -> None:
    pages = iter([{"Metrics": [{"MetricName": str(n), "Dimensions": []} for n in range(500)]}] * 9)

    class Client:
        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **request: Any) -> Any:
            assert request == {"Namespace": "cloudjhub/test", "RecentlyActive": "PT3H"}
            return pages

    assert CloudWatch(Client(), "test", MINUTE).strange_metrics({ALICE}, 600) == 1000
    assert len(list(pages)) == 7


def test_details_explain() -> None:
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        for n, kernels in enumerate([1, 3, 2]):
            publish(client, "cloudjhub/test", "BusyKernels", (kernels, NOON - (n + 1) * MINUTE))
        evidence = CloudWatch(client, "test", MINUTE).evidence(ALICE, Policy(), NOON)
        assert evidence.details == {"BusyKernels": 3.0}


def test_a_thousand_workers_take_three_calls() -> None:
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        calls: list[int] = []
        client.meta.events.register(
            "provide-client-params.cloudwatch.GetMetricData",
            lambda params, **_: calls.append(len(params["MetricDataQueries"])),
        )
        activity(client, (3, NOON - MINUTE))
        ids = [f"i-{n}" for n in range(1000)] + [ALICE]
        found = CloudWatch(client, "test", MINUTE).newest(ids, NOON - 5 * MINUTE, NOON)
        assert calls == [500, 500, 1]
        assert [i for i in ids if found[i].reports] == [ALICE]


@pytest.mark.parametrize(
    ("value", "level"), [(-4.0, Level.QUIET), (2.9, Level.WORK), (99.0, Level.INTERACTION)]
)
def test_a_forged_figure_is_still_a_level(value: float, level: Level) -> None:
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        activity(client, (value, NOON - MINUTE))
        (report,) = CloudWatch(client, "test", MINUTE).evidence(ALICE, Policy(), NOON).reports
        assert report.level is level


def test_another_clusters_alarms_are_not_ours() -> None:
    """The name of one cluster may begin like another's alarms."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        CloudWatch(client, "test-idle", MINUTE).put_idle_alarm(ALICE, Policy())
        assert CloudWatch(client, "test", MINUTE).idle_alarms() == {}


@pytest.mark.parametrize(
    "changes", [{"Threshold": 7.5}, {"Threshold": 9.0}, {"Period": 300}, {"EvaluationPeriods": 1}]
)
def test_an_alarm_that_was_changed_suits_no_worker(changes: dict[str, Any]) -> None:
    """It is still found, and set anew."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        request = alarm_request("test", ALICE, idle_alarm(Policy(), MINUTE))
        client.put_metric_alarm(**request | {"DatapointsToAlarm": 1} | changes)
        found = CloudWatch(client, "test", MINUTE)
        assert not found.suits(found.idle_alarms()[ALICE], Policy())


def test_the_whole_alarm() -> None:
    assert alarm_request("test", ALICE, idle_alarm(Policy(), MINUTE)) == {
        "AlarmName": f"cloudjhub-test-idle-{ALICE}",
        "AlarmDescription": f"{ALICE} of cluster test shows no activity",
        "ActionsEnabled": False,
        "Namespace": "cloudjhub/test",
        "MetricName": "Activity",
        "Dimensions": [{"Name": "InstanceId", "Value": ALICE}],
        "Statistic": "Maximum",
        "Unit": "None",
        "Period": 60,
        "EvaluationPeriods": 60,
        "DatapointsToAlarm": 60,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "notBreaching",
    }


@pytest.mark.parametrize(
    ("timeout", "report", "alarm"),
    [
        (HOUR, MINUTE, (MINUTE, 60)),
        (90 * SECOND, MINUTE, (MINUTE, 2)),
        (20 * SECOND, 5 * SECOND, (10 * SECOND, 2)),
        (HOUR, 30 * SECOND, (30 * SECOND, 120)),
        (45 * SECOND, 30 * SECOND, (30 * SECOND, 2)),
        (173 * MINUTE, 30 * SECOND, (30 * SECOND, 346)),
        (173 * MINUTE + SECOND, 30 * SECOND, (MINUTE, 174)),
        (DAY, 30 * SECOND, (MINUTE, 1440)),
        (DAY + SECOND, 30 * SECOND, (HOUR, 25)),
        (DAY, MINUTE, (MINUTE, 1440)),
        (DAY + SECOND, MINUTE, (HOUR, 25)),
        (7 * DAY, MINUTE, (HOUR, 168)),
        (7 * DAY + SECOND, MINUTE, (HOUR, 168)),
        (366 * DAY, MINUTE, (HOUR, 168)),
    ],
)
def test_alarms_stay_within_what_cloudwatch_allows(
    timeout: timedelta, report: timedelta, alarm: tuple[timedelta, int]
) -> None:
    found = idle_alarm(Policy(idle_timeout=timeout), report)
    assert (found.period, found.datapoints) == alarm


@pytest.mark.parametrize(
    ("report", "alarm"), [(1, 10), (5, 10), (10, 10), (20, 20), (30, 30), (60, 60), (61, 120), (300, 300)]
)
def test_alarm_periods(report: int, alarm: int) -> None:
    assert alarm_period(report * SECOND) == alarm * SECOND


@pytest.mark.parametrize(
    ("report", "back", "period"),
    [
        (5, 175 * MINUTE, 5),
        (5, 175 * MINUTE + SECOND, 60),
        (10, HOUR, 10),
        (20, HOUR, 10),
        (30, 175 * MINUTE, 10),
        (30, 175 * MINUTE + SECOND, 60),
        (60, HOUR, 60),
        (60, DAY, 60),
        (300, DAY, 60),
    ],
)
def test_query_periods(report: int, back: timedelta, period: int) -> None:
    assert query_period(report * SECOND, back) == period * SECOND


def test_an_alarm_is_no_finer_than_what_the_decision_goes_by() -> None:
    """Where one field of the policy makes it look back for long, it goes by minutes, whatever the timeout."""
    policy = Policy(hung_after=4 * HOUR)
    assert idle_alarm(policy, 30 * SECOND) == IdleAlarm(MINUTE, 60, Level.LOAD)


HALF = 30 * SECOND


def reported(client: Any, last_life: datetime, quiet_for: timedelta, *, lost: Sequence[int] = ()) -> None:
    """Reports each half a minute: a person's last, and quiet ones afterwards, but for the lost ones."""
    quiet = (last_life + n * HALF for n in range(1, quiet_for // HALF + 1) if n not in lost)
    activity(client, (3, last_life), *((0, at) for at in quiet))


@pytest.mark.parametrize("second", [0, 5, 9, 10, 19, 20, 24, 29])
def test_who_looks_when_a_short_alarm_fires_finds_the_timeout_over(second: int) -> None:
    """CloudWatch evaluates it each ten seconds, over half-minutes that end just then."""
    policy, told = Policy(idle_timeout=5 * MINUTE), NOON + second * SECOND
    rings = NOON + 5 * MINUTE + (second // 10 + 1) * 10 * SECOND
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        reported(client, told, 5 * MINUTE)
        evidence = CloudWatch(client, "test", HALF).evidence(ALICE, policy, rings)
    life = evidence.last_life(Level.INTERACTION)
    assert life is not None
    assert told < life <= rings - policy.idle_timeout
    assert evidence.covers(life, rings)


@pytest.mark.parametrize(
    ("timeout", "lost", "is_covered"),
    [
        pytest.param(5 * MINUTE, (4, 5), True, id="two of 30 s"),
        pytest.param(5 * MINUTE, (4, 5, 6), False, id="three of 30 s"),
        pytest.param(4 * HOUR, (4, 5, 6, 7), True, id="two minutes' reports, known by the minute"),
        pytest.param(4 * HOUR, (4, 5, 6, 7, 8, 9), False, id="three minutes' reports, known by the minute"),
    ],
)
def test_holes_are_measured_by_what_is_asked_for(
    timeout: timedelta, lost: Sequence[int], is_covered: bool
) -> None:
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        reported(client, NOON - timeout + 10 * SECOND, timeout, lost=lost)
        evidence = CloudWatch(client, "test", HALF).evidence(ALICE, Policy(idle_timeout=timeout), NOON)
    assert evidence.covers(NOON - timeout, NOON) is is_covered


def test_life_that_is_known_by_the_minute_ends_with_its_minute() -> None:
    """With its first half a worker would be stopped before the timeout."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        reported(client, NOON - 4 * HOUR + 50 * SECOND, 4 * HOUR)
        found = CloudWatch(client, "test", HALF)
        evidence = found.evidence(ALICE, Policy(idle_timeout=4 * HOUR), NOON)
        newest = found.newest([ALICE], NOON - 10 * MINUTE, NOON)[ALICE]
    assert evidence.last_life(Level.INTERACTION) == NOON - 4 * HOUR + MINUTE
    assert evidence.last_report == NOON + MINUTE
    assert newest.last_report == NOON + MINUTE


def test_a_home_that_fills_is_read_with_its_size_and_what_does_not_fit_is_left_out() -> None:
    """A value that no worker reports, or one report without the other, says nothing."""
    with emulated_aws(with_tables=False):
        client = boto3.client("cloudwatch")
        cloudwatch = CloudWatch(client, "test", MINUTE)
        since = NOON - 10 * MINUTE
        assert cloudwatch.homes([ALICE, BOB], since, NOON) == {}
        publish(client, "cloudjhub/test", "HomeFree", (0.5, NOON - 5 * MINUTE), (0.25, NOON - 2 * MINUTE))
        assert cloudwatch.homes([ALICE, BOB], since, NOON) == {}
        publish(client, "cloudjhub/test", "HomeSize", (1.9, NOON - 2 * MINUTE))
        found = cloudwatch.homes([ALICE, BOB], since, NOON)
        assert found == {ALICE: HomeReport(NOON - MINUTE, 1.9, 0.25)}
        publish(client, "cloudjhub/test", "HomeSize", (-1, NOON - 4 * MINUTE))
        assert cloudwatch.homes([ALICE], since, NOON) == {}
