"""The storm's own parts: what the lean AWS understands and answers, figures, and the model of cloudJHub."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import create_parser

from benchmarks.storm import wire
from benchmarks.storm.cloudjhub_model import class_of
from benchmarks.storm.figures import overtaken, percentile
from benchmarks.storm.settings import Storm
from benchmarks.storm.visitors import arrivals
from benchmarks.storm.wire import Records
from lifecycle_app.adapters.tables import WorkerRecord
from lifecycle_app.model.messages import plain
from lifecycle_app.model.worker import State
from tests.hub.fakes import worker
from tests.lifecycle.fakes import MemoryStore

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_form_becomes_what_boto3_was_called_with() -> None:
    form = "Action=DescribeInstances&Filter.1.Name=tag%3Aa&Filter.1.Value.1=x&Filter.1.Value.2=y&MaxResults=5"
    asked = wire.arguments("ec2", "DescribeInstances", form)
    assert asked == {"Filters": [{"Name": "tag:a", "Values": ["x", "y"]}], "MaxResults": 5}


def test_an_answer_is_read_by_botocore_as_it_was_meant() -> None:
    instance = {
        "InstanceId": "i-1",
        "LaunchTime": NOW,
        "State": {"Name": "running"},
        "Tags": [{"Key": "a&b"}],
    }
    meant: dict[str, Any] = {"Reservations": [{"Instances": [instance]}]}
    shape: Any = wire.model("ec2").operation_model("DescribeInstances").output_shape
    response = {
        "status_code": 200,
        "headers": {},
        "body": wire.answer("ec2", "DescribeInstances", meant).encode(),
    }
    read = create_parser("ec2").parse(response, shape)
    assert read["Reservations"] == meant["Reservations"]


def test_records_come_page_by_page_in_the_order_of_their_changes() -> None:
    store = MemoryStore()
    for number in range(3000):
        store.put(worker(key=f"u{number}", version=0, state=State.STOPPED, message=plain("x" * 500)), NOW)
    records, found, asked = Records(store, "storm"), list[str](), 0
    values = {":0": {"S": "storm"}, ":1": {"N": "0"}}
    more: dict[str, Any] = {}
    while asked == 0 or more:
        page = records.answer("Query", {"IndexName": "changed", "ExpressionAttributeValues": values, **more})
        found += [WorkerRecord.from_raw_data(item).worker for item in page["Items"]]
        more = {"ExclusiveStartKey": last} if (last := page.get("LastEvaluatedKey")) else {}
        asked += 1
    assert asked > 1
    assert sorted(found) == sorted(store.workers)


@pytest.mark.parametrize(
    ("times", "by"),
    [
        ([], 0),
        ([(0.0, 1.0), (5.0, 6.0)], 0),
        ([(0.0, 7.0), (5.0, 6.0)], 1),
        ([(0.0, 7.0), (0.5, 6.0)], 0),
        ([(0.0, 9.0), (5.0, 6.0), (6.0, 7.0), (7.0, 10.0)], 2),
    ],
)
def test_overtaken_is_who_came_clearly_earlier_and_is_served_later(
    times: list[tuple[float, float]], by: int
) -> None:
    assert overtaken(times) == by


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 3.0), (0.95, 4.0), (1.0, 4.0)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value


@pytest.mark.parametrize("stagger", ["even", "rush"])
def test_users_come_within_the_time_and_the_same_way_each_time(stagger: str) -> None:
    storm = Storm(users=200, within=10.0, stagger=stagger)
    times = list(arrivals(storm))
    assert times == sorted(times) == list(arrivals(storm))
    assert 0 <= times[0] <= times[-1] <= 10.0
    assert (times[100] < 2.0) == (stagger == "rush")


def test_cloudjhub_alone_asks_for_each_machine_and_again_until_ec2_lets_it() -> None:
    """Seen of the real one: 2,753 calls for a hundred users, the last after 101 s."""
    small, large = class_of(20), class_of(100)
    assert small.failed == large.failed == 0
    assert large.calls["StartInstances"] - large.calls["StartInstances throttled"] == 100
    assert 2000 < large.calls["StartInstances"] < 3500
    assert large.calls["StartInstances"] > 10 * small.calls["StartInstances"]
