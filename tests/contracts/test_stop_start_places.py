"""Instances are stopped and terminated in exactly one file of the lifecycle app, started in exactly one of the hub, and
launched and terminated for the operator in exactly one of bootstrap, whatever the policies allow."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("app.py", "lifecycle_app", "hub", "bootstrap")
# The emulated EC2 and the emulated operator there are not part of what runs on AWS.
NOT_PRODUCT = ("bootstrap/local",)

STOPPING = {"stop_instances", "StopInstances"}
STARTING = {"start_instances", "StartInstances"}
LAUNCHING = {"run_instances", "RunInstances"}
TERMINATING = {"terminate_instances", "TerminateInstances"}
# No other call ends, starts or makes an instance either.
NOWHERE = {
    "reboot_instances",
    "create_fleet",
    "request_spot_instances",
    "request_spot_fleet",
    "modify_instance_attribute",
}


def _sources() -> list[Path]:
    found: list[Path] = []
    for part in PRODUCT:
        path = REPOSITORY / part
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [
        path
        for path in found
        if "node_modules" not in path.parts
        and not path.relative_to(REPOSITORY).as_posix().startswith(NOT_PRODUCT)
    ]


def calls_in(source: str) -> set[str]:
    """Names that a module could call a client's method by: attributes, and strings given to a function.

    The strings are for getattr, get_paginator and the like; a logged or documented name is none.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Call) and _takes_a_method_name(node.func):
            names |= {
                one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
            }
    return names


def _takes_a_method_name(function: ast.expr) -> bool:
    named = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return named in {
        "getattr",
        "methodcaller",
        "get_paginator",
        "get_waiter",
        "make_api_call",
        "_make_api_call",
    }


@cache
def calls() -> dict[str, set[str]]:
    """Of each file of the product, by its path, the names that it could call."""
    return {
        path.relative_to(REPOSITORY).as_posix(): calls_in(path.read_text(encoding="utf-8"))
        for path in _sources()
    }


def places(of: Iterable[str]) -> set[str]:
    wanted = set(of)
    return {place for place, names in calls().items() if names & wanted}


def test_instances_are_stopped_in_one_file_of_the_lifecycle_app() -> None:
    (place,) = places(STOPPING)
    assert place.startswith("lifecycle_app/")


def test_instances_are_started_in_one_file_of_the_hub_and_one_of_the_operator() -> None:
    """The operator's starts a stopped manager."""
    hub, operator = sorted(places(STARTING), reverse=True)
    assert hub.startswith("hub/")
    assert operator == "bootstrap/aws/instances.py"


def test_instances_are_launched_where_the_hub_starts_them_and_in_one_file_of_the_operator() -> None:
    assert places(LAUNCHING) == places(STARTING)


def test_instances_are_terminated_where_the_lifecycle_app_stops_them_and_in_one_file_of_the_operator() -> (
    None
):
    assert places(TERMINATING) == {*places(STOPPING), "bootstrap/aws/instances.py"}


def test_nothing_reboots_or_alters_an_instance() -> None:
    assert places(NOWHERE) == set()


@pytest.mark.parametrize(
    ("source", "is_call"),
    [
        ("ec2.stop_instances(InstanceIds=[])", True),
        ("later = ec2.stop_instances", True),
        ("getattr(ec2, 'stop_instances')()", True),
        ("client._make_api_call('StopInstances', {})", True),
        ("from x import stop_instances\nstop_instances()", True),
        ("'''Stops by stop_instances.'''", False),
        ("log.info('stop_instances')", False),
        ("# ec2.stop_instances()", False),
    ],
)
def test_a_call_is_told_from_a_word(source: str, is_call: bool) -> None:
    assert bool(calls_in(source) & STOPPING) == is_call
