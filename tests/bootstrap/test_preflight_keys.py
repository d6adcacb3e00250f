"""What `plan` says of the institution's KMS key and of its policy, and of the account's default key for disks."""

import json
from typing import Any

import pytest

from bootstrap.aws import names
from bootstrap.aws.keys import delegates
from bootstrap.preflight import keys

ACCOUNT, REGION, CLUSTER = "123456789012", "eu-west-1", "physics"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
OTHER = KEY.replace("0123-", "9999-")
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
LOGS = {"Service": f"logs.{REGION}.amazonaws.com"}
GROUPS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
CONTEXT = "kms:EncryptionContext:aws:logs:arn"
# As AWS documents it.
FOR_LOGS = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
DESCRIBED = {
    "Arn": KEY, "KeyState": "Enabled", "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyUsage": "ENCRYPT_DECRYPT",
}  # fmt: skip


def lines(problems: Any) -> list[str]:
    found = list(problems)
    assert all(one.refuses for one in found)
    return [one.line for one in found]


def statement(
    principal: object, action: object = "kms:*", condition: object = None, effect: str = "Allow"
) -> dict[str, Any]:
    given = {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*"}
    return {**given, "Condition": condition} if condition else given


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def judged(*statements: dict[str, Any]) -> list[str]:
    return lines(keys.judge_policy(policy(*statements), "aws", ACCOUNT, REGION, CLUSTER))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        (
            {"KeyState": "Disabled"},
            "is Disabled, and nothing can be encrypted with it: enable it, or name another",
        ),
        ({"KeyState": "PendingDeletion"}, "cancel its deletion and enable it"),
        ({"KeyManager": "AWS"}, "is AWS's own, whose use no role can be allowed: remove `kms_key`"),
        ({"KeySpec": "RSA_2048"}, "is a RSA_2048 key for ENCRYPT_DECRYPT"),
        (
            {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
            "name a SYMMETRIC_DEFAULT key for ENCRYPT_DECRYPT",
        ),
        ({"Arn": KEY.replace("arn:aws:", "arn:aws-cn:")}, "is not of this account's partition aws"),
    ],
)
def test_a_key_that_cannot_be_used(changed: dict[str, str], said: str | None) -> None:
    found = lines(keys.judge_key({**DESCRIBED, **changed}, "aws"))
    assert len(found) == (0 if said is None else 1)
    assert said is None or said in found[0]


IAM_DECIDES = statement(ROOT)
LOGS_MAY = statement(LOGS, FOR_LOGS, {"ArnLike": {CONTEXT: f"{GROUPS}*"}})


@pytest.mark.parametrize(
    ("given", "is_delegating"),
    [
        (IAM_DECIDES, True),
        (statement({"AWS": ACCOUNT}), True),
        (statement({"AWS": [f"arn:aws:iam::{ACCOUNT}:role/admin", ROOT["AWS"]]}), True),
        (statement("*", condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}), True),
        (statement({"AWS": "*"}, condition={"StringEquals": {"kms:CallerAccount": [ACCOUNT]}}), True),
        (statement({"AWS": "*"}, condition={"StringEquals": {"kms:CallerAccount": "210987654321"}}), False),
        (statement({"AWS": "arn:aws:iam::210987654321:root"}), False),
        (statement({"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}), False),
        (statement(ROOT, ["kms:Describe*", "kms:Put*"]), False),
        (statement(ROOT, condition={"StringEquals": {"aws:PrincipalTag/team": "x"}}), False),
        (statement(ROOT, effect="Deny"), False),
    ],
)
def test_does_the_key_policy_let_iam_decide(given: dict[str, Any], is_delegating: bool) -> None:
    assert delegates(policy(given), ACCOUNT) is is_delegating
    assert delegates({"Statement": given}, ACCOUNT) is is_delegating, "a single statement needs no list"
    found = judged(given, LOGS_MAY)
    assert found == [] if is_delegating else "add the statement" in found[0]


@pytest.mark.parametrize(
    ("given", "may"),
    [
        (LOGS_MAY, True),
        (statement(LOGS, FOR_LOGS), True),
        (statement({"Service": "logs.amazonaws.com"}, "kms:*"), True),
        (statement(LOGS, FOR_LOGS, {"ArnLike": {CONTEXT: [f"{GROUPS}/cloudjhub/*", f"{GROUPS}/aws/lambda/*"]}}), True),
        (statement(LOGS, FOR_LOGS, {"ArnLike": {CONTEXT: f"{GROUPS}/cloudjhub/*"}}), False),
        (statement(LOGS, FOR_LOGS, {"ArnEquals": {CONTEXT: f"{GROUPS}{names.log_group(CLUSTER)}"}}), False),
        (statement(LOGS, FOR_LOGS, {"StringEquals": {"aws:SourceAccount": ACCOUNT}}), False),
        (statement(LOGS, FOR_LOGS[:2]), False),
        (statement({"Service": "logs.eu-central-1.amazonaws.com"}, FOR_LOGS), False),
        (statement({**LOGS, "AWS": "*"}, FOR_LOGS, effect="Deny"), False),
    ],
)  # fmt: skip
def test_does_the_key_policy_let_cloudwatch_logs_use_it(given: dict[str, Any], may: bool) -> None:
    found = judged(IAM_DECIDES, given)
    assert len(found) == (0 if may else 1)
    assert may or "does not let CloudWatch Logs encrypt the cluster's log groups" in found[0]


def test_what_plan_says_to_add_is_enough() -> None:
    """The statements in the message, added to the key policy as they stand."""
    added = [json.loads(line.partition("add the statement ")[2]) for line in judged()]
    assert [one["Sid"] for one in added] == ["IamDecides", "CloudWatchLogs"]
    assert judged(*added) == []


@pytest.mark.parametrize(
    ("built", "wanted", "said"),
    [
        ("", "", None),
        ("", KEY, None),
        (KEY, KEY, None),
        (KEY, "", "`kms_key` is gone"),
        (KEY, OTHER, f"`kms_key` is {OTHER} now"),
    ],
)
def test_the_key_stays_that_of_the_disks(built: str, wanted: str, said: str | None) -> None:
    found = lines(keys.judge_kept(built, wanted))
    assert len(found) == (0 if said is None else 1)
    assert said is None or (said in found[0] and found[0].endswith(f"set `kms_key: {KEY}`"))


def test_the_accounts_own_default_key_for_disks_needs_the_setting() -> None:
    """In a line that says what to set; AWS's own key may be used by every role."""
    assert lines(keys.judge_default(KEY, "AWS")) == []
    [line] = lines(keys.judge_default(KEY, "CUSTOMER"))
    assert line.endswith(f"EC2 would end every machine right after its launch: set `kms_key: {KEY}`")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("policy", "template", "said"),
    [
        (10_240, 51_200, None),
        (10_241, 51_200, "the policy of the manager's role has 10,241 characters, and AWS takes 10,240"),
        (10_240, 51_201, "the template of the roles has 51,201 characters, and AWS takes 51,200"),
    ],
)
def test_policy_and_template_have_room_for_the_key(policy: int, template: int, said: str | None) -> None:
    found = lines(keys.judge_room(policy, template))
    assert len(found) == (0 if said is None else 1)
    assert said is None or said in found[0]
