"""A budget that is used up: no start, and what pages say of it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jinja2 import Environment, FileSystemLoader
from jupyterhub.scopes import Scope

from bootstrap.worker.terms import Terms
from hub.drain.verdict import Server, refusal_before_asking
from hub.errors import OverBudget
from hub.keep.terms import terms
from hub.pages.machines import budget_scopes
from hub.pages.texts import Notice, Pages, live, shared_budget
from hub.spawn.start import StartFailed
from lifecycle_app.contract import Drain
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.budget import Standing, Use
from lifecycle_app.model.messages import Time, joined
from lifecycle_app.model.policy import Limit, Policy
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, FakeStore, backups, budgets, calls, read_by, worker
from tests.hub.test_pages import TEMPLATES
from tests.hub.test_spawner import FRESH, Case
from tests.hub.test_verdict import request

HOUR = timedelta(hours=1)
USED_UP = (
    "Your budget of this month is used up: 2.0 of 2 hours. Machines can be started again from 1 December (UTC) on."
    " If you need one before, ask your administrator."
)

OVER = worker(started_at=NOON - 2 * HOUR, over_budget_since=NOON)
HALF_AN_HOUR_ON = (NOON + timedelta(minutes=30)).timestamp()

Read = Callable[[Iterable[str]], dict[str, str]]


def reading(**policies: dict[str, Any]) -> Read:
    """Policies by scope: `cluster`, `group` for that of the group staff, `user` for ada's."""
    names = {"cluster": "cluster", "group": "group/staff", "user": "user/ada"}
    texts = {names[kind]: json.dumps(said) for kind, said in policies.items()}
    return lambda scopes: {scope: texts[scope] for scope in scopes if scope in texts}


def ran(hours: float, **more: Any) -> Worker:
    """A stopped machine that ran for so long this month."""
    return worker(state=State.STOPPED, month="2026-11", month_seconds=int(hours * 3600), **more)


@pytest.mark.parametrize(
    ("policies", "groups", "hours", "refused"),
    [
        ({}, (), 700, False),
        ({"cluster": {"budget_hours": 2}}, (), 1.99, False),
        ({"cluster": {"budget_hours": 2}}, (), 2, True),
        ({"cluster": {"budget_hours": 2}, "group": {"budget_hours": 9}}, ("staff",), 2, False),
        ({"cluster": {"budget_hours": 9}, "user": {"budget_hours": 2}}, (), 2, True),
        ({"cluster": {"budget_hours": 2}, "user": {"budget_hours": None}}, (), 700, False),
        ({"cluster": {"budget_hours": 0}}, (), 0, True),
        ({"cluster": {"shared_budget_hours": 2}, "user": {"budget_hours": None}}, (), 2, True),
        ({"cluster": {"shared_budget_hours": 2}}, (), 1.99, False),
    ],
)
async def test_no_start_once_the_budget_is_used_up(
    policies: dict[str, Any], groups: tuple[str, ...], hours: float, refused: bool
) -> None:
    checked = budgets(reading(**policies), ran(hours))
    if not refused:
        await checked.check("ada", groups)
        return
    with pytest.raises(OverBudget, match=r"used up.*1 December \(UTC\).*ask your administrator"):
        await checked.check("ada", groups)


async def test_a_user_without_any_machine_has_used_nothing() -> None:
    await budgets(reading(cluster={"budget_hours": 2})).check("ada", ())


async def test_another_machine_of_the_same_user_counts_and_anothers_does_not() -> None:
    read = reading(cluster={"budget_hours": 2})
    gpu = worker(key="ada/gpu", instance_id="i-2", started_at=NOON - 2 * HOUR)
    with pytest.raises(OverBudget):
        await budgets(read, ran(0), gpu).check("ada", ())
    await budgets(read, ran(2), worker(key="bob", instance_id="i-3")).check("bob", ())


async def test_what_others_have_used_of_a_shared_budget_counts() -> None:
    read = reading(group={"shared_budget_hours": 3})
    bobs = worker(key="bob", instance_id="i-2", groups=("staff",), started_at=NOON - HOUR)
    checked = budgets(read, ran(2, groups=("staff",)), bobs)
    with pytest.raises(OverBudget, match="budget of the group staff is used up"):
        await checked.check("new", ("staff",))
    await checked.check("new", ("other",))
    await budgets(read, ran(2, groups=("staff",)), replace(bobs, groups=())).check("new", ("staff",))


