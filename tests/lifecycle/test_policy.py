"""Policies: each field's limits, what is said about a bad value, and which level takes precedence."""

import json
from datetime import timedelta
from typing import Any

import pytest

from lifecycle_app.contract import Level, Signal
from lifecycle_app.model.evidence import REPORTS_MISSED, Evidence, Report
from lifecycle_app.model.messages import clock, length
from lifecycle_app.model.policy import (
    LONGEST,
    READERS,
    Limit,
    Policy,
    ScopePolicy,
    policy_for,
    problems,
    read,
    scopes,
)
from tests.lifecycle.examples import MINUTE, NOON, SECOND


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
        "app_allowance": 0,
        "max_lifetime": 43200,
        "start_grace": 0,
        "hung_after": 90.5,
        "hung_cpu": 1,
        "keep_limit": 0,
        "ignored_signals": ["apps", "cpu"],
        "budget_hours": 40,
        "budget_dollars": 2.5,
        "budget_grace": 600,
        "budget_stops_work": True,
    }
    assert policy_for("alice", [], {"cluster": json.dumps(given)}) == Policy(
        idle_timeout=timedelta(minutes=30),
        signals=frozenset({Level.WORK, Level.INTERACTION}),
        busy_allowance=None,
        app_allowance=timedelta(0),
        max_lifetime=timedelta(hours=12),
        start_grace=timedelta(0),
        hung_after=timedelta(seconds=90.5),
        hung_cpu=1.0,
        keep_limit=timedelta(0),
        ignored_signals=frozenset({Signal.APPS, Signal.CPU}),
        budget_hours=timedelta(hours=40),
        budget_dollars=2.5,
        budget_grace=timedelta(minutes=10),
        budget_stops_work=True,
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
        ("app_allowance", None, "app_allowance: must be a number of seconds, not None"),
        ("app_allowance", -1, "app_allowance: must be from 0 to 31622400 seconds, not -1"),
        ("signals", "work", "signals: must be a list out of load, work, interaction, not 'work'"),
        ("signals", ["ssh"], "signals: unknown signal 'ssh'; there are load, work, interaction"),
        ("hung_cpu", 101, "hung_cpu: must be a percentage from 0 to 100, not 101"),
        (
            "idle_timout",
            5,
            "idle_timout: no such field; there are idle_timeout, signals, busy_allowance, app_allowance, "
            "max_lifetime, start_grace, hung_after, hung_cpu, keep_limit, ignored_signals, budget_hours, "
            "budget_dollars, budget_grace, budget_stops_work, shared_budget_hours, shared_budget_dollars",
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
    """It is unknown which field an unknown name was meant to be."""
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


YEAR = int(LONGEST.total_seconds())
NUMBER = "must be a number of seconds, not"
PERCENTAGE = "must be a percentage from 0 to 100, not"


def said(field: str, value: object) -> tuple[Any, str]:
    """What is read of a field, and what is reported about it."""
    found = read(json.dumps({field: value}))
    return found.fields.get(field), "; ".join(found.problems)


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [
        ("idle_timeout", 1, SECOND),
        ("idle_timeout", YEAR, LONGEST),
        ("hung_after", 1, SECOND),
        ("hung_after", YEAR, LONGEST),
        ("busy_allowance", 1, SECOND),
        ("busy_allowance", YEAR, LONGEST),
        ("max_lifetime", 1, SECOND),
        ("max_lifetime", YEAR, LONGEST),
        ("start_grace", 0, timedelta(0)),
        ("start_grace", YEAR, LONGEST),
        ("keep_limit", 0, timedelta(0)),
        ("keep_limit", YEAR, LONGEST),
        ("budget_hours", 0, timedelta(0)),
        ("budget_hours", 100_000, timedelta(hours=100_000)),
        ("budget_hours", 0.5, timedelta(minutes=30)),
        ("budget_dollars", 0, 0.0),
        ("budget_dollars", 1_000_000, 1e6),
        ("budget_grace", 0, timedelta(0)),
        ("budget_stops_work", True, True),
        ("hung_cpu", 0, 0.0),
        ("hung_cpu", 100, 100.0),
        ("hung_cpu", 0.5, 0.5),
        ("signals", [], frozenset({Level.INTERACTION})),
        ("ignored_signals", [], frozenset()),
        ("ignored_signals", list(Signal), frozenset(Signal)),
    ],
)
def test_the_last_value_that_is_taken(field: str, value: object, taken: object) -> None:
    assert said(field, value) == (taken, "")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("idle_timeout", 0.9, "must be from 1 to 31622400 seconds, not 0.9"),
        ("hung_after", 0, "must be from 1 to 31622400 seconds, not 0"),
        ("hung_after", YEAR + 1, "must be from 1 to 31622400 seconds, not 31622401"),
        ("max_lifetime", 0, "must be from 1 to 31622400 seconds, not 0"),
        ("start_grace", -0.1, "must be from 0 to 31622400 seconds, not -0.1"),
        ("start_grace", None, f"{NUMBER} None"),
        ("keep_limit", -1, "must be from 0 to 31622400 seconds, not -1"),
        ("keep_limit", None, f"{NUMBER} None"),
        ("budget_hours", -0.1, "must be hours a month from 0 to 100000, not -0.1"),
        ("budget_hours", 100_001, "must be hours a month from 0 to 100000, not 100001"),
        ("budget_hours", True, "must be hours a month from 0 to 100000, not True"),
        ("budget_dollars", 1_000_001, "must be US dollars a month from 0 to 1000000, not 1000001"),
        ("budget_dollars", "5", "must be US dollars a month from 0 to 1000000, not '5'"),
        ("budget_grace", None, f"{NUMBER} None"),
        ("budget_stops_work", 1, "must be true or false, not 1"),
        ("start_grace", False, f"{NUMBER} False"),
        ("hung_cpu", -0.1, f"{PERCENTAGE} -0.1"),
        ("hung_cpu", 100.1, f"{PERCENTAGE} 100.1"),
        ("hung_cpu", True, f"{PERCENTAGE} True"),
        ("hung_cpu", "5", f"{PERCENTAGE} '5'"),
        ("hung_cpu", None, f"{PERCENTAGE} None"),
        ("signals", {"work": 1}, "must be a list out of load, work, interaction, not {'work': 1}"),
        ("signals", ["work", 1], "must be a list out of load, work, interaction, not ['work', 1]"),
        ("ignored_signals", "apps", f"must be a list out of {', '.join(Signal)}, not 'apps'"),
        ("ignored_signals", [None], f"must be a list out of {', '.join(Signal)}, not [None]"),
        ("ignored_signals", ["cpu", "app"], "unknown signal 'app'; did you mean apps?"),
        ("ignored_signals", ["xyz"], f"unknown signal 'xyz'; there are {', '.join(Signal)}"),
        ("signals", ["work", "b", "a"], "unknown signal 'b'; there are load, work, interaction"),
    ],
)
def test_the_first_value_that_is_not_taken(field: str, value: object, told: str) -> None:
    assert said(field, value) == (None, f"{field}: {told}")
    assert read(json.dumps({field: value})).unclear == {field}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "not a JSON object"),
    ],
)
def test_of_what_is_no_policy_everything_is_unclear(text: str, told: str) -> None:
    found = read(text)
    assert found == ScopePolicy(fields={}, unclear=frozenset(READERS), problems=(told,))


