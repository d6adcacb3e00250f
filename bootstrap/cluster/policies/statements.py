"""The statements that policies are built of."""

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
Statement = dict[str, Any]
Conditions = dict[str, dict[str, Any]]


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Conditions | None = None
) -> Statement:
    """A statement that allows these actions on these resources, under a condition if there is one."""
    return _statement(sid, "Allow", actions, resources, conditions)


def deny(
    sid: str, actions: Sequence[str], resources: Sequence[str] = ("*",), conditions: Conditions | None = None
) -> Statement:
    """The same, denying."""
    return _statement(sid, "Deny", actions, resources, conditions)


def document(*statements: Statement) -> Document:
    """A whole policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _statement(
    sid: str, effect: str, actions: Sequence[str], resources: Sequence[str], conditions: Conditions | None
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": effect,
        "Action": list(actions),
        "Resource": list(resources),
    }
    return {**statement, "Condition": conditions} if conditions else statement
