"""What IAM policies say of an action: the statements' actions, resources and the condition operators of ours.

Strict where it does not know: a condition that it cannot judge fulfils no grant, and every denial.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, Sequence[str]]
"""The values of the request's condition keys."""
Statement = Mapping[str, Any]


def is_allowed(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Does a policy allow the action on the resource, and none deny it?"""
    effects = {
        one["Effect"]
        for document in documents
        for one in _listed(document["Statement"])
        if _applies(one, action, resource, context)
    }
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    return (
        _speaks_of(statement, "Action", action.lower())
        and _speaks_of(statement, "Resource", resource)
        and all(
            _holds(operator, key, _listed(wanted), context, is_denial=statement["Effect"] == "Deny")
            for operator, conditions in (statement.get("Condition") or {}).items()
            for key, wanted in conditions.items()
        )
    )


def _speaks_of(statement: Statement, part: str, name: str) -> bool:
    """By `Action` or `NotAction`, `Resource` or `NotResource`."""
    listed = _listed(statement.get(part, statement.get(f"Not{part}", ())))
    patterns = [one.lower() for one in listed] if part == "Action" else listed
    return any(fnmatchcase(name, one) for one in patterns) is (part in statement)


COMPARED: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
}


def _holds(operator: str, key: str, wanted: Sequence[str], context: Context, *, is_denial: bool) -> bool:
    values = context.get(key, ())
    if operator not in COMPARED:
        return is_denial
    return any(COMPARED[operator](value, str(one)) for value in values for one in wanted)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)
