"""The Settings page: who may use it, what it shows of a policy and of a change, and that only the settings confirm."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from jupyterhub.scopes import Scope

from hub.clients.lifecycle import ANSWERED_WITHIN, SettingsRequests
from hub.clients.policy_changes import Answer, Outcome, PolicyChanges, answer_in
from hub.errors import SettingsNotSent
from hub.pages.policies import MESSAGES, administers
from hub.pages.policy_form import (
    LABELS,
    MOST_NAMED,
    SECTIONS,
    Line,
    Row,
    difference,
    lines,
    outlook_as_json,
    past,
    sections,
)
from lifecycle_app.contract import SettingsRefusal
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.outlook import Outlook
from lifecycle_app.model.policy import READERS
from lifecycle_app.model.policy_record import PolicyRecord, refused, with_policy
from lifecycle_app.model.policy_words import DESCRIPTIONS
from tests.hub.fakes import NOON, Clock, calls, refusal
from tests.hub.test_lifecycle import FakeEvents

RECORD = PolicyRecord(scope="cluster", policy='{"idle_timeout": 3600}')


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ({"admin:servers": Scope.ALL}, True),
        ({"admin:servers": {"group": {"physics"}}}, False),
        ({"admin:servers": {"user": {"tess"}}}, False),
        ({"servers": Scope.ALL, "list:users": Scope.ALL, "admin-ui": Scope.ALL}, False),
        ({"servers": {"group": {"physics"}}, "list:users": {"group": {"physics"}}}, False),
        ({}, False),
    ],
)
def test_only_who_administers_all_servers_may_see_and_change_settings(
    scopes: dict[str, Any], allowed: bool
) -> None:
    assert administers(scopes) is allowed


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (RECORD, None),
        (replace(RECORD, request="an earlier one"), None),
        (with_policy(RECORD, {"hung_cpu": 1}, "boss", NOON, "r"), Answer(Outcome.RECORDED)),
        # Another was answered since.
        (
            refused(with_policy(RECORD, {"hung_cpu": 1}, "boss", NOON, "r"), "s", SettingsRefusal.CHANGED),
            Answer(Outcome.RECORDED),
        ),
        (replace(RECORD, request="r"), Answer(Outcome.RECORDED)),
        (refused(RECORD, "r", SettingsRefusal.CHANGED), Answer(Outcome.REFUSED, "changed")),
        (
            refused(RECORD, "r", SettingsRefusal.NOT_VALID, "hung_cpu: too much"),
            Answer(Outcome.REFUSED, "not-valid", "hung_cpu: too much"),
        ),
        (replace(RECORD, request="r", refusal="invented"), Answer(Outcome.REFUSED, "not-valid")),
    ],
)
def test_only_the_settings_confirm(record: PolicyRecord, answer: Answer | None) -> None:
    assert answer_in(record, "r") == answer


@dataclass
class Table:
    """The settings: answer the request that was sent, after as many readings as a test says."""

    answer: Callable[[PolicyRecord, str], PolicyRecord]
    after: int = 0
    fails: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)

    def get(self, scope: str) -> PolicyRecord:
        if self.fails:
            raise StoreUnavailable("throttled")
        self.after -= 1
        asked = json.loads(self.events.entries[0]["Detail"])
        return self.answer(RECORD, asked["request"]) if self.after < 0 else RECORD

    events: FakeEvents = field(default_factory=FakeEvents)


def ask(table: Table) -> Answer:
    clock = Clock()
    requests = SettingsRequests(table.events, calls(clock), "test")  # type: ignore[arg-type]
    changes = PolicyChanges(lambda _: [], table.get, requests, calls(clock), lambda: NOON)
    return asyncio.run(changes.ask("cluster", {"hung_cpu": 1}, ["keep_limit"], RECORD.version, "boss"))


def test_a_change_is_asked_for_until_it_is_answered() -> None:
    """Sent again as the same one, for the first may be lost."""
    table = Table(
        lambda record, request: with_policy(record, {"hung_cpu": 1}, "boss", NOON, request), after=5
    )
    assert ask(table) == Answer(Outcome.RECORDED)
    first, second = (json.loads(entry["Detail"]) for entry in table.events.entries)
    assert first == second
    assert first | {"request": ""} == {
        "cluster": "test",
        "scope": "cluster",
        "request": "",
        "changes": {"hung_cpu": 1},
        "unset": ["keep_limit"],
        "base": RECORD.version,
        "requested_at": NOON.timestamp(),
        "requested_by": "boss",
    }


def test_a_refusal_is_passed_on() -> None:
    table = Table(lambda record, request: refused(record, request, SettingsRefusal.CHANGED))
    assert ask(table) == Answer(Outcome.REFUSED, "changed")


def test_what_cannot_be_asked_or_read_is_not_available() -> None:
    assert ask(Table(lambda record, _: record, fails=True)) == Answer(Outcome.UNAVAILABLE)
    lost = Table(lambda record, _: record, events=FakeEvents(failed=1))
    assert ask(lost) == Answer(Outcome.UNAVAILABLE)
    denied = Table(lambda record, _: record, events=FakeEvents(error=refusal("AccessDenied")))
    assert ask(denied) == Answer(Outcome.UNAVAILABLE)
    assert issubclass(SettingsNotSent, Exception)


def test_without_an_answer_in_time_nothing_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.clients.policy_changes.ANSWERED_WITHIN", timedelta(0))
    assert ask(Table(lambda record, _: record, after=10**6)) == Answer(Outcome.UNCONFIRMED)
    assert timedelta(0) < ANSWERED_WITHIN


def test_there_is_a_message_for_each_outcome() -> None:
    assert set(MESSAGES) == (set(Outcome) - {Outcome.REFUSED}) | set(SettingsRefusal)


TEXTS = {
    "cluster": '{"idle_timeout": 1800, "budget_hours": 40, "shared_budget_hours": 900}',
    "group/physics": '{"idle_timeout": 7200, "signals": ["work"]}',
    "user/ada": '{"max_lifetime": null}',
}


def rows(scope: str, *groups: str) -> dict[str, Row]:
    return {row.field.name: row for _, found in sections(scope, groups, TEXTS) for row in found}


def test_every_field_of_a_policy_is_shown_once_and_explained() -> None:
    assert sorted(LABELS) == sorted(READERS) == sorted(DESCRIPTIONS)
    assert sum(map(len, SECTIONS.values())) == len(READERS)
    assert set(rows("cluster")) == set(READERS)


def test_a_field_says_what_holds_without_it_and_where_that_is_from() -> None:
    cluster, ada = rows("cluster"), rows("user/ada", "physics")
    assert (cluster["idle_timeout"].is_set, cluster["idle_timeout"].value) == (True, 1800)
    assert cluster["idle_timeout"].without == "1 hour, the default"
    assert ada["idle_timeout"].is_set is False
    assert ada["idle_timeout"].without == "2 hours, from group physics"
    assert ada["budget_hours"].without == "40, from all users"
    assert (ada["max_lifetime"].is_set, ada["max_lifetime"].value) == (True, None)
    assert rows("group/physics")["idle_timeout"].without == "30 minutes, from all users"
    assert rows("user/bob")["signals"].without == "load, work, interaction, the default"


def test_what_a_page_explains_is_not_how_a_file_is_written() -> None:
    texts = [field.help for fields in SECTIONS.values() for field in fields]
    assert not [text for text in texts if re.search(r"unlimited|never:|0s|docs/|;", text)]
    assert rows("cluster")["hung_cpu"].without == "3, the default"


def test_budgets_that_users_share_are_of_no_user_and_not_the_clusters_in_a_group() -> None:
    assert not [name for name in rows("user/ada") if name.startswith("shared")]
    assert rows("group/physics")["shared_budget_hours"].without == "no limit of this group's own"


@pytest.mark.parametrize(
    ("seconds", "amount", "unit"),
    [(1800, "30", "minutes"), (7200, "2", "hours"), (172800, "2", "days"), (90, "90", "seconds"),
     (90.5, "90.5", "seconds"), (0, "0", "minutes"), (None, "", "minutes")],
)  # fmt: skip
def test_durations_are_shown_in_the_largest_whole_unit(seconds: Any, amount: str, unit: str) -> None:
    [duration] = [one for one in SECTIONS["When a machine stops"] if one.name == "max_lifetime"]
    row = Row(field=duration, is_set=True, value=seconds, without="")
    assert (row.amount, row.unit) == (amount, unit)


def test_what_is_sent_is_the_difference() -> None:
    wanted = {"idle_timeout": 60, "hung_cpu": 3}
    found = difference('{"idle_timeout": 1800, "hung_cpu": 3, "keep_limit": 0, "typo": 1}', wanted)
    assert (found.changes, found.unset) == ({"idle_timeout": 60}, ["keep_limit"])
    assert difference("damaged", wanted).changes == wanted


def test_changes_are_told_in_words() -> None:
    before: dict[str, Any] = {"idle_timeout": 3600, "keep_limit": 0, "budget_hours": 40}
    after: dict[str, Any] = {
        "idle_timeout": 1800.0,
        "budget_hours": None,
        "budget_stops_work": True,
        "signals": [],
    }
    assert lines(before, after) == [
        Line("Stop a machine that is not used for", "1 hour", "30 minutes"),
        Line("Let users keep their own machine for up to", "0 seconds", "not set"),
        Line("Hours a month for each user", "40", "no limit"),
        Line("Stop machines on which a program runs, too", "not set", "yes"),
        Line("Activity that counts", "not set", "interaction"),
    ]
    assert lines({"idle_timeout": 3600}, {"idle_timeout": 3600.0}) == []
    assert len(lines({}, {"x" * 999: "y" * 999})[0].after) == 200


def test_the_newest_changes_of_all_come_first() -> None:
    old = with_policy(PolicyRecord(scope="user/ada"), {"hung_cpu": 1}, "eve", NOON - timedelta(hours=1))
    new = with_policy(RECORD, {"idle_timeout": 60}, "boss", NOON)
    found = past([old, new])
    assert [(one.by, one.scope) for one in found] == [("boss", "All users"), ("eve", "User ada")]
    assert found[0].lines == [Line("Stop a machine that is not used for", "1 hour", "1 minute")]


def test_the_longest_unused_of_many_are_named() -> None:
    due = {f"user-{n:02}": timedelta(minutes=n) for n in range(1, 31)}
    found = outlook_as_json(Outlook(due=due, kept=("k",), later=("a", "b")))
    assert (found["running"], found["due"], found["kept"], found["later"]) == (33, 30, 1, 2)
    assert len(found["named"]) == MOST_NAMED
    assert found["named"][0] == {"worker": "user-30", "idle": "30 minutes"}
