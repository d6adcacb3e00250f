"""What AWS asks IAM about calls."""

from typing import Any

import pytest

from bootstrap.local.cloud.gateway.authentication import function_secret
from bootstrap.local.cloud.gateway.call_log import Account, Permission, permissions_of
from tests.local_cloud.cloud_process import SECRET, CloudProcess

TAGS = {"i-1": {"cloudjhub:cluster": "dev"}, "vol-1": {"cloudjhub:role": "worker"}}
WHERE = Account("123456789012", "eu-west-1", lambda name: TAGS.get(name, {}))
EC2, TABLE = "arn:aws:ec2:eu-west-1:123456789012:", "arn:aws:dynamodb:eu-west-1:123456789012:table/"
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"
OURS, HOMES = ("aws:ResourceTag/cloudjhub:cluster", ("dev",)), ("aws:ResourceTag/cloudjhub:role", ("worker",))


@pytest.mark.parametrize(
    ("service", "action", "parameters", "permissions"),
    [
        (
            "ec2",
            "StopInstances",
            {"InstanceIds": ["i-1", "i-2"]},
            [("instance/i-1", OURS), ("instance/i-2",)],
        ),
        (
            "ec2",
            "AttachVolume",
            {"InstanceId": "i-1", "VolumeId": "vol-1"},
            [("instance/i-1", OURS), ("volume/vol-1", HOMES)],
        ),
    ],
)
def test_ec2_asks_about_each_resource_with_its_tags(
    service: str, action: str, parameters: dict[str, Any], permissions: list[tuple[Any, ...]]
) -> None:
    expected = tuple(
        Permission(f"ec2:{action}", EC2 + resource, tuple(context)) for resource, *context in permissions
    )
    assert permissions_of(service, action, parameters, WHERE) == expected


@pytest.mark.parametrize(
    ("service", "action", "parameters", "resources"),
    [
        ("dynamodb", "GetItem", {"TableName": "w"}, [f"{TABLE}w"]),
        ("dynamodb", "Query", {"TableName": "w", "IndexName": "due"}, [f"{TABLE}w/index/due"]),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"a": {}, "b": {}}}, [f"{TABLE}a", f"{TABLE}b"]),
        ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b"]}, [f"{ALARM}a", f"{ALARM}b"]),
        ("cloudwatch", "DescribeAlarms", {"AlarmNamePrefix": "a"}, [f"{ALARM}*"]),
        ("ssm", "GetParameter", {"Name": "/a/b"}, ["arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"]),
        ("s3", "GetObject", {"Bucket": "b", "Key": "c/d"}, ["arn:aws:s3:::b/c/d"]),
        ("ec2", "DescribeInstances", {}, ["*"]),
        ("route53", "ListHostedZones", {}, ["*"]),
        ("route53", "ListResourceRecordSets", {"HostedZoneId": "Z1"}, ["arn:aws:route53:::hostedzone/Z1"]),
        ("route53", "GetChange", {"Id": "/change/C1"}, ["arn:aws:route53:::change/C1"]),
        ("sts", "GetCallerIdentity", {}, []),
    ],
)
def test_resources_are_named_as_in_policies(
    service: str, action: str, parameters: dict[str, Any], resources: list[str]
) -> None:
    found = permissions_of(service, action, parameters, WHERE)
    assert found is not None
    assert [one.resource for one in found] == resources
    assert {one.action for one in found} <= {f"{service}:{action}"}


def test_a_batch_of_records_is_asked_about_as_a_whole() -> None:
    """By all names, as IAM has them, all types and all actions in it."""
    changes = [
        {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind}}
        for action, name, kind in (
            ("UPSERT", "*.Hub.example.org.", "A"),
            ("UPSERT", "hub.example.org", "A"),
            ("DELETE", "hub.example.org", "TXT"),
        )
    ]
    batch = {"HostedZoneId": "/hostedzone/Z1", "ChangeBatch": {"Changes": changes}}
    found = permissions_of("route53", "ChangeResourceRecordSets", batch, WHERE)
    key = "route53:ChangeResourceRecordSets"
    assert found == (
        Permission(
            key,
            "arn:aws:route53:::hostedzone/Z1",
            (
                (f"{key}Actions", ("DELETE", "UPSERT")),
                (f"{key}NormalizedRecordNames", ("\\052.hub.example.org", "hub.example.org")),
                (f"{key}RecordTypes", ("A", "TXT")),
            ),
        ),
    )


def test_a_launch_is_asked_about_part_by_part() -> None:
    launch = {
        "ImageId": "ami-1",
        "InstanceType": "t3.small",
        "SubnetId": "subnet-1",
        "SecurityGroupIds": ["sg-1"],
        "IamInstanceProfile": {"Name": "worker"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": True}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
    }
    found = {
        (one.action, one.resource.rpartition(":")[2]): dict(one.context)
        for one in permissions_of("ec2", "RunInstances", launch, WHERE) or ()
    }
    assert found["ec2:RunInstances", "instance/i-0new"] == {
        "aws:RequestTag/a": ("b",),
        "aws:TagKeys": ("a",),
        "ec2:InstanceType": ("t3.small",),
        "ec2:MetadataHttpTokens": ("required",),
        "ec2:MetadataHttpPutResponseHopLimit": ("1",),
        "ec2:InstanceProfile": ("arn:aws:iam::123456789012:instance-profile/worker",),
    }
    assert found["ec2:RunInstances", "volume/vol-0new"] == {"ec2:Encrypted": ("true",)}
    assert found["iam:PassRole", "role/worker"] == {"iam:PassedToService": ("ec2.amazonaws.com",)}
    assert ("ec2:CreateTags", "instance/i-0new") in found
    assert ("ec2:CreateTags", "volume/vol-0new") not in found
    assert {
        ("ec2:RunInstances", name) for name in ("subnet/subnet-1", "security-group/sg-1", "image/ami-1")
    } < set(found)


def test_an_alarm_on_which_ec2_acts_needs_more() -> None:
    recover = {"AlarmName": "a", "AlarmActions": ["arn:aws:automate:us-east-1:ec2:recover"]}
    found = {one.action for one in permissions_of("cloudwatch", "PutMetricAlarm", recover, WHERE) or ()}
    assert found == {
        "cloudwatch:PutMetricAlarm",
        "iam:CreateServiceLinkedRole",
        "ec2:DescribeInstances",
        "ec2:DescribeInstanceStatus",
    }
    plain = {"AlarmName": "a", "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:t"]}
    assert [one.action for one in permissions_of("cloudwatch", "PutMetricAlarm", plain, WHERE) or ()] == [
        "cloudwatch:PutMetricAlarm"
    ]


def test_a_call_that_is_not_known_is_told_apart_from_one_that_asks_nothing() -> None:
    assert permissions_of("ec2", "CreateVpc", {}, WHERE) is None


def test_it_is_kept_what_roles_ask_once_and_not_what_the_operator_does(cloud: CloudProcess) -> None:
    """The operator has a policy too, but does not belong to the cluster."""
    function = cloud.bare_client("ec2", "function.worker", function_secret(SECRET, "function.worker"))
    for _ in range(2):
        cloud.bare_client("ec2").describe_instances()
        function.describe_instances()
    function.describe_vpcs()
    kept = cloud.control("GET", "permissions")["permissions"]
    assert [one for one in kept if one.get("action") == "ec2:DescribeInstances"] == [
        {"role": "worker", "action": "ec2:DescribeInstances", "resource": "*", "context": []}
    ]
    assert {"role": "worker", "unknown": "ec2:DescribeVpcs"} in kept
