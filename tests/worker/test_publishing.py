"""Reports reach CloudWatch once, with their own times, over outages too."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.worker.facts import HomeSpace, Observation
from bootstrap.worker.reporter import KEPT, Publisher, metric_data
from lifecycle_app.contract import Level

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def observation(at: datetime = AT, level: Level = Level.QUIET, **more: Any) -> Observation:
    fields: dict[str, Any] = {"busy_kernels": 0, "busy_terminals": 0, "cpu_percent": 0.0}
    fields |= {"last_interaction": None} | more
    return Observation(at=at, level=level, last_work=None, details=(), **fields)


@pytest.mark.parametrize(
    ("home", "reported"),
    [
        (None, {}),
        (HomeSpace(1.9, 1.0), {}),
        (HomeSpace(1.9, 0.99), {"HomeSize": 1.9, "HomeFree": 0.99}),
        (HomeSpace(1.9, 0.0), {"HomeSize": 1.9, "HomeFree": 0.0}),
    ],
)
def test_a_home_is_reported_while_it_fills(home: HomeSpace | None, reported: dict[str, float]) -> None:
    """Each metric costs money in the hours that have data."""
    found = metric_data(observation(home=home), "i-1", MINUTE)
    assert {one["MetricName"]: one["Value"] for one in found} == {"Activity": 0.0} | reported
    assert {one["Unit"] for one in found if one["MetricName"] in reported} <= {"Gigabytes"}


class Sink:
    """CloudWatch, which may be out of reach."""

    def __init__(self) -> None:
        self.broken = False
        self.received: list[dict[str, Any]] = []

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        if self.broken:
            raise ConnectionError("out of reach")
        assert Namespace == "cloudjhub/test"
        self.received += MetricData

    def times(self) -> list[datetime]:
        return [datum["Timestamp"] for datum in self.received]


def publisher(sink: Sink) -> Publisher:
    return Publisher(lambda: sink, cluster="test", instance_id="i-1", report_period=MINUTE)


def test_a_quiet_report_is_one_datapoint() -> None:
    assert metric_data(observation(), "i-1", MINUTE) == [
        {
            "MetricName": "Activity",
            "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}],
            "Timestamp": AT,
            "Value": 0.0,
            "Unit": "None",
            "StorageResolution": 60,
        }
    ]


@pytest.mark.parametrize(
    ("seen", "values"),
    [
        (observation(level=Level.LOAD, cpu_percent=45.5), {"Activity": 1, "CPU": 45.5}),
        (observation(level=Level.WORK, busy_kernels=2), {"Activity": 2, "BusyKernels": 2}),
        (observation(level=Level.WORK, busy_terminals=1), {"Activity": 2, "BusyTerminals": 1}),
        (observation(level=Level.INTERACTION), {"Activity": 3, "Interaction": 1}),
        (observation(level=Level.LOAD, source=7.0), {"Activity": 1, "Source": 7}),
        (observation(level=Level.WORK, source=7.0), {"Activity": 2, "Source": 7}),
        (
            observation(level=Level.WORK, source=7.0, last_interaction=AT - 2 * MINUTE),
            {"Activity": 2, "Source": 7},
        ),
        (
            observation(level=Level.WORK, source=7.0, last_interaction=AT - MINUTE - timedelta(seconds=59)),
            {"Activity": 2},
        ),
    ],
)
def test_what_explains_the_level_is_sent_only_where_there_is_any(
    seen: Observation, values: dict[str, float]
) -> None:
    assert {datum["MetricName"]: datum["Value"] for datum in metric_data(seen, "i-1", MINUTE)} == values


@pytest.mark.parametrize(("seconds", "resolution"), [(1, 1), (59, 1), (60, 60), (300, 60)])
def test_periods_below_a_minute_are_of_high_resolution(seconds: int, resolution: int) -> None:
    [datum] = metric_data(observation(), "i-1", timedelta(seconds=seconds))
    assert datum["StorageResolution"] == resolution


def test_an_outage_loses_nothing_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = Sink()
    reports = publisher(sink)
    times = [AT + n * MINUTE for n in range(4)]
    sink.broken = True
    for at in times[:3]:
        reports.publish([observation(at)], at)
    assert sink.received == []
    sink.broken = False
    reports.publish([observation(times[3])], times[3])
    assert sink.times() == times
    reports.publish([], times[3])
    assert sink.times() == times
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert all("i-1" in record.getMessage() for record in caplog.records)


def test_what_is_too_old_to_be_of_use_is_dropped() -> None:
    sink = Sink()
    reports = publisher(sink)
    sink.broken = True
    later = AT + KEPT + timedelta(seconds=1)
    reports.publish([observation(AT), observation(AT + timedelta(seconds=1))], AT)
    sink.broken = False
    reports.publish([observation(later)], later)
    assert sink.times() == [AT + timedelta(seconds=1), later]


def test_a_client_that_cannot_be_made_is_an_outage_as_well() -> None:
    """Credentials may come later than the server."""
    sink = Sink()
    attempts: list[int] = []

    def connect() -> Sink:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("no credentials")
        return sink

    reports = Publisher(connect, cluster="test", instance_id="i-1", report_period=MINUTE)
    reports.publish([observation()], AT)
    reports.publish([], AT)
    assert sink.times() == [AT]
