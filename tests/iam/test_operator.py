"""The operator's policies: enough for every call that the commands make, and nothing of another cluster's."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session
from chalice.awsclient import TypedAWSClient
from chalice.deploy.planner import PlanStage

from bootstrap.aws.keys import delegating_statement
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.__main__ import main
from bootstrap.cluster.policies.operator import operator_policies
from bootstrap.local.cloud.cloudformation.change_sets import schema_of
from tests.bootstrap.templates import variants
from tests.contracts.test_stop_start_places import calls_in
from tests.iam.linting import findings
from tests.iam.simulator import ACCOUNT, Context, Question, catalogue, judge

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
SCOPE = Scope(
    cluster="dev", account=ACCOUNT, region=REGION, domain="hub.example.org", zones=("Z0OWN",), key=KEY
)
POLICIES = operator_policies(SCOPE)
MANAGED_LIMIT = 6_144  # characters of a managed policy, without white space
LONGEST = Scope(
    cluster="a" * 32, account=ACCOUNT, region="ap-southeast-2", partition="aws-us-gov", domain=f"{'a.' * 125}org",
    zones=("Z" * 32,), role_path=f"/{'p' * 62}/", boundary=f"arn:aws-us-gov:iam::{ACCOUNT}:policy/{'b' * 128}",
    key=f"arn:aws-us-gov:kms:ap-southeast-2:{ACCOUNT}:key/mrk-{'0' * 32}",
)  # fmt: skip
SERVICES = ("cloudformation", "cloudwatch", "dlm", "dynamodb", "ec2", "events", "freetier", "iam", "lambda", "logs",
            "s3", "kms", "route53", "service-quotas", "sns", "sqs", "ssm")  # fmt: skip
# What runs on the machines themselves has their roles; boto3's words for actions that IAM knows by another name.
ON_MACHINES = {"install_packages.py", "fetch.py", "journal.py", "parameters.py"}
KNOWN_AS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
}
# Names that calls_in finds which are no calls of AWS: functions and words of our own.
OUR_OWN_WORDS = {
    "events:TagResource",
    "service-quotas:TagResource",
    "iam:GetServerCertificate",
    "kms:Sign",
    "lambda:Invoke",
}
# What Chalice calls only for settings that the lifecycle app does not have.
NOT_PLANNED = {
    "lambda:PutFunctionConcurrency",
}
PASSED = {"iam:PassedToService": "ec2.amazonaws.com"}
VIA = {"aws:CalledVia": ["cloudformation.amazonaws.com"]}


@cache
def _operations() -> dict[str, list[str]]:
    session = Session()
    found: dict[str, list[str]] = {}
    for service in SERVICES:
        prefix = service.replace("service-quotas", "servicequotas")
        for operation in session.get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), []).append(f"{prefix}:{operation}")
    return found


def _called() -> Iterator[str]:
    """Actions of the calls, waiters and paginators in the operator's part of bootstrap."""
    for path in (REPOSITORY / "bootstrap").rglob("*.py"):
        if {"local", "worker", "policies"} & {*path.parts} or path.name in ON_MACHINES:
            continue
        text = path.read_text(encoding="utf-8")
        for name in calls_in(text) | set(re.findall(r'get_paginator\("(\w+)"', text)):
            actions = _operations().get(name, [])
            if len(actions) == 1:
                yield KNOWN_AS.get(actions[0], actions[0])


KEY_POLICY = {"Version": "2012-10-17", "Statement": [json.loads(delegating_statement("aws", ACCOUNT))]}
"""Of a key, which has to let IAM decide."""


def _anyhow(action: str) -> Question:
    """Is the action allowed at all?"""
    is_of_key = action.startswith("kms:") and action != "kms:ListAliases"
    return Question(
        policies=tuple(POLICIES),
        action=action,
        resource=KEY if is_of_key else "*",
        any_context=True,
        trust=KEY_POLICY if is_of_key else None,
    )