async def test_what_all_use_is_summed_once_for_a_class_that_asks_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = budgets(reading(cluster={"shared_budget_hours": 3}), ran(2))
    summed: list[int] = []

    def uses(*_: Any) -> dict[str, Use]:
        summed.append(1)
        return {}

    monkeypatch.setattr("hub.clients.policies.uses", uses)
    clock = [NOON]
    checked._now = lambda: clock[0]
    for clock[0] in (NOON, NOON + timedelta(seconds=4), NOON + timedelta(seconds=5), NOON - HOUR):
        await checked.check("ada", ())
    assert len(summed) == 3


async def test_a_machine_that_runs_may_be_used_until_it_is_stopped() -> None:
    await budgets(reading(cluster={"budget_hours": 2}), worker(started_at=NOON - 3 * HOUR)).check("ada", ())


@pytest.mark.parametrize("claimed", [NOON + HOUR, None])
async def test_one_that_is_about_to_be_stopped_is_not_started_again(claimed: Any) -> None:
    stopping = worker(state=State.STOPPING, started_at=NOON - 3 * HOUR, claimed_until=claimed)
    with pytest.raises(OverBudget):
        await budgets(reading(cluster={"budget_hours": 2}), stopping).check("ada", ())


async def test_settings_that_cannot_be_read_lock_no_one_out() -> None:
    def fails(_: Iterable[str]) -> dict[str, str]:
        raise StoreUnavailable("throttled")

    await budgets(fails, ran(700)).check("ada", ())


async def test_a_start_is_refused_before_anything_is_asked_of_aws() -> None:
    case = Case(FRESH)
    case.parts.budgets = budgets(reading(cluster={"budget_hours": 2}), ran(2))
    with pytest.raises(StartFailed) as told:
        await case.spawner.start()
    assert (told.value.status_code, told.value.reason, told.value.retry_in) == (403, "budget", None)
    assert told.value.jupyterhub_message == USED_UP
    assert case.protocol.profiles == []
    case.close()


async def noticed(*workers: Worker, **policy: Any) -> Notice | None:
    store = FakeStore(*workers)
    pages = Pages(
        cast(Any, store),
        read_by(store),
        calls(),
        budgets(reading(cluster=policy), *workers),
        lambda: NOON,
        backups(),
    )
    return await pages.budget(SimpleNamespace(name="ada", groups=[]))


@pytest.mark.parametrize(
    ("hours", "policy", "text"),
    [
        (7.9, {"budget_hours": 10}, None),
        (700, {}, None),
        (
            8,
            {"budget_hours": 10},
            "You have used 8.0 of 10 hours of this month's budget. When it is used up, your machine is stopped; a new"
            " budget begins on 1 December (UTC). If you need more, ask your administrator.",
        ),
        (2, {"budget_hours": 2}, USED_UP),
    ],
)
async def test_a_page_says_so_from_four_fifths_on(
    hours: float, policy: dict[str, Any], text: str | None
) -> None:
    found = await noticed(ran(hours), **policy)
    assert (joined(list(found.parts)) if found else None) == text
    assert not found or found.is_over is (text == USED_UP)


async def test_it_says_when_a_running_machine_is_stopped() -> None:
    runs = worker(started_at=NOON - 2 * HOUR, over_budget_since=NOON)
    found = await noticed(runs, budget_hours=2)
    assert found
    assert joined(list(found.parts)) == (
        f"Save your work: your machine stops at 2026-11-23 12:30:00 UTC. {USED_UP}"
    )


@pytest.mark.parametrize(
    ("record", "policy", "told"),
    [
        (ran(7.9), Policy(budget_hours=10 * HOUR), None),
        (ran(8), Policy(budget_hours=10 * HOUR), {"is_over": False}),
        (worker(started_at=NOON - 2 * HOUR), Policy(budget_hours=2 * HOUR), {"is_over": True}),
        (OVER, Policy(budget_hours=2 * HOUR), {"stops_at": HALF_AN_HOUR_ON, "stops_work": False}),
        (
            replace(OVER, keep_until=NOON + HOUR, keep_by="boss"),
            Policy(budget_hours=2 * HOUR, budget_stops_work=True),
            {"stops_at": HALF_AN_HOUR_ON + 1800, "stops_work": True},
        ),
        (
            replace(OVER, keep_until=NOON + HOUR, keep_by="ada"),
            Policy(shared_budget_hours=2 * HOUR),
            {"stops_at": HALF_AN_HOUR_ON},
        ),
    ],
)
async def test_a_machine_is_told_what_its_pages_say(
    record: Worker, policy: Policy, told: dict[str, Any] | None
) -> None:
    found = await budgets(lambda _: {}, record).by(policy, "ada")
    said = terms(policy, record, timedelta(seconds=30), NOON, found).get("budget")
    if told is None:
        assert said is None
        return
    assert said is not None
    assert "administrator" in said["message"]
    assert {name: said.get(name) for name in told} == told


