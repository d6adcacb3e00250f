"""Stacks in every state that an interruption can leave them in, and what a plan says of them."""

from typing import Any

import pytest

from bootstrap.aws.stacks import Next, next_of
from bootstrap.cluster.steps.step import UNKNOWN, Change, Kind, changes_in, compared
from bootstrap.local.cloud.cloudformation.change_sets import recreation, resource_changes
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
def test_what_a_change_set_says(before: dict[str, Any], after: dict[str, Any], change: Change) -> None:
    assert preview(before, after) == [change]
    assert preview(after, after) == []


def preview(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    found: Any = resource_changes(before, after)
    return changes_in(found)


def test_what_refers_to_a_replaced_resource_may_be_replaced_too() -> None:
    routes = {
        "Type": "AWS::EC2::SubnetRouteTableAssociation",
        "Properties": {"SubnetId": {"Ref": "S"}, "RouteTableId": "rtb-1"},
    }
    assert preview({"S": subnet(), "R": routes}, {"S": subnet(CidrBlock="10.0.1.0/24"), "R": routes}) == [
        Change(Kind.CHANGE, "R", "AWS::EC2::SubnetRouteTableAssociation: SubnetId; may be replaced"),
        Change(Kind.REPLACE, "S", "AWS::EC2::Subnet: CidrBlock"),
    ]


def test_without_a_change_set_a_plan_compares_the_templates() -> None:
    before = {"S": subnet(), "T": subnet()}
    after = {"S": subnet(CidrBlock="10.0.1.0/24"), "U": subnet()}
    assert compared(before, after) == [
        Change(Kind.CHANGE, "S", f"AWS::EC2::Subnet: CidrBlock{UNKNOWN}"),
        Change(Kind.REMOVE, "T", "AWS::EC2::Subnet"),
        Change(Kind.CREATE, "U", "AWS::EC2::Subnet"),
    ]
    assert compared(after, after) == []


def test_the_schema_of_every_resource_is_known() -> None:
    types = {one["Type"] for template in variants().values() for one in template["Resources"].values()}
    assert {resource_type for resource_type in types if recreation(resource_type)} == types - {
        "AWS::DLM::LifecyclePolicy",
        "AWS::EC2::InternetGateway",
    }
