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
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return {**statement, "Condition": conditions} if conditions else statement


def document(*statements: Statement) -> Document:
    """A whole policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
