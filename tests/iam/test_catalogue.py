"""What "nothing" means: every action that AWS knows in the services that matter, not only those we thought of."""

import fnmatch

import pytest

from tests.iam.asking import FUNCTIONS, POLICIES, granting
from tests.iam.matrix import CHANNELS, MESSAGES
from tests.iam.simulator import Action, Question, catalogue, judge
from tests.iam.test_policies import ADMINISTRATOR

SERVICES = (
    "ec2",
    "dynamodb",
    "iam",
    "lambda",
    "s3",
    "sts",
    "events",
    "cloudwatch",
    "ssm",
    "logs",
    "sqs",
    "ssmmessages",
    "ec2messages",
    "autoscaling",
    "route53",
)

CHANGES: dict[str, set[str]] = {
    "manager": {
        "ec2:RunInstances",
        "ec2:StartInstances",
        "ec2:AttachVolume",
        "ec2:CreateTags",
        "events:PutEvents",
        "iam:PassRole",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "route53:ChangeResourceRecordSets",
        "s3:PutObject",
        "ssm:UpdateInstanceInformation",
        *(f"ssmmessages:{name}" for name in CHANNELS),
        *(f"ec2messages:{name}" for name in MESSAGES if not name.startswith("Get")),
    },
    "worker": {"cloudwatch:PutMetricData"},
    "builder": set(),
    "backups": {"ec2:CreateSnapshot", "ec2:CreateTags", "ec2:DeleteSnapshot"},
    "lifecycle": {
        "cloudwatch:DeleteAlarms",
        "cloudwatch:PutMetricAlarm",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "ec2:CreateTags",
        "ec2:ModifyVolume",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:SendMessage",
    },
}


@pytest.fixture(scope="module")
def actions() -> list[Action]:
    found = catalogue(*SERVICES)
    assert len(found) > 1500
    return found


@pytest.mark.parametrize(
    ("part", "roles"),
    [
        ("manager", ("manager",)),
        ("worker", ("worker",)),
        ("builder", ("builder",)),
        ("backups", ("backups",)),
        ("lifecycle", FUNCTIONS),
    ],
)
def test_of_all_changing_actions_exactly_these_are_granted_on_anything(
    part: str, roles: tuple[str, ...], actions: list[Action]
) -> None:
    """On some resource, in some context: conditions are taken as fulfilled, and the functions' powers together."""
    changing = [action.name for action in actions if action.changes]
    questions = [Question(policies=roles, action=name, resource="*", any_context=True) for name in changing]
    results = judge({role: granting(POLICIES[role]) for role in roles}, questions)
    granted = {name for name, result in zip(changing, results, strict=True) if result == "Allowed"}
    assert granted == CHANGES[part]


def _never(action: Action) -> bool:
    service, name = action.name.split(":")
    if service == "ec2":
        verbs = (
            "Stop",
            "Terminate",
            "Reboot",
            "Modify",
            "Delete",
            "Detach",
            "Replace",
            "Disassociate",
            "Release",
        )
        return name.startswith(verbs)
    if service == "iam":
        return action.changes and name != "PassRole"
    if service == "route53":
        return action.changes and name != "ChangeResourceRecordSets"
    return action.changes and service in ("dynamodb", "lambda")


def test_the_hub_is_denied_every_stop_change_and_write_whatever_is_attached_beside(
    actions: list[Action],
) -> None:
    """Each action of EC2 with such a verb, each write of DynamoDB, IAM and Lambda, in full access's presence."""
    never = [action.name for action in actions if _never(action)]
    assert len(never) > 350
    questions = [Question(policies=("manager", "administrator"), action=name, resource="*") for name in never]
    results = judge({"manager": POLICIES["manager"], "administrator": ADMINISTRATOR}, questions)
    assert [n for n, result in zip(never, results, strict=True) if result != "ExplicitlyDenied"] == []


def test_every_action_that_a_policy_speaks_of_exists(actions: list[Action]) -> None:
    """A misspelt denial would deny nothing, unnoticed."""
    spoken_of = {
        pattern
        for policy in POLICIES.values()
        for statement in policy["Statement"]
        for pattern in statement.get("Action", statement.get("NotAction"))
    }
    names = [action.name for action in actions]
    assert sorted(pattern for pattern in spoken_of if not fnmatch.filter(names, pattern)) == []
