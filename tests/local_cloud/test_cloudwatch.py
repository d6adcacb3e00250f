"""Metrics and alarms over the wire, by CloudWatch's rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess, EventSink
from tests.shared.waiting import until

NAMESPACE = "cloudjhub/local"


def put(
    cloud: CloudProcess, name: str, value: float, at: datetime, instance_id: str = "i-1", **more: object
) -> None:
    datum = {
        "MetricName": name,
        "Value": value,
        "Timestamp": at,
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
        **more,
    }
    cloud.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])


def query(
    name: str, period: int, stat: str = "Maximum", instance_id: str = "i-1", query_id: str = "q"
) -> dict[str, Any]:
    dimensions = [{"Name": "InstanceId", "Value": instance_id}]
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def values(
    cloud: CloudProcess, start: datetime, end: datetime, asked: dict[str, Any]
) -> list[tuple[datetime, float]]:
    result = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=[asked], StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )["MetricDataResults"][0]
    return list(zip(result["Timestamps"], result["Values"], strict=True))


def minute(ago: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=ago)


def test_periods_statistics_and_dimensions(cloud: CloudProcess) -> None:
    start = minute(10)
    for seconds, value in ((0, 1), (20, 3), (61, 5)):
        put(cloud, "a", value, start + timedelta(seconds=seconds), StorageResolution=1)
    put(cloud, "a", 99, start, instance_id="i-2")
    end = start + timedelta(minutes=2)
    later = start + timedelta(minutes=1)
    assert values(cloud, start, end, query("a", 60)) == [(start, 3), (later, 5)]
    assert values(cloud, start, end, query("a", 60, "Average")) == [(start, 2), (later, 5)]
    assert values(cloud, start + timedelta(seconds=30), end, query("a", 60)) == [(start, 3), (later, 5)]
    tens = [(start, 1), (start + timedelta(seconds=20), 3), (later, 5)]
    assert values(cloud, start, end, query("a", 10)) == tens
    assert values(cloud, start, end, query("a", 60, instance_id="i-3")) == []


def test_standard_resolution_is_a_minute(cloud: CloudProcess) -> None:
    start = minute(5)
    put(cloud, "b", 1, start + timedelta(seconds=40))
    assert values(cloud, start, start + timedelta(minutes=1), query("b", 10)) == [(start, 1)]


def test_several_values_at_once(cloud: CloudProcess) -> None:
    start = minute(5)
    datum = {"MetricName": "c", "Timestamp": start, "Values": [1.0, 4.0], "Counts": [2.0, 1.0]}
    cloud.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE, MetricName="c", StartTime=start, EndTime=start + timedelta(minutes=1), Period=60,
        Statistics=["Sum", "SampleCount", "Maximum", "Average"],
    )["Datapoints"]  # fmt: skip
    assert [(one["Sum"], one["SampleCount"], one["Maximum"], one["Average"]) for one in found] == [
        (6, 3, 4, 2)
    ]


@pytest.mark.parametrize(
    "queries",
    [
        [query("a", 60, query_id=f"q{number}") for number in range(501)],
        [query("a", 60), query("b", 60)],
        [query("a", 60, query_id="Q")],
        [query("a", 61)],
    ],
    ids=["more than 500", "an id twice", "an id in upper case", "a crooked period"],
)
def test_queries_that_are_refused(cloud: CloudProcess, queries: list[dict[str, Any]]) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        cloud.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=minute(2), EndTime=minute(1)
        )


@pytest.mark.parametrize("days", [-15, 1])
def test_samples_of_another_time_are_refused(cloud: CloudProcess, days: int) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        put(cloud, "d", 1, datetime.now(UTC) + timedelta(days=days))


def test_amazon_s_namespaces_are_reserved(cloud: CloudProcess) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        cloud.client("cloudwatch").put_metric_data(
            Namespace="AWS/EC2", MetricData=[{"MetricName": "CPUUtilization", "Value": 0}]
        )


def put_alarm(cloud: CloudProcess, name: str, instance_id: str, **changes: object) -> None:
    """An alarm on idleness: three ten-second periods below 2."""
    asked = {
        "AlarmName": name,
        "Namespace": NAMESPACE,
        "MetricName": "Activity",
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
        "Statistic": "Maximum",
        "Period": 10,
        "EvaluationPeriods": 3,
        "Threshold": 2,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    cloud.client("cloudwatch").put_metric_alarm(**asked)


def described(cloud: CloudProcess, name: str) -> dict[str, Any]:
    return dict(cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0])


def report(cloud: CloudProcess, instance_id: str, level: float, seconds: int = 50) -> None:
    """Reports of the past so many seconds."""
    now = datetime.now(UTC)
    for back in range(0, seconds, 10):
        put(cloud, "Activity", level, now - timedelta(seconds=back), instance_id, StorageResolution=1)


def test_an_alarm_goes_off_once_and_its_event_says_why(cloud: CloudProcess, events: EventSink) -> None:
    report(cloud, "i-idle", 1)
    put_alarm(cloud, "idle-i-idle", "i-idle")
    until(lambda: described(cloud, "idle-i-idle")["StateValue"] == "ALARM", "the alarm")
    until(lambda: events.alarms("idle-i-idle"), "its event")
    event = events.alarms("idle-i-idle")[0]
    assert event["state"]["value"] == "ALARM"
    assert event["state"]["reason"].startswith(
        "Threshold Crossed: 3 out of the last 3 datapoints [1.0, 1.0, 1.0]"
    )
    assert event["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert event["configuration"]["metrics"][0]["metricStat"] == {
        "metric": {"namespace": NAMESPACE, "name": "Activity", "dimensions": {"InstanceId": "i-idle"}},
        "period": 10,
        "stat": "Maximum",
    }
    assert described(cloud, "idle-i-idle")["StateReason"] == event["state"]["reason"]
    report(cloud, "i-next", 2)
    put_alarm(cloud, "idle-i-next", "i-next")
    until(lambda: described(cloud, "idle-i-next")["StateValue"] == "OK", "another evaluation, of both")
    assert len(events.alarms("idle-i-idle")) == 1

    report(cloud, "i-idle", 3, seconds=10)
    until(lambda: described(cloud, "idle-i-idle")["StateValue"] == "OK", "the end of the alarm")
    until(lambda: len(events.alarms("idle-i-idle")) == 2, "its event")


def test_a_busy_or_silent_instance_fires_no_alarm(cloud: CloudProcess) -> None:
    report(cloud, "i-busy", 2)
    for name in ("i-busy", "i-silent"):
        put_alarm(cloud, f"idle-{name}", name)
    until(lambda: described(cloud, "idle-i-busy")["StateValue"] == "OK", "the busy one to be OK")
    until(lambda: described(cloud, "idle-i-silent")["StateValue"] == "OK", "the silent one to be OK")


def test_no_data_may_be_insufficient(cloud: CloudProcess) -> None:
    report(cloud, "i-later", 2)
    put_alarm(cloud, "watch", "i-later", TreatMissingData="missing")
    until(lambda: described(cloud, "watch")["StateValue"] == "OK", "OK")
    put_alarm(cloud, "watch", "i-unknown", TreatMissingData="missing")
    until(lambda: described(cloud, "watch")["StateValue"] == "INSUFFICIENT_DATA", "INSUFFICIENT_DATA")


def test_alarms_off(cloud: CloudProcess, events: EventSink) -> None:
    cloud.fault("alarms-off", True)
    report(cloud, "i-off", 0)
    put_alarm(cloud, "idle-i-off", "i-off")
    assert described(cloud, "idle-i-off")["StateValue"] == "INSUFFICIENT_DATA"
    cloud.fault("alarms-off", False)
    until(lambda: described(cloud, "idle-i-off")["StateValue"] == "ALARM", "the alarm")


def test_a_changed_alarm_keeps_its_state(cloud: CloudProcess) -> None:
    report(cloud, "i-kept", 0)
    put_alarm(cloud, "idle-i-kept", "i-kept")
    until(lambda: described(cloud, "idle-i-kept")["StateValue"] == "ALARM", "the alarm")
    cloud.fault("alarms-off", True)
    put_alarm(cloud, "idle-i-kept", "i-kept", Threshold=1)
    assert described(cloud, "idle-i-kept")["StateValue"] == "ALARM"
    cloud.fault("alarms-off", False)


def test_a_state_set_by_hand_is_told(cloud: CloudProcess, events: EventSink) -> None:
    put_alarm(cloud, "by-hand", "i-hand", Period=60)
    cloud.client("cloudwatch").set_alarm_state(AlarmName="by-hand", StateValue="ALARM", StateReason="a test")
    until(lambda: events.alarms("by-hand"), "its event")
    assert events.alarms("by-hand")[0]["state"]["reason"] == "a test"


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({"Period": 10}, True),
        ({"Period": 15}, False),
        ({"Period": 90}, False),
        ({"Period": 60, "EvaluationPeriods": 1440}, True),
        ({"Period": 60, "EvaluationPeriods": 1441}, False),
        ({"Period": 3600, "EvaluationPeriods": 168}, True),
        ({"Period": 3600, "EvaluationPeriods": 169}, False),
        ({"DatapointsToAlarm": 3}, True),
        ({"DatapointsToAlarm": 4}, False),
    ],
)
def test_what_an_alarm_may_ask(cloud: CloudProcess, changes: dict[str, object], is_taken: bool) -> None:
    if is_taken:
        put_alarm(cloud, "asked", "i-asked", **changes)
    else:
        with pytest.raises(ClientError, match="ValidationError"):
            put_alarm(cloud, "asked", "i-asked", **changes)
