"""What each role may do with the institution's KMS key: what it needs, on this key, for this cluster, and no more."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bootstrap.aws import names
from bootstrap.aws.scope import Challenge, Scope
from bootstrap.cluster.policies import (
    backup_policy,
    builder_policy,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)
from bootstrap.cluster.policies.operator import operator_policies
from bootstrap.cluster.policies.resources import Document
from bootstrap.preflight.keys import POLICY_ROOM
from tests.iam.asking import FUNCTIONS, POLICIES, REGION, SCOPE, granting
from tests.iam.linting import findings
from tests.iam.simulator import ACCOUNT, Question, Result, judge
from tests.iam.test_policies import BY_FUNCTION

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
OTHER = KEY.replace("0123-", "9999-")
WITH_KEY = replace(SCOPE, key=KEY)
ADMINISTRATOR: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
CONTEXT = "kms:EncryptionContext:"
VIA = "kms:ViaService"


def policies_of(scope: Scope) -> dict[str, Document]:
    return {
        "manager": manager_policy(scope),
        "worker": worker_policy(scope),
        "builder": builder_policy(scope),
        "backups": backup_policy(scope),
        **lifecycle_policies(scope),
    }


GIVEN = policies_of(WITH_KEY)


def via(service: str, region: str = REGION) -> str:
    return f"{service}.{region}.amazonaws.com"


def parameter(name: str) -> dict[str, str]:
    return {
        f"{CONTEXT}PARAMETER_ARN": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/cloudjhub/{name}",
        VIA: via("ssm"),
    }


def table(name: str) -> dict[str, str]:
    return {f"{CONTEXT}aws:dynamodb:tableName": name, VIA: via("dynamodb")}


def bucket(name: str) -> dict[str, str]:
    return {f"{CONTEXT}aws:s3:arn": f"arn:aws:s3:::{name}", VIA: via("s3")}


OWN_BUCKET = f"cloudjhub-dev-{ACCOUNT}-{REGION}"
GRANT = {"kms:GrantIsForAWSResource": "true"}
ASKED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "describe": ("kms:DescribeKey", {}),
    **{
        f"disk, {action}": (f"kms:{action}", {VIA: via("ec2")})
        for action in ("Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
    },
    "disk, grant": ("kms:CreateGrant", {VIA: via("ec2"), **GRANT}),
    "disk, grant of one's own": ("kms:CreateGrant", {VIA: via("ec2"), "kms:GrantIsForAWSResource": "false"}),
    "grant by hand": ("kms:CreateGrant", {}),
    "grant by another service": ("kms:CreateGrant", {VIA: via("lambda"), **GRANT}),
    "disk in another region": ("kms:Decrypt", {VIA: via("ec2", "us-east-1")}),
    "decrypt by hand": ("kms:Decrypt", {}),
    "decrypt by another service": ("kms:Decrypt", {VIA: via("secretsmanager")}),
    "workers, read": ("kms:Decrypt", table("cloudjhub-dev-workers")),
    "history, read": ("kms:Decrypt", table("cloudjhub-dev-history")),
    "settings, read": ("kms:Decrypt", table("cloudjhub-dev-settings")),
    "other cluster's table": ("kms:Decrypt", table("cloudjhub-dev-b-workers")),
    "workers, write": ("kms:GenerateDataKey", table("cloudjhub-dev-workers")),
    "hub token": ("kms:Decrypt", parameter("dev/lifecycle-token")),
    "cookie secret": ("kms:Decrypt", parameter("dev/hub/cookie-secret")),
    "operator token": ("kms:Decrypt", parameter("dev/operator-token")),
    "other cluster's secret": ("kms:Decrypt", parameter("dev-b/hub/cookie-secret")),
    "hub token, write": ("kms:Encrypt", parameter("dev/lifecycle-token")),
    "bucket, read": ("kms:Decrypt", bucket(OWN_BUCKET)),
    "bucket, write": ("kms:GenerateDataKey", bucket(OWN_BUCKET)),
    "other bucket": ("kms:Decrypt", bucket("payroll")),
    **{
        f"key, {one}": (f"kms:{one}", {})
        for one in ("DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion", "RetireGrant")
    },
}
DISKS = {name for name in ASKED if name.startswith("disk, ")} - {"disk, grant of one's own"}
TABLES = {"workers, read", "history, read", "settings, read"}
WRITES = {"UpdateItem, workers", "PutItem, history"}
ALLOWED: Mapping[str, set[str]] = {
    "manager": {"describe", *DISKS, *TABLES, "hub token", "cookie secret", "bucket, read", "bucket, write"},
    "worker": set(),
    "builder": {"bucket, read"},
    "backups": {"describe", *DISKS},
    **{
        function: {
            "describe",
            *TABLES,
            *({"workers, write"} if granted & WRITES else ()),
            *({"hub token"} if "GetParameter, lifecycle token" in granted else ()),
        }
        for function, granted in BY_FUNCTION.items()
    },
}


KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""IAM decides; without it, no policy of a role counts."""


