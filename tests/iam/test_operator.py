"""The operator's policies: enough for every call that the commands make, and nothing of another cluster's."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session
from chalice.awsclient import TypedAWSClient
from chalice.deploy.planner import PlanStage

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.__main__ import main
from bootstrap.cluster.policies.operator import operator_policies
from tests.contracts.test_stop_start_places import calls_in
from tests.iam.linting import findings
from tests.iam.simulator import ACCOUNT, Context, Question, catalogue, judge

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
SCOPE = Scope(cluster="dev", account=ACCOUNT, region=REGION)
POLICIES = operator_policies(SCOPE)
MANAGED_LIMIT = 6_144  # characters of a managed policy, without white space
LONGEST = Scope(cluster="a" * 32, account=ACCOUNT, region="ap-southeast-2", partition="aws-us-gov")
SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "ec2", "events", "iam", "lambda", "logs", "s3",
            "service-quotas", "sns", "sqs", "ssm")  # fmt: skip
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


def test_every_call_of_the_commands_is_allowed() -> None:
    called = sorted(set(_called()) - OUR_OWN_WORDS)
    assert len(called) > 60
    questions = [
        Question(policies=tuple(POLICIES), action=action, resource="*", any_context=True) for action in called
    ]
    results = judge(POLICIES, questions)
    assert [action for action, result in zip(called, results, strict=True) if result != "Allowed"] == []


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
    questions = [
        Question(policies=tuple(POLICIES), action=action, resource="*", any_context=True) for action in called
    ]
    results = judge(POLICIES, questions)
    assert [action for action, result in zip(called, results, strict=True) if result != "Allowed"] == []


@pytest.mark.parametrize("name", POLICIES)
def test_each_fits_into_a_managed_policy(name: str) -> None:
    policy = operator_policies(LONGEST)[name]
    assert len(json.dumps(policy, separators=(",", ":"))) <= MANAGED_LIMIT


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def iam(resource: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{resource}"


INSTANCE = arn("ec2", "instance/i-0123456789abcdef0")
OURS = {"aws:ResourceTag/cloudjhub:cluster": "dev"}
OTHERS = {"aws:ResourceTag/cloudjhub:cluster": "dev-b"}
CASES: Mapping[str, tuple[bool, str, str, Context]] = {
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
    "launch untagged": (False, "ec2:RunInstances", INSTANCE, {}),
    "launch for another": (False, "ec2:RunInstances", INSTANCE, {"aws:RequestTag/cloudjhub:cluster": "dev-b"}),
    "launch": (True, "ec2:RunInstances", INSTANCE, {"aws:RequestTag/cloudjhub:cluster": "dev"}),
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
        True, "iam:PassRole", iam("role/cloudjhub-dev-sweep"), {"iam:PassedToService": "lambda.amazonaws.com"},
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
    assert main(["--cluster", "dev", "--account", ACCOUNT, "--region", REGION, "--operator"]) == 0
    assert json.loads(capsys.readouterr().out) == POLICIES


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
        "machines",
        "UNKNOWN_ACTION",
        "freetier:GetAccountPlanState",
    ): "The action of 2025 (botocore's service model has it) is newer than the linter's list.",
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
