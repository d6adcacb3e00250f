"""Path, prefix and permissions boundary of roles: on every role, and in every policy that names a role."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cfnlint import api as cfnlint

from bootstrap.aws import names
from bootstrap.cluster.chalice import project_files
from bootstrap.cluster.policies import manager_policy
from bootstrap.cluster.policies.operator import operator_policies
from bootstrap.cluster.templates import access_template
from tests.iam.asking import SCOPE, Asked, Request, decide
from tests.iam.launches import LAUNCHED, launch
from tests.iam.linting import findings
from tests.iam.simulator import ACCOUNT, Question, judge

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/OrgBoundary"
BOUND = replace(
    SCOPE,
    role_path="/project/",
    role_prefix="phys-",
    boundary=BOUNDARY,
    worker_role="",
    domain="hub.example.org",
)
ROLE, PROFILE = f"arn:aws:iam::{ACCOUNT}:role", f"arn:aws:iam::{ACCOUNT}:instance-profile"
PASSED = {"iam:PassedToService": "ec2.amazonaws.com"}
# As organizations write them (service control policies): what they do not deny, they leave to others.
NO_ROLE_WITHOUT_BOUNDARY = {
    "Effect": "Deny",
    "Action": ["iam:CreateRole", "iam:PutRolePolicy"],
    "Resource": "*",
    "Condition": {"StringNotEquals": {"iam:PermissionsBoundary": BOUNDARY}},
}
NO_ROLE_ELSEWHERE = {
    "Effect": "Deny",
    "Action": "iam:CreateRole",
    "NotResource": ["arn:aws:iam::*:role/project/*"],
}


def resources(kind: str) -> list[dict[str, Any]]:
    found = access_template(BOUND)["Resources"].values()
    return [one["Properties"] for one in found if one["Type"] == f"AWS::IAM::{kind}"]


def test_every_role_has_them() -> None:
    roles = resources("Role")
    assert sorted(one["RoleName"] for one in roles) == sorted(names.roles("dev", "phys-"))
    assert len(roles) == 14
    assert {(one["Path"], one["PermissionsBoundary"]) for one in roles} == {("/project/", BOUNDARY)}
    assert all(one["RoleName"].startswith("phys-cloudjhub-dev-") for one in roles)


def test_every_instance_profile_has_path_and_prefix() -> None:
    profiles = resources("InstanceProfile")
    assert {one["Path"] for one in profiles} == {"/project/"}
    assert {one["InstanceProfileName"] for one in profiles} == {
        f"phys-cloudjhub-dev-{part}" for part in names.MACHINE_ROLES
    }


def test_no_other_stack_has_a_role() -> None:
    """And Chalice makes none: it is told which to use."""
    config = json.loads(project_files(BOUND, {}, {})[".chalice/config.json"])
    functions = config["stages"]["dev"]["lambda_functions"]
    assert {one["iam_role_arn"] for one in functions.values()} == {
        f"{ROLE}/project/phys-cloudjhub-dev-{handler}-role" for handler in names.HANDLERS
    }
    assert not any(one["manage_iam_role"] for one in functions.values())


def test_cloudformation_takes_the_template() -> None:
    found = cfnlint.lint_all(json.dumps(access_template(BOUND)))
    assert [match for match in found if not match.rule.id.startswith("I")] == []


def test_the_hub_launches_with_the_workers_profile_and_passes_its_role_alone() -> None:
    worker = "project/phys-cloudjhub-dev-worker"
    instance = LAUNCHED["instance"]
    bound = Asked(instance.resource, {**instance.context, "ec2:InstanceProfile": f"{PROFILE}/{worker}"})
    requests = {
        "launch": launch(instance=bound),
        "launch with the profile at no path": launch(),
        "pass": Request("iam:PassRole", (Asked(f"{ROLE}/{worker}", PASSED),)),
        "pass without path": Request("iam:PassRole", (Asked(f"{ROLE}/phys-cloudjhub-dev-worker", PASSED),)),
        "pass without prefix": Request(
            "iam:PassRole", (Asked(f"{ROLE}/project/cloudjhub-dev-worker", PASSED),)
        ),
        "pass the manager's": Request(
            "iam:PassRole", (Asked(f"{ROLE}/project/phys-cloudjhub-dev-manager", PASSED),)
        ),
    }
    decided = decide({"manager": manager_policy(BOUND)}, {"manager": ("manager",)}, requests)["manager"]
    assert [name for name, result in decided.items() if result == "Allowed"] == ["launch", "pass"]


def judged(action: str, role: str, boundary: str, *beside: dict[str, Any]) -> str:
    """What an operator with the printed policies is answered in an organization with these denials."""
    policies = operator_policies(BOUND)
    if beside:
        policies["organization"] = {"Version": "2012-10-17", "Statement": list(beside)}
    context = {"iam:PermissionsBoundary": boundary} if boundary else {}
    [result] = judge(
        policies, [Question(policies=tuple(policies), action=action, resource=role, context=context)]
    )
    return result


OURS = f"{ROLE}/project/phys-cloudjhub-dev-sweep-role"
ORGANIZATION = (NO_ROLE_WITHOUT_BOUNDARY, NO_ROLE_ELSEWHERE)


def test_the_operator_may_make_every_role_under_the_organizations_policies() -> None:
    for one in resources("Role"):
        role = f"{ROLE}{one['Path']}{one['RoleName']}"
        for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"):
            assert judged(action, role, one["PermissionsBoundary"], *ORGANIZATION) == "Allowed", (
                action,
                role,
            )


@pytest.mark.parametrize(
    ("action", "role", "boundary"),
    [
        ("iam:CreateRole", OURS, ""),
        ("iam:CreateRole", OURS, f"arn:aws:iam::{ACCOUNT}:policy/Other"),
        ("iam:CreateRole", f"{ROLE}/phys-cloudjhub-dev-sweep-role", BOUNDARY),
        ("iam:CreateRole", f"{ROLE}/project/cloudjhub-dev-sweep-role", BOUNDARY),
        ("iam:PutRolePolicy", OURS, ""),
        ("iam:PutRolePermissionsBoundary", OURS, f"arn:aws:iam::{ACCOUNT}:policy/Other"),
        ("iam:DeleteRolePermissionsBoundary", OURS, BOUNDARY),
    ],
)
def test_the_operators_own_policies_hold_the_boundary_too(action: str, role: str, boundary: str) -> None:
    assert judged(action, role, boundary) != "Allowed"


def test_the_operator_passes_the_roles_where_they_are() -> None:
    policies = operator_policies(BOUND)
    questions = [
        Question(policies=tuple(policies), action="iam:PassRole", resource=role,
                 context={"iam:PassedToService": "lambda.amazonaws.com"})
        for role in (OURS, f"{ROLE}/phys-cloudjhub-dev-sweep-role", f"{ROLE}/project/cloudjhub-dev-sweep-role")
    ]  # fmt: skip
    assert [result == "Allowed" for result in judge(policies, questions)] == [True, False, False]


def test_the_linter_finds_nothing_in_the_boundarys_policy() -> None:
    """The linter takes the key for an ARN; AWS documents it with string operators."""
    found = findings(operator_policies(BOUND)["boundary"])
    assert {issue for issue, _ in found} == {"MISMATCHED_TYPE_BUT_USABLE"}
