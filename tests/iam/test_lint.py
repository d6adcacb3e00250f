"""Parliament, a linter for policies, finds nothing in any of them, except for what is named here."""

import pytest

from tests.iam.asking import POLICIES
from tests.iam.linting import findings

# (role, finding, what its detail says): why it stands.
EXCEPTIONS = {
    ("manager", "RESOURCE_MISMATCH", "ec2:RunInstances"): (
        "A launch is granted by several statements, each for one kind of resource; Parliament looks at one at a time."
    ),
    ("backups", "RESOURCE_MISMATCH", "ec2:CreateSnapshot"): (
        "A snapshot is granted by two statements, for the volume that it is made of and for itself."
    ),
    **{
        (
            "manager",
            "UNKNOWN_ACTION",
            action,
        ): "Newer than Parliament's list; the simulator's has it (test_catalogue)."
        for action in (
            "dynamodb:A*",
            "dynamodb:W*",
        )
    },
}


def _findings(role: str) -> list[tuple[str, str, str]]:
    return [(role, issue, detail) for issue, detail in findings(POLICIES[role])]


@pytest.mark.parametrize("role", sorted(POLICIES))
def test_the_linter_finds_nothing_new(role: str) -> None:
    unexplained = [
        (issue, detail)
        for _, issue, detail in _findings(role)
        if not any(role == r and issue == i and part in detail for r, i, part in EXCEPTIONS)
    ]
    assert unexplained == []


@pytest.mark.parametrize("exception", sorted(EXCEPTIONS))
def test_each_exception_is_still_needed(exception: tuple[str, str, str]) -> None:
    role, issue, part = exception
    assert any(found == issue and part in detail for _, found, detail in _findings(role))
