"""Policies: what is valid, what each bad field is told, and which level outdoes which."""

import json
from datetime import timedelta
from typing import Any

import pytest

from lifecycle_app.model.policy import Level, Policy, policy_for, problems, read, scopes


def test_defaults() -> None:
    policy = policy_for("alice", [], {})
    assert policy == Policy()
    assert policy.idle_timeout == timedelta(seconds=3600)
    assert policy.busy_allowance == timedelta(hours=24)
    assert policy.max_lifetime is None


def test_every_field_can_be_set() -> None:
    given = {
        "idle_timeout": 1800,
        "signals": ["work"],
        "busy_allowance": None,
        "max_lifetime": 43200,
        "start_grace": 0,
        "hung_after": 90.5,
        "hung_cpu": 1,
    }
    assert policy_for("alice", [], {"cluster": json.dumps(given)}) == Policy(
        idle_timeout=timedelta(minutes=30),
        signals=frozenset({Level.WORK, Level.INTERACTION}),
        busy_allowance=None,
        max_lifetime=timedelta(hours=12),
        start_grace=timedelta(0),
        hung_after=timedelta(seconds=90.5),
        hung_cpu=1.0,
    )


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("idle_timeout", 0, "idle_timeout: must be from 1 to 31622400 seconds, not 0"),
        ("idle_timeout", 31622401, "idle_timeout: must be from 1 to 31622400 seconds, not 31622401"),
        ("idle_timeout", "3600", "idle_timeout: must be a number of seconds, not '3600'"),
        ("idle_timeout", True, "idle_timeout: must be a number of seconds, not True"),
        ("idle_timeout", None, "idle_timeout: must be a number of seconds, not None"),
        ("idle_timeout", float("nan"), "idle_timeout: must be from 1 to 31622400 seconds, not nan"),
        ("start_grace", -1, "start_grace: must be from 0 to 31622400 seconds, not -1"),
        ("busy_allowance", 0, "busy_allowance: must be from 1 to 31622400 seconds, not 0"),
        ("signals", "work", "signals: must be a list out of load, work, interaction, not 'work'"),
        ("signals", ["ssh"], "signals: unknown signal 'ssh'; there are load, work, interaction"),
        ("hung_cpu", 101, "hung_cpu: must be a percentage from 0 to 100, not 101"),
        (
            "idle_timout",
            5,
            "idle_timout: no such field; there are idle_timeout, signals, busy_allowance, max_lifetime, "
            "start_grace, hung_after, hung_cpu",
        ),
    ],
)
def test_a_bad_field_gets_one_clear_error(field: str, value: Any, told: str) -> None:
    texts = {"group/staff": json.dumps({"max_lifetime": 60, field: value})}
    assert problems("alice", ["staff"], texts) == [f"policy of group/staff: {told}"]
    assert problems("alice", [], texts) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null"])
def test_what_is_no_policy_at_all(text: str) -> None:
    assert len(problems("alice", [], {"cluster": text})) == 1
    assert policy_for("alice", [], {"cluster": text}) == Policy()


def test_every_bad_field_is_told() -> None:
    said = read('{"idle_timeout": 0, "hung_cpu": "x", "start_grace": 5}')
    assert len(said.problems) == 2
    assert said.fields == {"start_grace": timedelta(seconds=5)}


@pytest.mark.parametrize(
    ("cluster", "user", "minutes"),
    [
        ({"idle_timeout": "5 min"}, {}, 60),
        ({"idle_timeout": "5 min"}, {"idle_timeout": 300}, 60),
        ({"idle_timeout": 300}, {"idle_timeout": "5 h"}, 60),
        ({"idle_timeout": 7200}, {"idle_timeout": "5 h"}, 120),
        ({"idle_timeout": 300}, {"start_grace": -1}, 5),
        ({"idle_timeout": 300}, {"idle_timout": 7200}, 60),
        ({"idle_timeout": 7200}, {"idle_timout": 300}, 120),
    ],
)
def test_what_cannot_be_used_is_at_least_as_generous_as_by_default(
    cluster: dict[str, Any], user: dict[str, Any], minutes: int
) -> None:
    """Of an unknown name nobody knows which field it was meant to be."""
    texts = {"cluster": json.dumps(cluster), "user/alice": json.dumps(user)}
    assert policy_for("alice", [], texts).idle_timeout == timedelta(minutes=minutes)


def test_a_typo_takes_nothing_away() -> None:
    strict = {"idle_timeout": 60, "signals": [], "busy_allowance": 60, "max_lifetime": 60, "start_grace": 0}
    text = json.dumps(strict | {"hung_after": 60, "hung_cpu": 90, "typo": 1})
    assert policy_for("alice", [], {"cluster": text}) == Policy()


def test_users_outdo_groups_and_groups_the_cluster() -> None:
    texts = {
        "cluster": '{"idle_timeout": 100, "start_grace": 1, "hung_after": 7}',
        "group/staff": '{"idle_timeout": 200, "start_grace": 2}',
        "user/alice": '{"idle_timeout": 300}',
        "user/bob": '{"idle_timeout": 400}',
    }
    policy = policy_for("alice", ["staff"], texts)
    seconds = [d.total_seconds() for d in (policy.idle_timeout, policy.start_grace, policy.hung_after)]
    assert seconds == [300, 2, 7]
    assert policy_for("carol", [], texts).idle_timeout == timedelta(seconds=100)


def test_of_several_groups_the_most_generous_holds() -> None:
    texts = {
        "group/a": '{"idle_timeout": 100, "busy_allowance": null, "signals": ["work"], "hung_cpu": 5}',
        "group/b": '{"idle_timeout": 200, "busy_allowance": 50, "signals": ["load"], "hung_cpu": 2}',
        "group/c": '{"idle_timeout": 9999}',
    }
    policy = policy_for("alice", ["b", "a"], texts)
    assert policy.idle_timeout == timedelta(seconds=200)
    assert policy.busy_allowance is None
    assert policy.lowest_level is Level.LOAD
    assert policy.hung_cpu == 2


@pytest.mark.parametrize(
    ("signals", "lowest"),
    [
        (["load"], Level.LOAD),
        (["interaction", "work"], Level.WORK),
        (["interaction"], Level.INTERACTION),
        ([], Level.INTERACTION),
    ],
)
def test_the_lowest_level_that_counts(signals: list[str], lowest: Level) -> None:
    assert policy_for("alice", [], {"cluster": json.dumps({"signals": signals})}).lowest_level is lowest


def test_where_policies_may_be_set() -> None:
    assert scopes("alice", ["b", "a"]) == ["cluster", "group/a", "group/b", "user/alice"]