STAND_INS = {
    f"{CONTEXT}PARAMETER_ARN": "kms:RequestAlias",
    f"{CONTEXT}aws:dynamodb:tableName": "kms:CallerAccount",
    f"{CONTEXT}aws:s3:arn": "kms:EncryptionAlgorithm",
}
"""Other keys of KMS's, texts too: the simulator knows no names in an encryption context."""


def readable(document: Any) -> Any:
    """A policy or a context for the simulator."""
    text = json.dumps(document)
    for name, stand_in in STAND_INS.items():
        assert stand_in not in text
        text = text.replace(name, stand_in)
    return json.loads(text)


def judged(policies: Mapping[str, Document], questions: Sequence[Question]) -> list[Result]:
    asked = [replace(one, context=readable(dict(one.context)), trust=KEY_POLICY) for one in questions]
    return judge({name: readable(policy) for name, policy in policies.items()}, asked)


def answers(policies: Mapping[str, Document], key: str, *beside: str) -> dict[str, dict[str, Result]]:
    """What each policy answers, in one batch; `beside`: keys of policies that its bearer has too."""
    asked = [
        (bearer, name, Question(policies=(bearer, *beside), action=action, resource=key, context=context))
        for bearer in policies
        if bearer not in beside
        for name, (action, context) in ASKED.items()
    ]
    found: dict[str, dict[str, Result]] = {}
    results = judged(policies, [question for _, _, question in asked])
    for (bearer, name, _), result in zip(asked, results, strict=True):
        found.setdefault(bearer, {})[name] = result
    return found


def test_a_role_may_use_the_key_for_what_it_does() -> None:
    allowed = {
        role: {name for name, result in found.items() if result == "Allowed"}
        for role, found in answers(GIVEN, KEY).items()
    }
    assert allowed == ALLOWED


def test_no_role_may_use_another_key() -> None:
    assert [role for role, found in answers(GIVEN, OTHER).items() if "Allowed" in found.values()] == []


def test_what_has_one_task_uses_no_other_key_beside_an_administrators_policy() -> None:
    narrow = {role: GIVEN[role] for role in ("worker", "builder", "backups")}
    found = answers({**narrow, "administrator": ADMINISTRATOR}, OTHER, "administrator")
    assert {result for one in found.values() for result in one.values()} == {"ExplicitlyDenied"}


def test_the_table_is_about_all_functions() -> None:
    assert set(ALLOWED) == set(GIVEN)
    assert set(FUNCTIONS) < set(ALLOWED)