def test_every_call_of_the_commands_is_allowed() -> None:
    called = sorted(set(_called()) - OUR_OWN_WORDS)
    assert len(called) > 60
    results = judge(POLICIES, [_anyhow(action) for action in called])
    assert [action for action, result in zip(called, results, strict=True) if result != "Allowed"] == []


# What a resource's handler calls only for properties that no template of ours has.
FOR_PROPERTIES: Mapping[tuple[str, ...], str] = {
    ("DynamoDB::Table.ImportSourceSpecification",): "dynamodb:ImportTable dynamodb:DescribeImport "
    "logs:CreateLogStream logs:PutLogEvents",
    ("DynamoDB::Table.KinesisStreamSpecification",): "dynamodb:DisableKinesisStreamingDestination "
    "dynamodb:EnableKinesisStreamingDestination dynamodb:UpdateKinesisStreamingDestination kinesis:DescribeStream "
    "kinesis:PutRecords",
    ("DynamoDB::Table.ResourcePolicy",): "dynamodb:DeleteResourcePolicy dynamodb:PutResourcePolicy",
    ("DynamoDB::Table.ContributorInsightsSpecification",): "dynamodb:UpdateContributorInsights",
    ("DynamoDB::Table.StreamSpecification",): "dynamodb:AssociateTableReplica dynamodb:CreateTableReplica "
    "dynamodb:BatchWriteItem dynamodb:DeleteItem iam:CreateServiceLinkedRole",
    ("EC2::EIP.TransferAddress",): "ec2:AcceptAddressTransfer",
    ("EC2::NetworkInterface.Ipv6Addresses", "EC2::NetworkInterface.Ipv6AddressCount"): "ec2:AssignIpv6Addresses "
    "ec2:UnassignIpv6Addresses",
    ("EC2::NetworkInterface.PrivateIpAddresses", "EC2::NetworkInterface.SecondaryPrivateIpAddressCount"):
    "ec2:AssignPrivateIpAddresses ec2:UnassignPrivateIpAddresses",
    ("EC2::NetworkInterface.PublicIpDnsHostnameTypeSpecification",): "ec2:ModifyPublicIpDnsNameOptions",
    ("EC2::NatGateway.SecondaryAllocationIds", "EC2::NatGateway.SecondaryPrivateIpAddresses"):
    "ec2:AssignPrivateNatGatewayAddress ec2:AssociateNatGatewayAddress ec2:DisassociateNatGatewayAddress "
    "ec2:UnassignPrivateNatGatewayAddress",
    ("EC2::VPCGatewayAttachment.VpnGatewayId",): "ec2:AttachVpnGateway ec2:DetachVpnGateway",
    ("EC2::VPC.VpcEncryptionControl",): "ec2:CreateVpcEncryptionControl",
    ("EC2::VPCCidrBlock.Ipv4IpamPoolId", "EC2::VPCCidrBlock.Ipv6IpamPoolId"): "ec2:AllocateIpamPoolCidr",
    ("EC2::VPC.InstanceTenancy",): "ec2:ModifyVpcTenancy",
    ("EC2::VPCEndpoint.ServiceNetworkArn", "EC2::VPCEndpoint.ServiceRegion"):
    "vpc-lattice:CreateServiceNetworkVpcEndpointAssociation vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation "
    "vpce:AllowMultiRegion",
    ("IAM::Role.ManagedPolicyArns",): "iam:AttachRolePolicy iam:DetachRolePolicy",
    ("IAM::Role.PermissionsBoundary",): "iam:DeleteRolePermissionsBoundary iam:PutRolePermissionsBoundary",
    ("IAM::Role.Description", "IAM::Role.MaxSessionDuration"): "iam:UpdateRole iam:UpdateRoleDescription",
    ("Logs::LogGroup.DataProtectionPolicy",): "logs:DeleteDataProtectionPolicy logs:PutDataProtectionPolicy "
    "logs:CreateLogDelivery firehose:TagDeliveryStream s3:REST.PUT.OBJECT",
    ("Logs::LogGroup.FieldIndexPolicies",): "logs:DeleteIndexPolicy logs:PutIndexPolicy",
    ("Logs::LogGroup.ResourcePolicyDocument",): "logs:DeleteResourcePolicy logs:PutResourcePolicy",
    ("Logs::LogGroup.BearerTokenAuthenticationEnabled",): "logs:PutBearerTokenAuthentication",
    ("Logs::LogGroup.DeletionProtectionEnabled",): "logs:PutLogGroupDeletionProtection",
    ("S3::Bucket.AbacStatus",): "s3:PutBucketAbac",
    ("S3::Bucket.AccelerateConfiguration",): "s3:PutAccelerateConfiguration",
    ("S3::Bucket.AccessControl",): "s3:PutBucketAcl s3:PutObjectAcl",
    ("S3::Bucket.AnalyticsConfigurations",): "s3:PutAnalyticsConfiguration s3:DeleteBucketAnalyticsConfiguration",
    ("S3::Bucket.CorsConfiguration",): "s3:PutBucketCORS s3:DeleteBucketCors",
    ("S3::Bucket.IntelligentTieringConfigurations",): "s3:PutIntelligentTieringConfiguration",
    ("S3::Bucket.InventoryConfigurations",): "s3:PutInventoryConfiguration",
    ("S3::Bucket.LoggingConfiguration",): "s3:PutBucketLogging",
    ("S3::Bucket.MetadataConfiguration", "S3::Bucket.MetadataTableConfiguration"):
    "s3:CreateBucketMetadataTableConfiguration s3:DeleteBucketMetadataTableConfiguration "
    "s3:UpdateBucketMetadataAnnotationTableConfiguration s3:UpdateBucketMetadataInventoryTableConfiguration "
    "s3:UpdateBucketMetadataJournalTableConfiguration s3tables:CreateNamespace s3tables:CreateTable "
    "s3tables:CreateTableBucket s3tables:GetTable s3tables:GetTableMetadataLocation s3tables:PutTableBucketPolicy "
    "s3tables:PutTableEncryption s3tables:PutTablePolicy s3tables:UpdateTableMetadataLocation",
    ("S3::Bucket.MetricsConfigurations",): "s3:PutMetricsConfiguration s3:DeleteBucketMetricsConfiguration",
    ("S3::Bucket.NotificationConfiguration",): "s3:PutBucketNotification",
    ("S3::Bucket.ObjectLockConfiguration", "S3::Bucket.ObjectLockEnabled"): "s3:PutBucketObjectLockConfiguration "
    "s3:PutObjectLockConfiguration",
    ("S3::Bucket.ReplicationConfiguration",): "s3:PutReplicationConfiguration s3:PutBucketReplication "
    "s3:DeleteBucketReplication",
    ("S3::Bucket.WebsiteConfiguration",): "s3:PutBucketWebsite s3:DeleteBucketWebsite",
}  # fmt: skip
# Called when a property that every template of ours has is taken away, which no update does.
NEVER_REMOVED: Mapping[tuple[str, ...], str] = {
    ("Logs::LogGroup.RetentionInDays",): "logs:DeleteRetentionPolicy",
    ("S3::Bucket.BucketEncryption", "S3::Bucket.LifecycleConfiguration"): "s3:DeleteBucketEncryption "
    "s3:DeleteBucketLifecycle",
}
# Words of the schemas that IAM does not know.
NO_ACTIONS = {"s3:GetObjectMetadata"}


