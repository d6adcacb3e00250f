"""The stand-in for AWS, as botocore understands it."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from benchmarks.peers import aws
from benchmarks.peers.fleet import Fleet, instance_id

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FLEET = Fleet(users=6_000, running=1_200, due=2)


@cache
def model_of(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def parsed(service: str, action: str, xml: str) -> dict[str, Any]:
    model = model_of(service)
    answer = {"status_code": 200, "headers": {}, "body": xml.encode()}
    shape = model.operation_model(action).output_shape
    assert shape is not None
    return dict(create_parser(model.metadata["protocol"]).parse(answer, shape))


def described(**form: str) -> tuple[list[str], str | None]:
    answer = parsed("ec2", "DescribeInstances", aws.describe_instances(FLEET, form, NOW))
    states = [each["Instances"][0]["State"]["Name"] for each in answer["Reservations"]]
    return states, answer.get("NextToken")


def test_running_instances_come_in_pages() -> None:
    assert described() == (["running"] * 1_000, "1000")
    assert described(NextToken="1000") == (["running"] * 200, None)


def test_no_more_than_is_asked_for_and_than_ec2_gives() -> None:
    assert described(MaxResults="100") == (["running"] * 100, "100")
    assert described(MaxResults="2000")[1] == "1000"


@pytest.mark.parametrize(("number", "state"), [(1_199, "running"), (1_200, "stopped")])
def test_one_by_its_id(number: int, state: str) -> None:
    assert described(**{"InstanceId.1": instance_id(number)}) == ([state], None)


def test_an_instance_has_its_id_and_its_start() -> None:
    answer = parsed("ec2", "DescribeInstances", aws.describe_instances(FLEET, {}, NOW))
    instance = answer["Reservations"][1]["Instances"][0]
    assert instance["InstanceId"] == instance_id(1)
    assert instance["LaunchTime"] == datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
    assert {"Key": "User", "Value": "user000001"} in instance["Tags"]


def test_those_that_are_stopped_are_told() -> None:
    answer = parsed("ec2", "StopInstances", aws.stop_instances([3, 4]))
    assert [one["InstanceId"] for one in answer["StoppingInstances"]] == [instance_id(3), instance_id(4)]


@pytest.mark.parametrize(("number", "percent"), [(1, aws.IDLE_PERCENT), (2, aws.BUSY_PERCENT)])
def test_cpu_of_those_that_are_due_and_of_others(number: int, percent: float) -> None:
    asked = {
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id(number)}],
    }
    [point] = aws.get_metric_statistics(FLEET, asked, NOW)["Datapoints"]
    assert point["Average"] == percent


def test_the_caller_has_an_account() -> None:
    assert parsed("sts", "GetCallerIdentity", aws.get_caller_identity())["Account"] == "123456789012"