def test_of_an_unknown_name_everything_is_unclear() -> None:
    assert read('{"idle_timout": 5}').unclear == set(READERS)
    assert read('{"idle_timeout": 5}').unclear == frozenset()
    assert read('{"idle_timeout": 0, "hung_cpu": "x"}').unclear == {"idle_timeout", "hung_cpu"}


@pytest.mark.parametrize(
    ("texts", "ignored"),
    [
        ({"cluster": ["apps"]}, {"apps"}),
        ({"cluster": ["apps"], "group/a": ["cpu"]}, {"cpu"}),
        ({"group/a": ["cpu", "apps"], "group/b": ["cpu"]}, {"cpu"}),
        ({"group/a": ["cpu", "apps"], "user/alice": []}, set()),
        ({"cluster": ["apps", "cpuu"]}, set()),
    ],
)
def test_of_groups_what_all_ignore_is_ignored(texts: dict[str, list[str]], ignored: set[str]) -> None:
    """And nothing, where it is not clear what."""
    written = {scope: json.dumps({"ignored_signals": value}) for scope, value in texts.items()}
    assert policy_for("alice", ["a", "b"], written).ignored_signals == ignored


def test_signals_of_several_groups_are_put_together() -> None:
    texts = {"group/a": '{"signals": ["work"]}', "group/b": '{"signals": ["load"]}'}
    assert policy_for("alice", ["a", "b"], texts).signals == {Level.LOAD, Level.WORK, Level.INTERACTION}