def _weakened(policy: Document) -> Iterator[tuple[str, Document]]:
    """The policy, each time with one condition key less in a statement about the key."""
    for number, one in enumerate(policy["Statement"]):
        for operator, keys in one.get("Condition", {}).items():
            for key in keys:
                if one["Resource"] != [KEY]:
                    continue
                left = {name: value for name, value in keys.items() if name != key}
                conditions = {**one["Condition"], operator: left}
                statements = list(policy["Statement"])
                statements[number] = {**one, "Condition": {n: c for n, c in conditions.items() if c}}
                yield f"{one['Sid']} without {key}", {**policy, "Statement": statements}


def test_every_condition_refuses_something() -> None:
    roles = ("manager", "builder", "backups", "reconcile")
    whole = answers({role: granting(GIVEN[role]) for role in roles}, KEY)
    weakened = {(role, what): one for role in roles for what, one in _weakened(granting(GIVEN[role]))}
    decided = answers({f"{role}: {what}": one for (role, what), one in weakened.items()}, KEY)
    assert {role for role, _ in weakened} == set(roles)
    assert [one for one in weakened if decided[": ".join(one)] == whole[one[0]]] == []


def test_without_a_key_no_policy_speaks_of_kms() -> None:
    assert "kms:" not in json.dumps(POLICIES)
    assert "key" not in operator_policies(SCOPE)


def test_nothing_but_kms_differs_with_a_key() -> None:
    for role, policy in GIVEN.items():
        theirs = [one for one in policy["Statement"] if "kms:" not in json.dumps(one)]
        ours = [one for one in POLICIES[role]["Statement"] if one in theirs]
        assert ours == theirs, role


OPERATORS = operator_policies(replace(WITH_KEY, domain="hub.example.org"))
SERVICES = ("dynamodb", "ec2", "s3", "ssm")


@pytest.mark.parametrize("service", SERVICES)
def test_the_operator_uses_the_key_by_the_services_that_keep_something(service: str) -> None:
    wanted = [
        *(Question(policies=("key",), action=f"kms:{action}", resource=KEY, context={VIA: via(service)})
          for action in ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo")),
        Question(policies=("key",), action="kms:CreateGrant", resource=KEY, context={VIA: via(service), **GRANT}),
    ]  # fmt: skip
    assert set(judged(OPERATORS, wanted)) == {"Allowed"}
    refused = [
        *(replace(one, resource=OTHER) for one in wanted),
        *(replace(one, context={}) for one in wanted),
        replace(wanted[-1], context={VIA: via(service)}),
        replace(wanted[0], context={VIA: via("lambda")}),
    ]
    assert "Allowed" not in judged(OPERATORS, refused)


def test_the_linter_finds_nothing() -> None:
    for name, policy in {**GIVEN, "operator": OPERATORS["key"]}.items():
        about_keys = [one for one in policy["Statement"] if "kms:" in json.dumps(one)]
        assert not about_keys or findings({**policy, "Statement": about_keys}) == [], name


def test_every_policy_has_room_for_the_key() -> None:
    """The longest name and path, six subnets, a domain: only with many tags `plan` refuses the manager's."""
    scope = Scope(
        cluster="a" * 32,
        account=ACCOUNT,
        region="ap-southeast-2",
        subnets=tuple(f"subnet-{number:017x}" for number in range(6)),
        security_groups=("sg-0123456789abcdef0",),
        role_path=f"/{'p' * 62}/",
        key=f"arn:aws:kms:ap-southeast-2:{ACCOUNT}:key/mrk-{'0' * 32}",
    )
    small = {name: len(json.dumps(one, separators=(",", ":"))) for name, one in policies_of(scope).items()}
    assert max(small.values()) <= POLICY_ROOM, small
    usual = replace(
        scope,
        cluster="physics-101",
        worker_role="",
        subnets=scope.subnets[:2],
        challenge=Challenge("Z" * 32, "_acme-challenge.hub.physics.example.org"),
        tag_keys=tuple(f"CostCenter{number}" for number in range(6)),
        role_path="/",
    )
    assert len(json.dumps(manager_policy(usual), separators=(",", ":"))) <= POLICY_ROOM
    assert names.role("physics-101", "worker") == usual.worker_role