def _in_templates() -> dict[str, set[str]]:
    """The properties that each type of resource has in our templates."""
    found: dict[str, set[str]] = {}
    for template in variants().values():
        for resource in template["Resources"].values():
            kind = found.setdefault(resource["Type"].removeprefix("AWS::"), set())
            kind.update(resource.get("Properties", {}))
    return found


def _called_by_handlers() -> set[str]:
    """Actions that the resources' schemas say CloudFormation calls with the operator's permissions."""
    return {
        action
        for kind in _in_templates()
        for name, handler in schema_of(f"AWS::{kind}")["handlers"].items()
        if name != "list"  # which no operation on a stack uses
        for action in handler.get("permissions", ())
    }


def test_every_call_of_cloudformations_handlers_is_allowed() -> None:
    exempt = {
        action
        for more in (FOR_PROPERTIES, NEVER_REMOVED)
        for value in more.values()
        for action in value.split()
    }
    called = sorted(_called_by_handlers() - exempt - NO_ACTIONS)
    assert len(called) > 120
    results = judge(POLICIES, [_anyhow(action) for action in called])
    assert [action for action, result in zip(called, results, strict=True) if result != "Allowed"] == []


def test_what_handlers_are_not_allowed_is_for_properties_that_no_template_has() -> None:
    there = {f"{kind}.{name}" for kind, names in _in_templates().items() for name in names}
    assert [name for names in FOR_PROPERTIES for name in names if name in there] == []
    assert [name for names in NEVER_REMOVED for name in names if name not in there] == []
    known = {name for kind in _in_templates() for name in _properties(kind)}
    assert [name for names in FOR_PROPERTIES for name in names if name not in known] == []


