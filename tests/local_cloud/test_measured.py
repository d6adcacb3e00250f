"""What Lambda and SQS report to CloudWatch: runs, failures and waiting messages, under names that no role may use."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.local.cloud.gateway.authentication import function_secret
from tests.local_cloud.cloud_process import ACCOUNT, REGION, SECRET, CloudProcess, ministack
from tests.local_cloud.test_event_bus import client
from tests.shared.waiting import until

CODE = """
def run(event, context):
    if event["detail"].get("fails"):
        raise ValueError("as asked")
"""
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"


@pytest.fixture(scope="module")
def services(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a ministack that reports its metrics to the cloud."""
    with ministack(cloud.endpoint, tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


def total(
    cloud: CloudProcess, namespace: str, name: str, dimension: tuple[str, str], stat: str = "Sum"
) -> float:
    """Of the last minutes; -1 where there is no datapoint."""
    now = datetime.now(UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": dimension[0], "Value": dimension[1]}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=[stat],
    )["Datapoints"]
    return sum(float(point[stat]) for point in points) if points else -1.0


def function_on_a_rule(services: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("f.py", CODE)
    functions, rules = client(services, "lambda"), client(services, "events")
    arn = functions.create_function(
        FunctionName="f", Runtime="python3.11", Role=f"arn:aws:iam::{ACCOUNT}:role/r", Handler="f.run",
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]  # fmt: skip
    functions.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": QUEUE_ARN}}
    )
    rules.put_rule(Name="f", EventPattern=json.dumps({"source": ["ours"]}))
    rules.put_targets(Rule="f", Targets=[{"Id": "1", "Arn": arn}])


def put_event(services: str, **detail: bool) -> None:
    entry: Any = {"Source": "ours", "DetailType": "test", "Detail": json.dumps(detail)}
    client(services, "events").put_events(Entries=[entry])


def test_runs_failures_and_events_given_up_are_measured(cloud: CloudProcess, services: str) -> None:
    """An event on which a function fails is tried three times, and is a message in the queue after that."""
    of_function, of_queue = ("FunctionName", "f"), ("QueueName", "dead")
    client(services, "sqs").create_queue(QueueName="dead")
    visible = "ApproximateNumberOfMessagesVisible"
    until(lambda: total(cloud, "AWS/SQS", visible, of_queue, "Maximum") == 0, "an empty queue")
    function_on_a_rule(services)

    put_event(services)
    until(lambda: total(cloud, "AWS/Lambda", "Invocations", of_function) == 1, "a run")
    assert total(cloud, "AWS/Lambda", "Errors", of_function) == 0
    assert total(cloud, "AWS/Lambda", "Throttles", of_function) == 0
    assert total(cloud, "AWS/Lambda", "Duration", of_function) > 0

    put_event(services, fails=True)
    until(lambda: total(cloud, "AWS/Lambda", "Errors", of_function) == 3, "three failures")
    assert total(cloud, "AWS/Lambda", "Invocations", of_function) == 4
    until(
        lambda: total(cloud, "AWS/SQS", visible, of_queue, "Maximum") >= 1,
        "an event in the dead-letter queue",
    )


def test_a_queue_with_messages_rings(cloud: CloudProcess, services: str) -> None:
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="waits", Namespace="AWS/SQS", MetricName="ApproximateNumberOfMessagesVisible", Period=10,
        Dimensions=[{"Name": "QueueName", "Value": "waiting"}], Statistic="Maximum", EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    found = cloudwatch.describe_alarms(AlarmNamePrefix="waits", StateValue="ALARM")
    assert found["MetricAlarms"] == []
    queues = client(services, "sqs")
    url = queues.create_queue(QueueName="waiting")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="x")
    until(
        lambda: cloudwatch.describe_alarms(AlarmNamePrefix="waits", StateValue="ALARM")["MetricAlarms"],
        "the alarm",
    )


def test_a_function_finds_its_own_secret_and_not_the_operators(services: str) -> None:
    """In its environment, which its own processes inherit."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("g.py", "import os\n\ndef run(event, context):\n    return dict(os.environ)\n")
    functions = client(services, "lambda")
    functions.create_function(
        FunctionName="g", Runtime="python3.11", Role=f"arn:aws:iam::{ACCOUNT}:role/r", Handler="g.run",
        Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    found = json.loads(functions.invoke(FunctionName="g")["Payload"].read())
    assert found["AWS_ACCESS_KEY_ID"] == "function.g"
    assert found["AWS_SECRET_ACCESS_KEY"] == function_secret(SECRET, "function.g")
    assert not [name for name, value in found.items() if SECRET in value]
