"""What hub, workers, builder and functions really ask of AWS is granted by the cluster's own policies, as deployed.

The local cloud enforces no policy: it keeps what AWS would ask IAM about, and the simulator of tests/iam answers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bootstrap.aws import names
from bootstrap.cluster.policies.roles import POWERS
from lifecycle_app.model.policy_record import PolicyRecord
from tests.iam.simulator import Question, judge
from tests.scenarios.cloud import LocalCloud, control

pytestmark = pytest.mark.cloud

UNHEARD = {
    # Asked of ministack, which keeps no account of who asks.
    "AskForStops",
    "ForwardFailures",
    "WriteOwnLog",
    # A cluster that has just been built is not updated, nor a day old.
    "KeepBackups",
    # No machine is stopped for so long that it is removed, and no home fills.
    "TerminateWorkers",
    "SeeVolumes",
    "GrowHomes",
    # No user asks for files of an earlier day.
    "LaunchBackups",
    # Session Manager's agent runs on real machines only.
    "BeManaged",
    "HaveSessions",
}
# Keys of IAM's whose values are sets.
MANY = ("aws:TagKeys", "cloudwatch:AlarmActions", "dynamodb:LeadingKeys")
# Data Lifecycle Manager's calls, once a day, are EC2's own in the local cloud.
ROLES = {*names.roles("local")} - {names.role("local", names.BACKUPS)}


@pytest.fixture(scope="module")
def asked(cloud: LocalCloud) -> list[dict[str, Any]]:
    """What IAM would have been asked after two short courses: login, stop, second login; a login that its user leaves
    unused. One user would not do: in reports before and after a short stop the alarm sees no gap, and fires early.
    """
    person = cloud.person("vera")
    with cloud.faults("sweep-off"):
        cloud.person("wendy", may_idle=True).start()
        person.start()
        person.stop()
        cloud.await_state("vera", "stopped")
        person.start()
        cloud.await_state("wendy", "stopped")
        assert "alarm" in cloud.stopped_by("wendy")
    assert person.lab("POST", "cloudjhub/keep", {"seconds": 60}).json()["kept_until"]
    boss = cloud.person("carol", admin=True)
    wanted = {"scope": "user/wendy", "policy": {"keep_limit": 7200}}
    base = PolicyRecord(scope="user/wendy").version
    answer = boss.hub("POST", "cloudjhub/settings", {**wanted, "base": base}).json()
    assert answer["outcome"] == "recorded", answer
    answer = boss.hub("POST", "cloudjhub/settings", {**wanted, "base": "0" * 32, "policy": {}}).json()
    assert answer["outcome"] == "refused", "another has changed them since"
    for function in ("remove_stopped", "grow_homes"):
        cloud.invoke(function, {})
    # A whole pass: the scheduled one may be half-way when every part has asked for something.
    cloud.invoke("reconcile", {})
    cloud.await_true(
        "every part has asked for something", lambda: {one["role"] for one in seen(cloud)} >= ROLES
    )
    return seen(cloud)


def seen(cloud: LocalCloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control(cloud.told, "permissions")["permissions"]
    return [one for one in found if one["role"] in ROLES]


def deployed(cloud: LocalCloud) -> dict[str, Mapping[str, Any]]:
    """The roles' policies, as IAM has them."""
    iam = cloud.client("iam")
    policies = {}
    for role in ROLES:
        [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        policies[role] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return policies


def question(role: str, one: Mapping[str, Any]) -> Question:
    context = {key: values if key in MANY else values[0] for key, values in one["context"]}
    return Question(policies=(role,), action=one["action"], resource=one["resource"], context=context)


def test_every_call_that_was_made_is_granted(cloud: LocalCloud, asked: list[dict[str, Any]]) -> None:
    assert not [one for one in asked if "unknown" in one], (
        "bootstrap/local/cloud/gateway/call_log.py does not know these calls"
    )
    answers = judge(deployed(cloud), [question(one["role"], one) for one in asked])
    refused = [(one, answer) for one, answer in zip(asked, answers, strict=True) if answer != "Allowed"]
    assert refused == []
    assert len(asked) > 3 * len(ROLES), "and it were not few"


def test_each_part_is_refused_what_another_was_granted(
    cloud: LocalCloud, asked: list[dict[str, Any]]
) -> None:
    """So that the judge is no rubber stamp: the hub may not stop, the functions not start, a worker neither."""
    policies = deployed(cloud)
    stops = [one for one in asked if one["action"] == "ec2:StopInstances"]
    starts = [one for one in asked if one["action"] in ("ec2:StartInstances", "ec2:RunInstances")]
    writes = [one for one in asked if one["action"] in ("dynamodb:PutItem", "dynamodb:UpdateItem")]
    assert stops
    assert starts
    assert writes
    assert {one["role"] for one in starts} == {"cloudjhub-local-manager"}
    functions = [names.function_role("local", name) for name in POWERS]
    forbidden = [
        *(question("cloudjhub-local-manager", one) for one in (*stops, *writes)),
        *(question(role, one) for role in functions for one in starts),
        *(
            question(f"cloudjhub-local-{part}", one)
            for part in ("worker", "builder")
            for one in asked_of_ec2(asked)
        ),
    ]
    assert set(judge(policies, forbidden)) <= {"ExplicitlyDenied", "ImplicitlyDenied"}


def test_each_kind_of_grant_is_needed_by_a_call(cloud: LocalCloud, asked: list[dict[str, Any]]) -> None:
    """Without it something that was done is refused to some role; but for those whose calls are not recorded here."""
    lessened = {
        (role, one["Sid"]): {
            **policy,
            "Statement": [other for other in policy["Statement"] if other is not one],
        }
        for role, policy in deployed(cloud).items()
        for one in policy["Statement"]
        if one["Effect"] == "Allow"
    }
    made = [
        (key, replace(question(key[0], one), policies=(str(key),)))
        for key in lessened
        for one in asked
        if one["role"] == key[0]
    ]
    answers = judge({str(key): policy for key, policy in lessened.items()}, [one for _, one in made])
    needed = {key for (key, _), answer in zip(made, answers, strict=True) if answer != "Allowed"}
    assert {sid for _, sid in lessened} - {sid for _, sid in needed} <= UNHEARD


def asked_of_ec2(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in asked if one["action"].startswith("ec2:")]