@pytest.mark.parametrize(
    ("gap", "covered"),
    [(REPORTS_MISSED * MINUTE, True), (REPORTS_MISSED * MINUTE + SECOND, False)],
)
def test_a_hole_is_longer_than_three_periods(gap: timedelta, covered: bool) -> None:
    """At the beginning, in the middle and at the end."""
    first = NOON + gap
    evidence = Evidence(period=MINUTE, reports=(Report(first, Level.QUIET), Report(first + gap, Level.QUIET)))
    assert evidence.covers(NOON, first + gap + MINUTE) is covered
    assert evidence.covers(first, first + gap + MINUTE) is covered
    assert evidence.covers(first + gap, first + 2 * gap) is covered
    assert evidence.is_silent(first + gap + MINUTE + gap) is not covered
    assert evidence.last_report == first + gap + MINUTE


def test_a_report_from_before_covers_nothing() -> None:
    evidence = Evidence(period=MINUTE, reports=(Report(NOON - SECOND, Level.QUIET),))
    assert not evidence.covers(NOON, NOON + 4 * MINUTE)
    assert Evidence(period=MINUTE, reports=(Report(NOON, Level.QUIET),)).covers(NOON, NOON + 3 * MINUTE)


@pytest.mark.parametrize("level", list(Level))
def test_life_is_the_newest_period_of_at_least_that_level(level: Level) -> None:
    seen = tuple(Report(NOON - one * MINUTE, one) for one in reversed(Level))
    assert Evidence(period=MINUTE, reports=seen).last_life(level) == NOON - (level - 1) * MINUTE
    assert Evidence(period=MINUTE).last_life(level) is None
    assert Evidence(period=MINUTE).is_silent(NOON)


def test_the_defaults_of_a_policy() -> None:
    assert Policy() == Policy(
        idle_timeout=timedelta(seconds=3600),
        signals=frozenset({Level.LOAD, Level.WORK, Level.INTERACTION}),
        busy_allowance=timedelta(seconds=86400),
        app_allowance=timedelta(seconds=7200),
        max_lifetime=None,
        start_grace=timedelta(seconds=600),
        hung_after=timedelta(seconds=1800),
        hung_cpu=3.0,
        keep_limit=timedelta(hours=4),
        ignored_signals=frozenset(),
        budget_hours=None,
        budget_dollars=None,
        budget_grace=timedelta(minutes=30),
        budget_stops_work=False,
        shared_budget_hours=None,
        shared_budget_dollars=None,
        group_budgets=(),
    )


