"""Stacks and secrets: made once, changed where they differ, left alone where they do not."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bootstrap.aws import secrets, stacks


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def queue(delay: int) -> dict[str, Any]:
    """A template of one queue, whose output tells its name."""
    return {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q", "DelaySeconds": delay}}
        },
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}},
    }


def test_a_stack_is_made_then_left_alone_then_changed() -> None:
    client = boto3.client("cloudformation")
    assert stacks.apply(client, "s", queue(1)) == {"Name": "q"}
    assert stacks.apply(client, "s", queue(1)) == {"Name": "q"}
    assert client.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    stacks.apply(client, "s", queue(2))
    assert client.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"


def test_secrets_are_made_once_and_kept() -> None:
    client = boto3.client("ssm")
    secrets.ensure(client, "spring")
    first = {name: secrets.read(client, "spring", name) for name in secrets.MAKERS}
    assert len(set(first.values())) == len(first)
    secrets.ensure(client, "spring")
    assert {name: secrets.read(client, "spring", name) for name in secrets.MAKERS} == first
    secrets.ensure(client, "autumn")
    assert secrets.read(client, "autumn", "lifecycle-token") != first["lifecycle-token"]
    kinds = client.describe_parameters()["Parameters"]
    assert {parameter["Type"] for parameter in kinds} == {"SecureString"}