async def test_the_terms_of_a_machine_can_be_read_there_also_with_a_long_group_name() -> None:
    group = "\U0001f47b" * 1000
    policy = Policy(group_budgets=(Limit(scope=f"group/{group}", time=HOUR, dollars=None),))
    record = replace(OVER, groups=(group,))
    found = await budgets(lambda _: {}, record).by(policy, "ada")
    text = json.dumps(terms(policy, record, timedelta(seconds=30), NOON, found))
    assert Terms.from_text(text).idle_timeout == policy.idle_timeout


@pytest.mark.parametrize(("is_over", "kind"), [(True, "danger"), (False, "warning")])
def test_the_notice_is_shown_with_its_time(is_over: bool, kind: str) -> None:
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    page = templates.get_template("budget.html")
    shown = page.render(budget=Notice(parts=["It stops at ", Time(NOON, True), ". <"], is_over=is_over))
    assert f"alert-{kind}" in shown
    assert "data-clock>2026-11-23 12:00 UTC</time>. &lt;" in shown
    assert not page.render(budget=None).strip()


def hours_of(scope: str, used: float) -> Standing:
    limit = Limit(scope=scope, time=100 * HOUR, dollars=None)
    return Standing(limit=limit, used=Use(used * HOUR), resets_at=NOON)


@pytest.mark.parametrize(
    ("found", "text", "kind"),
    [
        (hours_of("cluster", 79.9), "All users together: 79 % (79.9 of 100 hours)", "secondary"),
        (hours_of("group/<b>", 80), "The group &lt;b&gt;: 80 % (80.0 of 100 hours)", "warning"),
        (hours_of("group/a", 100), "The group a: 100 % (100.0 of 100 hours)", "danger"),
    ],
)
def test_the_machines_page_says_how_shared_budgets_stand(found: Standing, text: str, kind: str) -> None:
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    page = templates.get_template("shared_budgets.html")
    shown = page.render(budgets=[shared_budget(found)])
    assert text in shown
    assert f"text-bg-{kind}" in shown
    assert not page.render(budgets=[]).strip()


@pytest.mark.parametrize(
    ("allowed", "scopes"),
    [
        (Scope.ALL, ["cluster", "group/a", "group/b"]),
        ({"group": {"b", "c"}}, ["group/b"]),
        ({"user": {"ada"}}, []),
    ],
)
def test_an_administrator_sees_all_shared_budgets_and_a_teacher_the_groups(
    allowed: Any, scopes: list[str]
) -> None:
    assert budget_scopes(allowed, ["a", "b"]) == scopes


async def test_shared_budgets_are_read_of_the_scopes_that_have_one() -> None:
    read = reading(cluster={"budget_hours": 2}, group={"shared_budget_hours": 4})
    (found,) = await budgets(read, ran(2, groups=("staff",))).shared(["cluster", "group/staff"])
    assert (found.limit.scope, found.share) == ("group/staff", 0.5)

    def fails(_: Iterable[str]) -> dict[str, str]:
        raise StoreUnavailable("throttled")

    assert await budgets(fails, ran(2)).shared(["cluster"]) == []


def test_a_page_that_is_open_is_renewed_when_the_budget_is_used_up() -> None:
    before, after = (live({}, [worker(over_budget_since=at)]) for at in (None, NOON))
    assert before.version != after.version


@pytest.mark.parametrize(
    ("mode", "refused"),
    [(Drain.IDLE, True), (Drain.UNATTENDED, True), (Drain.WITHOUT_WORK, False), (Drain.REGARDLESS, False)],
)
def test_a_user_who_asks_to_keep_the_machine_does_not_hold_up_its_stop_for_a_budget(
    mode: Drain, refused: bool
) -> None:
    server = Server(pending=None, active=True, started=None, instance_id="i-1", is_keep_pending=True)
    assert (refusal_before_asking(request(mode), server) is not None) is refused
