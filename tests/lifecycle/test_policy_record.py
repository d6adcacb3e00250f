"""An administrator changes a policy: what is recorded, what is refused and why, and two who do so at once."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifecycle_app.contract import LONGEST_SETTINGS, SettingsRefusal
from lifecycle_app.errors import EventRefused, MalformedEvent, OtherCluster, RecordConflict
from lifecycle_app.model import events
from lifecycle_app.model.events import SettingsRequest
from lifecycle_app.model.outlook import outlook
from lifecycle_app.model.policy import Policy, changed
from lifecycle_app.model.policy_record import (
    LONGEST_CHANGES,
    LONGEST_REFUSAL,
    MOST_CHANGES,
    VALID,
    PolicyRecord,
    answered,
    changes_of,
    is_recorded,
    with_policy,
)
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import change_policy
from tests.lifecycle.examples import HOUR, MINUTE, NOON, SECOND, a_worker
from tests.lifecycle.fakes import World
from tests.lifecycle.payloads import payload

OLD = {"idle_timeout": 3600, "keep_limit": 0}
RECORD = PolicyRecord(scope="cluster", policy=json.dumps(OLD))


def asked(**changes: Any) -> SettingsRequest:
    facts: dict[str, Any] = {
        "scope": "cluster", "id": "0f" * 16, "changes": {"idle_timeout": 1800}, "unset": (), "base": RECORD.version,
        "at": NOON, "by": "boss",
    }  # fmt: skip
    return SettingsRequest(**(facts | changes))


def test_a_change_is_recorded_with_who_asked_for_it_and_both_values() -> None:
    found = answered(RECORD, asked(unset=("keep_limit",)))
    assert json.loads(found.policy) == {"idle_timeout": 1800}
    assert (found.request, found.refusal) == ("0f" * 16, "")
    [change] = changes_of(found)
    assert (change.at, change.by) == (NOON, "boss")
    assert change.before == OLD
    assert change.after == {"idle_timeout": 1800}
    assert is_recorded(found, "0f" * 16)


@pytest.mark.parametrize(
    ("changes", "unset", "said"),
    [
        ({"idle_timeout": 0}, (), "idle_timeout: must be from 1 to 31622400 seconds, not 0"),
        ({"idle_timeout": 1800, "hung_cpu": 101}, (), "hung_cpu: must be a percentage from 0 to 100, not 101"),
        ({"signals": ["work", "rain"]}, (), "unknown signal 'rain'"),
        ({"idle_timout": 1800}, (), "no such field"),
        ({}, ("idle_timout",), "no such field"),
        ({"budget_hours": float("nan")}, (), "hours a month from 0 to"),
        ({"max_lifetime": [[1]]}, (), "must be a number of seconds"),
    ],
)  # fmt: skip
def test_what_the_policys_own_rules_do_not_accept_changes_nothing(
    changes: dict[str, Any], unset: tuple[str, ...], said: str
) -> None:
    found = answered(RECORD, asked(changes=changes, unset=unset))
    assert found.refusal.startswith(SettingsRefusal.NOT_VALID)
    assert said in found.refusal
    assert len(found.refusal) <= LONGEST_REFUSAL
    assert (found.policy, found.changes) == (RECORD.policy, "")


def test_a_budget_that_users_share_is_no_single_users() -> None:
    record = PolicyRecord(scope="user/ada")
    request = asked(scope="user/ada", changes={"shared_budget_hours": 10}, base=record.version)
    assert "a user shares no budget" in answered(record, request).refusal
    group = PolicyRecord(scope="group/a")
    assert answered(group, replace(request, scope="group/a")).refusal == ""


def test_who_saw_an_older_policy_overwrites_nothing() -> None:
    newer = with_policy(RECORD, {"idle_timeout": 60}, "ada", NOON)
    found = answered(newer, asked())
    assert (found.policy, found.refusal) == (newer.policy, "changed")
    assert answered(PolicyRecord(scope="cluster"), asked()).refusal == "changed"
    assert answered(PolicyRecord(scope="cluster"), asked(base=PolicyRecord(scope="x").version)).refusal == ""


def test_what_cannot_be_used_is_taken_out_and_an_empty_policy_is_none() -> None:
    assert changed("cluster", '{"idle_timeout": "soon", "hung_cpu": 1}', {"keep_limit": 0}, []) == {
        "hung_cpu": 1,
        "keep_limit": 0,
    }
    assert changed("cluster", "[damaged", {"keep_limit": 0}, []) == {"keep_limit": 0}
    emptied = with_policy(RECORD, {}, "boss", NOON)
    assert emptied.policy == ""
    assert changes_of(emptied)[0].after == {}


def test_only_the_newest_changes_are_kept_and_damaged_ones_hide_none() -> None:
    record = RECORD
    for n in range(MOST_CHANGES + 5):
        record = with_policy(record, {"idle_timeout": n + 1}, "boss" * 100, NOON + n * SECOND)
    assert len(changes_of(record)) == MOST_CHANGES
    assert changes_of(record)[0].after == {"idle_timeout": MOST_CHANGES + 5}
    long = with_policy(record, {"idle_timeout": 1}, "b" * LONGEST_CHANGES, NOON)
    assert len(changes_of(long)) == 1
    lines = [
        *json.loads(record.changes)[:1],
        {"at": "never"},
        {"at": 1e300, "by": "x", "before": {}, "after": {}},
        5,
    ]
    assert len(changes_of(replace(record, changes=json.dumps(lines)))) == 1
    for damaged in ("not text but of DynamoDB's type N", "{}", "[" * 100_000):
        assert changes_of(replace(record, changes=damaged)) == []


def test_the_handler_records_once(world: World) -> None:
    world.store.settings["cluster"] = RECORD.policy
    assert change_policy(world.service, asked(), NOON) == "recorded"
    assert json.loads(world.store.settings["cluster"])["idle_timeout"] == 1800
    assert change_policy(world.service, asked(), NOON) == "void", "the same event again"
    late = asked(id="1f" * 16)
    assert change_policy(world.service, late, NOON + VALID + SECOND) == "void"
    assert change_policy(world.service, late, NOON) == "changed"
    assert change_policy(world.service, asked(), NOON) == "void", "even after another's answer"


def test_of_two_administrators_at_once_one_is_refused(world: World) -> None:
    """The second's write lands between the first's reading and writing."""
    world.store.settings["cluster"] = RECORD.policy
    other = asked(id="1f" * 16, changes={"idle_timeout": 60}, by="ada")

    def between(_: PolicyRecord) -> None:
        world.store.before_settings = lambda _: None
        assert change_policy(world.service, other, NOON) == "recorded"

    world.store.before_settings = between
    assert change_policy(world.service, asked(), NOON) == "changed"
    found = world.store.policy_record("cluster")
    assert [one.by for one in changes_of(found)] == ["ada"]
    assert json.loads(found.policy)["idle_timeout"] == 60


def test_a_scope_that_keeps_changing_fails_the_event(world: World) -> None:
    def between(_: PolicyRecord) -> None:
        found = world.store.policy_record("cluster")
        world.store.answers["cluster"] = replace(found, changes=found.changes + " ")

    world.store.before_settings = between
    with pytest.raises(RecordConflict):
        change_policy(world.service, asked(), NOON)


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ({"cluster": "other"}, OtherCluster),
        ({"scope": "users"}, MalformedEvent),
        ({"scope": "group/"}, MalformedEvent),
        ({"scope": "user/" + "x" * 256}, MalformedEvent),
        ({"scope": "clusters"}, MalformedEvent),
        ({"request": "r"}, MalformedEvent),
        ({"base": ""}, MalformedEvent),
        ({"changes": []}, MalformedEvent),
        ({"changes": {"idle_timeout": "x" * LONGEST_SETTINGS}}, MalformedEvent),
        ({"changes": {str(n): 0 for n in range(51)}}, MalformedEvent),
        ({"unset": "keep_limit"}, MalformedEvent),
        ({"unset": [1]}, MalformedEvent),
        ({"requested_by": ""}, MalformedEvent),
        ({"requested_at": "now"}, MalformedEvent),
    ],
)
def test_an_event_out_of_bounds_is_refused(detail: dict[str, Any], kind: type[EventRefused]) -> None:
    with pytest.raises(kind) as refused:
        events.settings_request(payload("settings-requested", **detail), "test")
    assert type(refused.value) is kind
    assert len(str(refused.value)) < 300


def test_what_would_happen_now() -> None:
    """By the decision's own time of the next check; a pending or stopped worker is none of it."""
    used = NOON - 40 * MINUTE
    workers = [
        a_worker(key="idle", last_activity=used, last_interaction=used),
        a_worker(key="active", last_activity=NOON - MINUTE, last_interaction=NOON - MINUTE),
        a_worker(key="kept", last_activity=used, last_interaction=used, keep_until=NOON + HOUR),
        a_worker(key="fresh", started_at=NOON - MINUTE, last_activity=None, last_interaction=None),
        a_worker(key="stopped", state=State.STOPPED, started_at=None),
        a_worker(key="theirs", last_activity=used, last_interaction=used, groups=("generous",)),
    ]
    texts = {"cluster": '{"idle_timeout": 1800}', "group/generous": '{"idle_timeout": 7200}'}
    found = outlook(workers, texts, NOON)
    assert dict(found.due) == {"idle": timedelta(minutes=40)}
    assert found.kept == ("kept",)
    assert set(found.later) == {"active", "fresh", "theirs"}
    assert dict(outlook(workers, {}, NOON).due) == {}
    assert Policy().idle_timeout == HOUR