def test_no_exemption_is_outdated() -> None:
    called = _called_by_handlers()
    exempt = {
        action
        for more in (FOR_PROPERTIES, NEVER_REMOVED)
        for value in more.values()
        for action in value.split()
    }
    assert sorted((exempt | NO_ACTIONS) - called) == []


def _properties(kind: str) -> Iterator[str]:
    for name in schema_of(f"AWS::{kind}")["properties"]:
        yield f"{kind}.{name}"


def _called_by_chalice() -> Iterator[str]:
    """Actions of `chalice deploy` for functions, their roles, log groups and rules, read off its own source."""
    planned = (
        getattr(PlanStage, name)
        for name in (
            "_plan_lambdafunction",
            "_plan_managediamrole",
            "_plan_loggroup",
            "_create_cloudwatchevent",
        )
    )
    left = {name for plan in planned for name in re.findall(r"method_name='(\w+)'", inspect.getsource(plan))}
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        source = inspect.getsource(getattr(TypedAWSClient, name))
        methods = set(re.findall(r"self\.(\w+)\(", source))
        left |= {one for one in methods if hasattr(TypedAWSClient, one)} - seen
        for call in calls_in(textwrap.dedent(source)):
            actions = _operations().get(call, [])
            if len(actions) == 1:
                yield actions[0]


def test_every_call_of_chalice_is_allowed() -> None:
    called = sorted(set(_called_by_chalice()) - NOT_PLANNED)
    assert {"lambda:CreateFunction", "lambda:DeleteFunctionConcurrency", "events:PutTargets"} <= set(called)
    results = judge(POLICIES, [_anyhow(action) for action in called])
    assert [action for action, result in zip(called, results, strict=True) if result != "Allowed"] == []


