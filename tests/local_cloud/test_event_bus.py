"""Our events on the real bus of the local cloud: ministack takes sources that only AWS may use, and routes them."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.local import programs
from bootstrap.local.cloud.events import EventBridge, alarm_event, instance_event
from tests.local_cloud.cloud_process import ACCOUNT, EVENTS_ADDRESS, KEY, REGION, SECRET, is_up
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

INSTANCE = "i-0123456789abcdef0"
ARN = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{INSTANCE}"


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running ministack."""
    directory = tmp_path_factory.mktemp("ministack")
    port = free_port(EVENTS_ADDRESS)
    endpoint = f"http://{EVENTS_ADDRESS}:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "BIND_HOST": EVENTS_ADDRESS,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": EVENTS_ADDRESS,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(directory),
    }
    with Path(directory, "log").open("wb") as log:
        process = subprocess.Popen(
            [programs.ministack(), "-m", "ministack"], env=environment, cwd=directory, stdout=log, stderr=log
        )
    until(lambda: is_up(endpoint), "ministack")
    yield endpoint
    process.terminate()
    process.wait(PATIENCE)


def client(endpoint: str, service: str) -> Any:
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


@pytest.mark.parametrize(
    ("event", "detail_type"),
    [
        (instance_event(ARN, INSTANCE, "running", time.time()), "EC2 Instance State-change Notification"),
        (alarm_event("arn:alarm", {"alarmName": "a"}, time.time()), "CloudWatch Alarm State Change"),
    ],
    ids=["instance", "alarm"],
)
def test_a_rule_sees_the_event_in_amazon_s_shape(bus: str, event: Any, detail_type: str) -> None:
    rules, queues = client(bus, "events"), client(bus, "sqs")
    name = event.source.replace(".", "-")
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    rules.put_rule(
        Name=name, EventPattern=json.dumps({"source": [event.source], "detail-type": [detail_type]})
    )
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    rules.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])

    assert EventBridge(bus, REGION, KEY, SECRET).deliver(event)

    [message] = until(lambda: queues.receive_message(QueueUrl=queue).get("Messages"), "the event")
    received = json.loads(message["Body"])
    assert received["source"] == event.source
    assert received["detail-type"] == detail_type
    assert received["detail"] == json.loads(event.detail)
    assert received["resources"] == [event.resource]
    assert received["account"] == ACCOUNT
    assert received["region"] == REGION


def test_a_bus_that_is_not_there_does_not_take_events() -> None:
    nowhere = f"http://{EVENTS_ADDRESS}:{free_port(EVENTS_ADDRESS)}"
    assert not EventBridge(nowhere, REGION, KEY, SECRET).deliver(
        instance_event(ARN, INSTANCE, "running", 0.0)
    )
