"""Stacks in every state that an interruption can leave them in, and what a plan says of them."""

from typing import Any

import pytest

from bootstrap.aws.stacks import Next, next_of
from bootstrap.cluster.steps.stack_changes import IMMUTABLE, resource_changes
from bootstrap.cluster.steps.step import Change, Kind
from tests.bootstrap.templates import variants


@pytest.mark.parametrize(
    ("status", "follows"),
    [
        (None, Next.CREATE),
        ("DELETE_COMPLETE", Next.CREATE),
        ("CREATE_IN_PROGRESS", Next.WAIT),
        ("ROLLBACK_IN_PROGRESS", Next.WAIT),
        ("UPDATE_IN_PROGRESS", Next.WAIT),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Next.WAIT),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Next.WAIT),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Next.WAIT),
        ("DELETE_IN_PROGRESS", Next.WAIT),
        ("CREATE_COMPLETE", Next.UPDATE),
        ("UPDATE_COMPLETE", Next.UPDATE),
        ("UPDATE_ROLLBACK_COMPLETE", Next.UPDATE),
        ("IMPORT_COMPLETE", Next.UPDATE),
        ("REVIEW_IN_PROGRESS", Next.DISCARD),
        ("CREATE_FAILED", Next.DISCARD),
        ("ROLLBACK_COMPLETE", Next.DISCARD),
        ("ROLLBACK_FAILED", Next.DISCARD),
        ("DELETE_FAILED", Next.DISCARD),
        ("UPDATE_FAILED", Next.FIX_BY_HAND),
        ("UPDATE_ROLLBACK_FAILED", Next.FIX_BY_HAND),
    ],
)
def test_what_follows_from_a_state(status: str | None, follows: Next) -> None:
    assert next_of(status) is follows


def subnet(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::EC2::Subnet", "Properties": {"CidrBlock": "10.0.0.0/24", **properties}}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({}, {"S": subnet()}, Change(Kind.CREATE, "S", "AWS::EC2::Subnet")),
        ({"S": subnet()}, {}, Change(Kind.REMOVE, "S", "AWS::EC2::Subnet")),
        (
            {"S": subnet()},
            {"S": subnet(MapPublicIpOnLaunch=True)},
            Change(Kind.CHANGE, "S", "AWS::EC2::Subnet: MapPublicIpOnLaunch"),
        ),
        (
            {"S": subnet()},
            {"S": subnet(CidrBlock="10.0.1.0/24")},
            Change(Kind.REPLACE, "S", "AWS::EC2::Subnet: CidrBlock"),
        ),
        (
            {"S": subnet()},
            {"S": {**subnet(), "Type": "AWS::EC2::VPC"}},
            Change(Kind.REPLACE, "S", "AWS::EC2::VPC: its policies or order"),
        ),
        (
            {"S": subnet()},
            {"S": {**subnet(), "DeletionPolicy": "Retain"}},
            Change(Kind.CHANGE, "S", "AWS::EC2::Subnet: its policies or order"),
        ),
    ],
)
def test_what_changes_between_two_templates(
    before: dict[str, Any], after: dict[str, Any], change: Change
) -> None:
    assert resource_changes(before, after) == [change]
    assert resource_changes(after, after) == []


def test_of_every_kind_it_is_known_what_cannot_change() -> None:
    kinds = {one["Type"] for template in variants().values() for one in template["Resources"].values()}
    always_in_place = {
        "AWS::EC2::EIP",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::S3::BucketPolicy",
    }
    assert kinds - set(IMMUTABLE) == always_in_place
