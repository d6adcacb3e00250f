"""Roles as the settings say: what `plan` refuses of boundary, path and prefix."""

import pytest

from bootstrap.preflight.roles import judge_boundary, judge_names

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("boundary", "refused"),
    [
        ("", False),
        (f"arn:aws:iam::{ACCOUNT}:policy/OrgBoundary", False),
        ("arn:aws:iam::aws:policy/PowerUserAccess", False),
        ("arn:aws:iam::999999999999:policy/OrgBoundary", True),
        (f"arn:aws-us-gov:iam::{ACCOUNT}:policy/OrgBoundary", True),
    ],
)
def test_a_boundary_is_of_the_account_where_the_roles_are(boundary: str, refused: bool) -> None:
    found = list(judge_boundary(boundary, "aws", ACCOUNT))
    assert bool(found) == refused
    assert all("name one that begins with arn:aws:iam::123456789012:policy/" in str(one) for one in found)


@pytest.mark.parametrize(
    ("built", "path", "name", "fixes"),
    [
        ({"RoleName": "cloudjhub-a-worker"}, "/", "cloudjhub-a-worker", []),
        ({"RoleName": "p-cloudjhub-a-worker", "Path": "/x/"}, "/x/", "p-cloudjhub-a-worker", []),
        ({"RoleName": "cloudjhub-a-worker"}, "/x/", "cloudjhub-a-worker", ["remove `role_path`"]),
        (
            {"RoleName": "cloudjhub-a-worker", "Path": "/x/"}, "/", "cloudjhub-a-worker", ["set `role_path: /x/`"],
        ),
        ({"RoleName": "cloudjhub-a-worker"}, "/", "p-cloudjhub-a-worker", ["remove `role_prefix`"]),
        ({"RoleName": "p-cloudjhub-a-worker"}, "/", "q-cloudjhub-a-worker", ["set `role_prefix: p-`"]),
    ],
)  # fmt: skip
def test_path_and_prefix_stay_as_they_were_built(
    built: dict[str, str], path: str, name: str, fixes: list[str]
) -> None:
    found = [str(one) for one in judge_names(built, path, name)]
    assert len(found) == len(fixes)
    assert all(fix in one for fix, one in zip(fixes, found, strict=True))
