"""What the code calls is granted to its role, and no power over EC2 is granted that no code calls for."""

from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from tests.contracts.test_stop_start_places import calls_in
from tests.iam.asking import FUNCTIONS, POLICIES, granting

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("cloudwatch", "ec2", "events", "ssm")
PARTS = {"hub": ("manager",), "lifecycle_app": FUNCTIONS, "bootstrap/worker": ("worker",)}
# EC2 asks for it when a launch names tags.
ASKED_BY_LAUNCH = {"ec2:CreateTags"}


@cache
def _operations() -> dict[str, str]:
    """boto3's method names, each with the action that IAM knows it by."""
    session = Session()
    return {
        xform_name(operation): f"{service}:{operation}"
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
    }


def _called(part: str) -> set[str]:
    files = [path for path in (REPOSITORY / part).rglob("*.py") if "node_modules" not in path.parts]
    names = set().union(*(calls_in(path.read_text(encoding="utf-8")) for path in files))
    return {_operations()[name] for name in names & set(_operations())}


def _granted(roles: tuple[str, ...]) -> set[str]:
    """No grant has a wildcard in its action: the comparison holds as it stands."""
    actions = {a for role in roles for one in granting(POLICIES[role])["Statement"] for a in one["Action"]}
    assert not any("*" in action for action in actions)
    return actions


@pytest.mark.parametrize("part", sorted(PARTS))
def test_what_the_code_calls_is_granted(part: str) -> None:
    called = _called(part)
    assert called
    assert called - _granted(PARTS[part]) == set()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_no_power_over_ec2_lies_idle(part: str) -> None:
    powers = {action for action in _granted(PARTS[part]) if action.startswith("ec2:")}
    assert powers - _called(part) - ASKED_BY_LAUNCH == set()
