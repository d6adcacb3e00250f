"""Stacks and secrets: made once, changed where they differ, left alone where they do not."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import boto3
import pytest
from botocore.stub import Stubber
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


WANTED = {
    "StackName": "s",
    "ChangeSetName": ANY,
    "ChangeSetType": "UPDATE",
    "TemplateBody": ANY,
    "Capabilities": ["CAPABILITY_NAMED_IAM"],
    "Tags": [{"Key": "a", "Value": "b"}],
}
MADE = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/cloudjhub-1/1"
NAMED = {"StackName": "s", "ChangeSetName": MADE}


def change(name: str) -> dict[str, Any]:
    return {"Type": "Resource", "ResourceChange": {"LogicalResourceId": name, "Action": "Add"}}


def test_a_change_set_is_created_read_to_its_end_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "FIRST_DELAY", 0.01)
    client = boto3.client("cloudformation")
    with Stubber(client) as stub:
        stub.add_response("create_change_set", {"Id": MADE}, WANTED)
        stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS", "Changes": []}, NAMED)
        page = {"Status": "CREATE_COMPLETE", "Changes": [change("A")], "NextToken": "2"}
        stub.add_response("describe_change_set", page, NAMED)
        page = {"Status": "CREATE_COMPLETE", "Changes": [change("B")]}
        stub.add_response("describe_change_set", page, {**NAMED, "NextToken": "2"})
        stub.add_response("delete_change_set", {}, NAMED)
        found = stacks.preview(client, "s", queue(1), {"a": "b"})
        stub.assert_no_pending_responses()
    assert [one["LogicalResourceId"] for one in found or []] == ["A", "B"]


@pytest.mark.parametrize(
    "reason", ["The submitted information didn't contain changes.", "No updates are to be performed."]
)
def test_a_change_set_without_changes_fails_and_is_deleted(reason: str) -> None:
    client = boto3.client("cloudformation")
    with Stubber(client) as stub:
        stub.add_response("create_change_set", {"Id": MADE}, WANTED)
        failed = {"Status": "FAILED", "StatusReason": reason, "Changes": []}
        stub.add_response("describe_change_set", failed, NAMED)
        stub.add_response("delete_change_set", {}, NAMED)
        assert stacks.preview(client, "s", queue(1), {"a": "b"}) == []
        stub.assert_no_pending_responses()


def test_who_may_not_create_a_change_set_gets_none() -> None:
    client = boto3.client("cloudformation")
    with Stubber(client) as stub:
        stub.add_client_error("create_change_set", "AccessDenied")
        assert stacks.preview(client, "s", queue(1), {"a": "b"}) is None


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