def test_shared_budgets_all_hold_and_no_narrower_scope_lifts_them() -> None:
    texts = {
        "cluster": '{"shared_budget_dollars": 50, "budget_hours": 40}',
        "group/a": '{"shared_budget_hours": 100, "shared_budget_dollars": null}',
        "group/b": '{"shared_budget_hours": 200}',
        "group/c": '{"idle_timeout": 60}',
        "user/alice": '{"budget_hours": null, "shared_budget_hours": null, "shared_budget_dollars": 9}',
    }
    policy = policy_for("alice", ["a", "b", "c"], texts)
    assert policy.limits("alice") == (
        Limit(scope="cluster", time=None, dollars=50.0),
        Limit(scope="group/a", time=timedelta(hours=100), dollars=None),
        Limit(scope="group/b", time=timedelta(hours=200), dollars=None),
    )
    assert [one.partition(":")[0] for one in problems("alice", ["a"], texts)] == ["policy of user/alice"] * 2
    assert policy_for("bob", [], texts).limits("bob")[0] == Limit(
        scope="user/bob", time=timedelta(hours=40), dollars=None
    )


@pytest.mark.parametrize(
    ("texts", "dollars"),
    [
        ({"cluster": '{"shared_budget_dollars": "many"}'}, None),
        ({"cluster": '{"shared_budget_dollars": 50, "idle_timeot": 5}'}, 50),
        ({"cluster": '{"shared_budget_dollars": 50}', "user/alice": "nonsense"}, 50),
        ({"cluster": '{"shared_budget_dollars": 50}', "group/a": '{"budget_houres": 5}'}, 50),
    ],
)
def test_a_typo_elsewhere_does_not_lift_a_shared_budget(texts: dict[str, str], dollars: float | None) -> None:
    assert policy_for("alice", ["a"], texts).shared_budget_dollars == dollars


@pytest.mark.parametrize(
    ("field", "one", "other", "taken"),
    [
        ("budget_hours", 10, 40, timedelta(hours=40)),
        ("budget_hours", 10, None, None),
        ("budget_dollars", 5, 2, 5.0),
        ("budget_stops_work", True, False, False),
    ],
)
def test_of_two_groups_the_larger_budget_holds(field: str, one: object, other: object, taken: object) -> None:
    texts = {"group/a": json.dumps({field: one}), "group/b": json.dumps({field: other})}
    assert getattr(policy_for("alice", ["a", "b"], texts), field) == taken
    assert getattr(policy_for("alice", ["b", "a"], texts), field) == taken


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        (timedelta(minutes=5) - SECOND, "299 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(minutes=6) - SECOND, "5 min"),
    ],
)
def test_durations_are_told_in_what_suits_them(duration: timedelta, told: str) -> None:
    assert length(duration) == told
    assert clock(NOON) == "2026-11-23 12:00:00 UTC"


def test_what_is_not_whole_covers_nothing_and_is_not_silent() -> None:
    """What CloudWatch did not report may not have been quiet."""
    seen = (Report(NOON, Level.QUIET),)
    assert Evidence(period=MINUTE, reports=seen).covers(NOON, NOON + MINUTE)
    assert not Evidence(period=MINUTE, reports=seen, is_whole=False).covers(NOON, NOON + MINUTE)
    assert not Evidence(period=MINUTE, reports=seen, is_whole=False).is_silent(NOON + timedelta(days=1))
    assert not Evidence(period=MINUTE, is_whole=False).is_silent(NOON)


@pytest.mark.parametrize(("ahead", "covered"), [(timedelta(0), True), (SECOND, False)])
def test_reports_of_times_to_come_cover_nothing(ahead: timedelta, covered: bool) -> None:
    newest = NOON + REPORTS_MISSED * MINUTE - MINUTE + ahead
    seen = (Report(NOON - MINUTE, Level.QUIET), Report(newest, Level.QUIET))
    assert Evidence(period=MINUTE, reports=seen).covers(NOON - MINUTE, NOON) is covered


def test_without_a_report_no_time_is_so_short_that_it_is_covered() -> None:
    assert not Evidence(period=MINUTE).covers(NOON, NOON + SECOND)
