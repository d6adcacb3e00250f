"""What the operator sees of budgets: in the report, in the list of workers, at a glance, and before a change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.cli.report import text
from bootstrap.cli.workers import budgets_noted
from bootstrap.operations import budgets
from bootstrap.operations.report.statement import as_document
from bootstrap.operations.workers.listing import ListedWorker
from lifecycle_app.model.worker import State, Worker
from tests.bootstrap.test_report import a_statement

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXTS = {
    "cluster": '{"budget_hours": 40}',
    "group/staff": '{"budget_hours": 100}',
    "user/free": '{"budget_hours": null}',
}


def ran(user: str, hours: float, **more: Any) -> Worker:
    return Worker(
        **{"key": user, "instance_id": "i-1", "state": State.STOPPED, "state_at": NOON, "version": 1,
           "changed_at": NOON, "month": "2026-11", "month_seconds": int(hours * 3600), **more}
    )  # fmt: skip


WORKERS = [
    ran("ada", 30),
    ran("ada/gpu", 5, changed_at=NOON + timedelta(hours=1)),
    ran("bob", 41),
    ran("eve", 41, groups=("staff",)),
    ran("free", 700),
    ran("old", 99, month="2026-10"),
]
FOUND = budgets.standings(WORKERS, TEXTS, NOON)


def test_users_who_have_a_budget_and_a_machine() -> None:
    assert {user: (one.share, one.is_over) for user, one in FOUND.items()} == {
        "user/ada": (35 / 40, False),
        "user/bob": (41 / 40, True),
        "user/eve": (0.41, False),
        "user/old": (0.0, False),
    }
    assert budgets.standings(WORKERS, {}, NOON) == {}


SHARED = {
    "cluster": '{"shared_budget_hours": 1000}',
    "group/staff": '{"shared_budget_hours": 41, "idle_timeout": 60}',
    "group/empty": '{"shared_budget_dollars": 5}',
    "user/bob": '{"shared_budget_hours": 1}',
}


def test_shared_budgets_by_their_scope() -> None:
    found = budgets.standings(WORKERS, SHARED, NOON)
    assert {scope: one.share for scope, one in found.items()} == {
        "cluster": 0.817,
        "group/empty": 0.0,
        "group/staff": 1.0,
    }
    assert budgets.summary(found) == "0 users, 3 shared, used up: group/staff, from 80 %: cluster"
    document = as_document(a_statement(budgets={**FOUND, **found}))
    assert sorted(document["budgets"]) == ["ada", "bob", "eve", "old"]
    assert document["shared_budgets"]["group/staff"]["hours"] == 41.0
    lower = budgets.standings(WORKERS, {**SHARED, "cluster": '{"shared_budget_hours": 817}'}, NOON)
    assert [one.partition(":")[0] for one in budgets.warnings(found, lower)] == [
        "cluster has used 817.0 of 817 hours"
    ]


def test_the_line_of_status() -> None:
    assert budgets.summary(FOUND) == "4 users, used up: bob, from 80 %: ada"
    assert budgets.summary({}) == ""
    many = budgets.standings([ran(f"u{n}", 50) for n in range(7)], TEXTS, NOON)
    assert budgets.summary(many) == "7 users, used up: u0, u1, u2, u3, u4, 2 more, from 80 %: none"


@pytest.mark.parametrize(
    ("user", "note"),
    [("ada", "odd; 88 % of the budget used"), ("bob", "odd; budget used up"), ("eve", "odd"), ("x", "odd")],
)
def test_the_list_of_workers_notes_it(user: str, note: str) -> None:
    listed = ListedWorker(key=user, instance_id="i-1", state="running", note="odd")
    assert [one.note for one in budgets_noted([listed], FOUND)] == [note]


def test_the_report_has_the_month_that_goes_on() -> None:
    found = a_statement(budgets=FOUND)
    lines = [" ".join(line.split()) for line in text(found).splitlines()]
    at = lines.index("budgets, of running machines used share")
    assert lines[at + 1 : at + 3] == ["bob 41.0 of 40 hours 102 %", "ada 35.0 of 40 hours 88 %"]
    assert as_document(found)["budgets"]["bob"] == {
        "hours": 41.0, "hours_limit": 40.0, "dollars": 0.0, "dollars_limit": None, "share": 1.025,
        "resets_at": "2026-12-01T00:00:00+00:00",
    }  # fmt: skip


def test_a_change_warns_about_those_whom_it_puts_over_the_budget() -> None:
    lower = budgets.standings(WORKERS, {"cluster": '{"budget_hours": 35}'}, NOON)
    told = (
        "has used {} of 35 hours: no machine is started any more, and those that run stop after budget_grace"
    )
    assert budgets.warnings(FOUND, lower) == [
        f"ada {told.format('35.0')}",
        f"eve {told.format('41.0')}",
        f"free {told.format('700.0')}",
    ]
    assert budgets.warnings(lower, lower) == []