@pytest.mark.parametrize("name", operator_policies(LONGEST))
def test_each_fits_into_a_managed_policy(name: str) -> None:
    policy = operator_policies(LONGEST)[name]
    assert len(json.dumps(policy, separators=(",", ":"))) <= MANAGED_LIMIT


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def iam(resource: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{resource}"


ALARMS_ROLE = iam("role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents")
INSTANCE = arn("ec2", "instance/i-0123456789abcdef0")
OURS = {"aws:ResourceTag/cloudjhub:cluster": "dev"}
OTHERS = {"aws:ResourceTag/cloudjhub:cluster": "dev-b"}
ZONE, OTHER_ZONE = (f"arn:aws:route53:::hostedzone/{zone}" for zone in ("Z0OWN", "Z0OTHER"))


def record(
    names: Sequence[str] = ("hub.example.org",), types: Sequence[str] = ("A",), by: Context = VIA
) -> Context:
    """What is said of a batch of changes by a stack, of records with these names and types."""
    change = "route53:ChangeResourceRecordSets"
    said = {"NormalizedRecordNames": list(names), "RecordTypes": list(types), "Actions": ["UPSERT"]}
    return {**{f"{change}{key}": values for key, values in said.items() if values}, **by}


BUDGET = f"arn:aws:budgets::{ACCOUNT}:budget/cloudjhub.{REGION}.dev"

CASES: Mapping[str, tuple[bool, str, str, Context]] = {
    "own budget": (True, "budgets:ModifyBudget", f"{BUDGET}.1a2b3c4d", VIA),
    "own budget without a stack": (False, "budgets:ModifyBudget", f"{BUDGET}.1a2b3c4d", {}),
    "other cluster's budget": (False, "budgets:ModifyBudget", f"{BUDGET}-b.1a2b3c4d", VIA),
    "the account's budget": (False, "budgets:ModifyBudget", f"arn:aws:budgets::{ACCOUNT}:budget/all", VIA),
    "own stack": (True, "cloudformation:DeleteStack", arn("cloudformation", "stack/cloudjhub-dev-data/1"), {}),
    "network's stack": (
        True, "cloudformation:CreateStack", arn("cloudformation", "stack/cloudjhub-network-campus/1"), {},
    ),
    "other cluster's stack": (
        False, "cloudformation:DeleteStack", arn("cloudformation", "stack/cloudjhub-dev-b-data/1"), {},
    ),
    "stranger's stack": (False, "cloudformation:DeleteStack", arn("cloudformation", "stack/payroll/1"), {}),
    "vpc by a stack": (True, "ec2:DeleteVpc", arn("ec2", "vpc/vpc-1"), VIA),
    "vpc by hand": (False, "ec2:DeleteVpc", arn("ec2", "vpc/vpc-1"), {}),
    "own instance": (True, "ec2:TerminateInstances", INSTANCE, OURS),
    "other cluster's instance": (False, "ec2:TerminateInstances", INSTANCE, OTHERS),
    "untagged instance": (False, "ec2:TerminateInstances", INSTANCE, {}),
    "other cluster's disk": (False, "ec2:DeleteVolume", arn("ec2", "volume/vol-1"), OTHERS),
    "tag on what is there": (False, "ec2:CreateTags", INSTANCE, OTHERS),
    "tag on our own": (True, "ec2:CreateTags", INSTANCE, {**OURS, "aws:TagKeys": ["CostCenter"]}),
    "tag of ours on our own": (
        False, "ec2:CreateTags", INSTANCE, {**OURS, "aws:TagKeys": ["CostCenter", "cloudjhub:role"]},
    ),
    "launch untagged": (False, "ec2:RunInstances", INSTANCE, {}),
    "launch for another": (False, "ec2:RunInstances", INSTANCE, {"aws:RequestTag/cloudjhub:cluster": "dev-b"}),
    "launch": (True, "ec2:RunInstances", INSTANCE, {"aws:RequestTag/cloudjhub:cluster": "dev"}),
    "the domain's record": (True, "route53:ChangeResourceRecordSets", ZONE, record()),
    "the domain's wildcard record": (
        True, "route53:ChangeResourceRecordSets", ZONE, record(["\\052.hub.example.org"]),
    ),
    "both": (
        True, "route53:ChangeResourceRecordSets", ZONE, record(["hub.example.org", "\\052.hub.example.org"]),
    ),
    "the domain's record by hand": (
        False, "route53:ChangeResourceRecordSets", ZONE, record(by={}),
    ),
    "the domain's record in another zone": (False, "route53:ChangeResourceRecordSets", OTHER_ZONE, record()),
    "another name": (False, "route53:ChangeResourceRecordSets", ZONE, record(["www.example.org"])),
    "the domain's and another name": (
        False, "route53:ChangeResourceRecordSets", ZONE, record(["hub.example.org", "example.org"]),
    ),
    "one name below the domain's": (False, "route53:ChangeResourceRecordSets", ZONE, record(["a.hub.example.org"])),
    "the domain's mail": (False, "route53:ChangeResourceRecordSets", ZONE, record(types=["MX"])),
    "the domain's record and its mail": (False, "route53:ChangeResourceRecordSets", ZONE, record(types=["A", "MX"])),
    "no name": (False, "route53:ChangeResourceRecordSets", ZONE, record(names=[])),
    "no type": (False, "route53:ChangeResourceRecordSets", ZONE, record(types=[])),
    "the zone's records": (True, "route53:ListResourceRecordSets", ZONE, {}),
    "another zone's records": (False, "route53:ListResourceRecordSets", OTHER_ZONE, {}),
    "the zone itself": (False, "route53:DeleteHostedZone", ZONE, {}),
    "own manager's role": (True, "iam:PassRole", iam("role/cloudjhub-dev-manager"), PASSED),
    "own manager's role to Lambda": (
        False, "iam:PassRole", iam("role/cloudjhub-dev-manager"), {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "own worker's role": (True, "iam:PassRole", iam("role/cloudjhub-dev-worker"), PASSED),
    "own worker's role to Lambda": (
        False, "iam:PassRole", iam("role/cloudjhub-dev-worker"), {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "role of a longer name": (False, "iam:PassRole", iam("role/cloudjhub-dev-worker-2"), PASSED),
    "disk of a launch": (
        True, "ec2:RunInstances", arn("ec2", "volume/*"), {"aws:RequestTag/cloudjhub:cluster": "dev"},
    ),
    "disk of a launch for another": (
        False, "ec2:RunInstances", arn("ec2", "volume/*"), {"aws:RequestTag/cloudjhub:cluster": "dev-b"},
    ),
    "old home to a new machine": (True, "ec2:AttachVolume", arn("ec2", "volume/vol-1"), OURS),
    "other cluster's home to a new machine": (False, "ec2:AttachVolume", arn("ec2", "volume/vol-1"), OTHERS),
    "records by changes": (True, "dynamodb:Query", arn("dynamodb", "table/cloudjhub-dev-workers/index/changed"), {}),
    "history by day": (True, "dynamodb:Query", arn("dynamodb", "table/cloudjhub-dev-history/index/day"), {}),
    "other cluster's records by changes": (
        False, "dynamodb:Query", arn("dynamodb", "table/cloudjhub-dev-b-workers/index/changed"), {},
    ),
    "scan of an index": (False, "dynamodb:Scan", arn("dynamodb", "table/cloudjhub-dev-workers/index/changed"), {}),
    "request for a stop": (True, "events:PutEvents", arn("events", "event-bus/default"), {}),
    "event on another bus": (False, "events:PutEvents", arn("events", "event-bus/other"), {}),
    "function's role": (
        True, "iam:PassRole", iam("role/cloudjhub-dev-sweep-role"), {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "admin's role": (False, "iam:PassRole", iam("role/admin"), PASSED),
    "other cluster's role": (False, "iam:PassRole", iam("role/cloudjhub-dev-b-manager"), PASSED),
    "write admin's role": (False, "iam:PutRolePolicy", iam("role/admin"), {}),
    "attach a policy": (False, "iam:AttachRolePolicy", iam("role/cloudjhub-dev-manager"), {}),
    "own table": (True, "dynamodb:DeleteTable", arn("dynamodb", "table/cloudjhub-dev-workers"), {}),
    "other cluster's table": (False, "dynamodb:DeleteTable", arn("dynamodb", "table/cloudjhub-dev-b-workers"), {}),
    "own secret": (True, "ssm:PutParameter", arn("ssm", "parameter/cloudjhub/dev/hub/cookie-secret"), {}),
    "other cluster's secret": (
        False, "ssm:GetParameter", arn("ssm", "parameter/cloudjhub/dev-b/hub/cookie-secret"), {},
    ),
    "other cluster's function": (
        False, "lambda:DeleteFunction", arn("lambda", "function:cloudjhub-dev-b-sweep"), {},
    ),
    "other cluster's queue": (False, "sqs:DeleteQueue", arn("sqs", "cloudjhub-dev-b-dead-letters"), {}),
    "other cluster's alarm": (
        False, "cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:cloudjhub-dev-idle-b-idle-i-1"), {},
    ),
    "CloudWatch's role for alarms": (
        True, "iam:CreateServiceLinkedRole", ALARMS_ROLE, {"iam:AWSServiceName": "events.amazonaws.com"},
    ),
    "another service's role": (
        False, "iam:CreateServiceLinkedRole", iam("role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"),
        {"iam:AWSServiceName": "spot.amazonaws.com"},
    ),
    "other bucket": (False, "s3:DeleteBucket", "arn:aws:s3:::payroll", {}),
}  # fmt: skip


def test_only_this_cluster_can_be_touched() -> None:
    questions = [
        Question(policies=tuple(POLICIES), action=action, resource=resource, context=context)
        for _, action, resource, context in CASES.values()
    ]
    results = judge(POLICIES, questions)
    decided = {name: result == "Allowed" for name, result in zip(CASES, results, strict=True)}
    assert decided == {name: case[0] for name, case in CASES.items()}


def test_no_role_is_passed_by_a_wildcard() -> None:
    passing = [
        one
        for policy in POLICIES.values()
        for one in policy["Statement"]
        if any(action.startswith("iam:Pass") for action in one["Action"])
    ]
    assert passing
    assert not any("*" in resource for one in passing for resource in one["Resource"])
    assert all("iam:PassedToService" in one["Condition"]["StringEquals"] for one in passing)


def test_every_action_exists() -> None:
    services = {action.partition(":")[0] for policy in POLICIES.values() for one in policy["Statement"]
                for action in one["Action"]}  # fmt: skip
    known = {action.name for action in catalogue(*sorted(services))}
    spoken_of = {a for policy in POLICIES.values() for one in policy["Statement"] for a in one["Action"]}
    assert sorted(action for action in spoken_of if "*" not in action and action not in known) == []


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--cluster", "dev", "--account", ACCOUNT, "--region", REGION, "--domain", "hub.example.org"]
    assert main([*given, "--zone", "Z0OWN", "--kms-key", KEY, "--operator"]) == 0
    assert json.loads(capsys.readouterr().out) == POLICIES


def test_the_command_takes_no_alias(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cluster", "dev", "--operator", "--kms-key", KEY.replace("key/", "alias/")])
    assert "give the key's own ARN" in capsys.readouterr().err


# (policy, finding, what its detail says): why it stands.
LINT_EXCEPTIONS = {
    (
        "machines",
        "RESOURCE_STAR",
        "DescribeAlarms",
    ): "Most of Look knows no resources; what does is shown as a list.",
    ("machines", "RESOURCE_MISMATCH", "ec2:RunInstances"): (
        "A launch is granted by several statements, each for one kind of resource; Parliament looks at one at a time."
    ),
    (
        "machines",
        "RESOURCE_MISMATCH",
        "ec2:CreateImage",
    ): "As a launch: what is made is tagged, what it is made of ours.",
    (
        "machines",
        "RESOURCE_MISMATCH",
        "ssm:GetParameter",
    ): "AWS's public parameters have no account in their ARNs.",
    (
        "storage",
        "RESOURCE_MISMATCH",
        "dynamodb:GetResourcePolicy",
    ): "It is asked about a table, as `aws dynamodb get-resource-policy` documents; the linter knows streams alone.",
    (
        "machines",
        "UNKNOWN_ACTION",
        "freetier:GetAccountPlanState",
    ): "The action of 2025 (botocore's service model has it) is newer than the linter's list.",
    (
        "stacks",
        "UNKNOWN_ACTION",
        "billing:GetBillingViewData",
    ): "CloudFormation's handler of budgets needs it, by its schema; the linter's list is older.",
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_linter_finds_nothing(name: str) -> None:
    unexplained = [
        (issue, detail)
        for issue, detail in findings(POLICIES[name])
        if not any(
            (name, issue) == (policy, kind) and part in detail for policy, kind, part in LINT_EXCEPTIONS
        )
    ]
    assert unexplained == []
