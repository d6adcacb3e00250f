"""The institution's KMS key, and what its own policy must say.

A role may use a key if its key policy lets IAM decide and the role's policy allows it; CloudWatch Logs has no role, so
that the key policy itself must allow it.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import is_missing
from bootstrap.aws.session import Aws
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import SettingsError

LOGS_ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")
LOGS_CONTEXT = "kms:EncryptionContext:aws:logs:arn"
CALLER_ACCOUNT = "kms:CallerAccount"
DELEGATED = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What the roles' own policies have to be able to allow."""

Statement = Mapping[str, Any]


def without_alias(settings: ClusterSettings, aws: Aws) -> ClusterSettings:
    """The settings with the ARN of the key itself, where `kms_key` names an alias: a policy cannot name one, and it may
    lead to another key tomorrow. Raises SettingsError where it leads to none.
    """
    if ":alias/" not in settings.kms_key:
        return settings
    return replace(settings, kms_key=_key_of(aws, settings.kms_key))


def _key_of(aws: Aws, alias: str) -> str:
    try:
        return str(aws.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["Arn"])
    except ClientError as error:
        if not is_missing(error):
            raise
        raise SettingsError(f"kms_key: {alias} leads to no key: set it to the ARN of your key") from error


def delegates(policy: Statement, account: str) -> bool:
    """Can the account's IAM policies allow the use of a key with this key policy? Pure.

    So they can where it trusts the account, or all principals of the account; with any other condition it is taken not
    to, since IAM alone then does not decide.
    """
    trusted = [one for one in _allowing(policy) if _trusts(one, account)]
    return all(any(_covers(one, action) for one in trusted) for action in DELEGATED)


def allows_logs(policy: Statement, region: str, groups: Sequence[str]) -> bool:
    """Does a key policy let CloudWatch Logs encrypt log groups with these ARNs? Pure."""
    services = (f"logs.{region}.amazonaws.com", "logs.amazonaws.com")
    allowing = [one for one in _allowing(policy) if set(services) & set(_principals(one, "Service"))]
    return all(
        any(_covers(one, action) and _is_for(one, group) for one in allowing)
        for action in LOGS_ACTIONS
        for group in groups
    )


def logs_statement(region: str, groups: str) -> str:
    """The statement that lets CloudWatch Logs encrypt the log groups that this pattern of ARNs matches, as JSON."""
    return json.dumps(
        {
            "Sid": "CloudWatchLogs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": [
                "kms:Decrypt",
                "kms:Describe*",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            "Resource": "*",
            "Condition": {"ArnLike": {LOGS_CONTEXT: groups}},
        }
    )


def delegating_statement(partition: str, account: str) -> str:
    """The statement by which IAM decides about a key, as JSON: of the key policy that AWS itself gives to a new key."""
    root = f"arn:{partition}:iam::{account}:root"
    return json.dumps(
        {
            "Sid": "IamDecides",
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": "kms:*",
            "Resource": "*",
        }
    )


def _allowing(policy: Statement) -> Iterator[Statement]:
    statements = policy.get("Statement", [])
    for one in [statements] if isinstance(statements, Mapping) else statements:
        if one.get("Effect") == "Allow" and "Action" in one:
            yield one


def _trusts(statement: Statement, account: str) -> bool:
    conditions = statement.get("Condition") or {}
    names = set(_principals(statement, "AWS"))
    if not conditions and any(one == account or one.endswith(f":iam::{account}:root") for one in names):
        return True
    return "*" in names and conditions in (
        {"StringEquals": {CALLER_ACCOUNT: account}},
        {"StringEquals": {CALLER_ACCOUNT: [account]}},
    )


def _is_for(statement: Statement, group: str) -> bool:
    """Are all of its conditions about the log group's ARN, and fulfilled by it?"""
    for operator, wanted in (statement.get("Condition") or {}).items():
        if operator not in ("ArnEquals", "ArnLike", "StringEquals", "StringLike") or set(wanted) != {
            LOGS_CONTEXT
        }:
            return False
        if not any(fnmatchcase(group, pattern) for pattern in _texts(wanted[LOGS_CONTEXT])):
            return False
    return True


def _covers(statement: Statement, action: str) -> bool:
    return any(fnmatchcase(action.lower(), one.lower()) for one in _texts(statement["Action"]))


def _principals(statement: Statement, kind: str) -> Iterable[str]:
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return _texts(principal.get(kind, ()))
    return _texts(principal or ()) if kind == "AWS" else ()


def _texts(value: str | Iterable[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else tuple(value)
