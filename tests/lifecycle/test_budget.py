"""A user's budget of a month: what counts, when it is used up, and what happens to a machine that runs then."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle_app.contract import Drain, KeepRefusal, Level
from lifecycle_app.model.budget import (
    NOTICED_WITHIN,
    Use,
    near_message,
    nearest,
    next_month,
    standings,
    stops_at,
    used,
    used_up,
    used_up_message,
    uses,
    with_budget,
    with_run,
)
from lifecycle_app.model.decision import Action, Reason, decide, next_check
from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.history import PER_HOUR
from lifecycle_app.model.keep import answered
from lifecycle_app.model.policy import Limit, Policy
from lifecycle_app.model.transitions import moved, with_claim, with_release, with_state
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import record_activity, sweep
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance, reports
from tests.lifecycle.fakes import World

PRICE = PER_HOUR["t3.medium"]
MONTH = datetime(2026, 11, 1, tzinfo=UTC)
GRACE = Policy().budget_grace
BUDGET = Policy(budget_hours=2 * HOUR)
IN_USE = Evidence(period=MINUTE, reports=reports(Level.INTERACTION, NOON - 2 * HOUR, NOON))


def hours(count: float, dollars: float | None = None) -> Use:
    return Use(count * HOUR, count * PRICE if dollars is None else dollars)


def near(found: Use, expected: Use) -> bool:
    return found.time == expected.time and found.dollars == pytest.approx(expected.dollars, abs=1e-5)


def test_a_month_ends_where_the_next_one_begins() -> None:
    assert next_month(NOON) == datetime(2026, 12, 1, tzinfo=UTC)
    assert next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert next_month(datetime(2028, 2, 1, tzinfo=UTC)) == datetime(2028, 3, 1, tzinfo=UTC)


def test_finished_runs_of_the_month_and_the_one_that_goes_on_count() -> None:
    ran = with_state(a_worker(), State.STOPPING, NOON, NOON)
    again = with_state(with_state(ran, State.STOPPED, NOON, NOON), State.PENDING, NOON + HOUR, NOON)
    runs = with_state(again, State.RUNNING, NOON + HOUR, NOON)
    assert near(used([runs], NOON + 4 * HOUR), hours(5))
    twice = with_state(runs, State.STOPPING, NOON + 4 * HOUR, NOON)
    assert near(used([twice], NOON + 9 * HOUR), hours(5))
    assert (twice.month, twice.month_seconds) == ("2026-11", 5 * 3600)


def test_of_a_run_across_midnight_of_the_first_only_the_new_months_part_counts() -> None:
    worker = a_worker(started_at=MONTH - 5 * HOUR, month="2026-10", month_seconds=90_000, month_dollars=9.0)
    assert near(used([worker], MONTH + 3 * HOUR), hours(3))
    assert near(used([replace(with_run(worker, MONTH + 3 * HOUR), started_at=None)], NOON), hours(3))
    # What is read late of the month before is that month's.
    assert with_run(worker, MONTH - SECOND).month_seconds == 90_000 + 5 * 3600 - 1


def test_a_claim_and_its_release_end_no_run() -> None:
    claimed = with_claim(a_worker(), "idle", a_worker().message, NOON)
    assert near(used([claimed], NOON), hours(2))
    released = with_release(claimed, "idle", a_worker().message, NOON)
    assert near(used([released], NOON + HOUR), hours(3))


def test_the_run_of_an_instance_that_is_gone_is_kept_with_the_new_one() -> None:
    worker = moved(a_worker(seconds_run=5), an_instance(instance_id=BOB, launched_at=NOON), NOON)
    assert (worker.month_seconds, worker.seconds_run) == (7200, 7205)
    assert near(used([worker], NOON + HOUR), hours(3))


def test_a_price_that_is_not_known_costs_nothing() -> None:
    assert used([a_worker(zone="eu-central-1a")], NOON) == hours(2, dollars=0.0)


@pytest.mark.parametrize(
    ("policy", "share"),
    [
        (Policy(), 0.0),
        (Policy(budget_hours=4 * HOUR), 0.5),
        (Policy(budget_dollars=4 * PRICE), 0.5),
        (Policy(budget_hours=4 * HOUR, budget_dollars=2.5 * PRICE), 0.8),
        (Policy(budget_hours=timedelta(0)), 1.0),
        (Policy(budget_dollars=0.0), 1.0),
    ],
)
def test_the_budget_that_is_nearer_to_its_end_counts(policy: Policy, share: float) -> None:
    found = nearest(standings("alice", policy, uses([a_worker()], NOON), NOON))
    if found is None:
        assert policy == Policy()
        return
    assert found.share == pytest.approx(share)
    assert (found.is_near, found.is_over) == (share >= 0.8, share >= 1)


def noted(worker: Worker, policy: Policy, workers: list[Worker], now: datetime) -> Worker:
    return with_budget(worker, policy, used_up(policy.limits(worker.user), workers, now), now)


def over(worker: Worker | None = None, policy: Policy = BUDGET, now: datetime = NOON) -> Worker:
    one = worker or a_worker()
    return noted(one, policy, [one], now)


@pytest.mark.parametrize("late", [timedelta(0), SECOND, NOTICED_WITHIN])
@pytest.mark.parametrize("policy", [BUDGET, Policy(budget_dollars=2 * PRICE)])
def test_it_is_used_up_since_its_exact_moment(policy: Policy, late: timedelta) -> None:
    since = over(policy=policy, now=NOON + late).over_budget_since
    assert since is not None
    assert abs(since - NOON) <= SECOND


def test_before_that_it_is_not() -> None:
    assert over(now=NOON - SECOND).over_budget_since is None


def test_of_a_budget_that_was_lowered_the_grace_begins_when_it_is_noticed() -> None:
    now = NOON + NOTICED_WITHIN + SECOND
    found = over(now=now)
    assert found.over_budget_since == now
    assert over(found, now=now + 20 * MINUTE).over_budget_since == now


@pytest.mark.parametrize("policy", [Policy(), Policy(budget_hours=3 * HOUR)])
def test_a_budget_that_is_raised_or_taken_away_is_not_used_up(policy: Policy) -> None:
    assert over(over(), policy).over_budget_since is None


def test_all_machines_of_the_user_count_together() -> None:
    policy = Policy(budget_hours=4 * HOUR)
    other = a_worker(key="alice/gpu", instance_id=BOB, started_at=NOON - HOUR)
    ended = a_worker(key="alice/x", started_at=None, state=State.STOPPED, month="2026-11", month_seconds=3600)
    assert noted(a_worker(), policy, [a_worker(), other, ended], NOON).over_budget_since == NOON
    assert noted(a_worker(), policy, [a_worker(), other], NOON).over_budget_since is None


STAFF = a_worker(groups=("staff",))
BOBS = a_worker(key="bob", instance_id=BOB, groups=("staff", "lab"), started_at=NOON - HOUR)
EVES = a_worker(
    key="eve", instance_id="i-e", state=State.STOPPED, started_at=None, month="2026-11", month_seconds=7200
)
OF_STAFF = Limit(scope="group/staff", time=3 * HOUR, dollars=None)
OF_LAB = Limit(scope="group/lab", time=None, dollars=2 * PRICE)


def test_use_is_counted_of_each_user_each_group_and_all() -> None:
    found = uses([STAFF, BOBS, EVES, replace(EVES, month="2026-10")], NOON)
    assert {scope: one.time / HOUR for scope, one in found.items()} == {
        "user/alice": 2, "user/bob": 1, "user/eve": 2, "group/staff": 3, "group/lab": 1, "cluster": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "alices", "bobs"),
    [
        (Policy(group_budgets=(OF_STAFF,)), "group/staff", "group/staff"),
        (Policy(group_budgets=(replace(OF_STAFF, time=3 * HOUR + SECOND),)), "", ""),
        (Policy(group_budgets=(OF_LAB,)), "", ""),
        (Policy(group_budgets=(OF_STAFF, OF_LAB)), "group/staff", "group/staff"),
        (Policy(shared_budget_hours=5 * HOUR), "cluster", "cluster"),
        (Policy(shared_budget_hours=5 * HOUR + SECOND), "", ""),
        (Policy(shared_budget_dollars=3 * PRICE), "cluster", "cluster"),
        (BUDGET, "user/alice", ""),
        (replace(BUDGET, shared_budget_hours=9 * HOUR), "user/alice", ""),
    ],
)
def test_every_budget_that_holds_for_a_user_ends_what_runs(policy: Policy, alices: str, bobs: str) -> None:
    running = [STAFF, BOBS]
    found = [noted(one, policy, [*running, EVES], NOON) for one in running]
    assert [one.over_budget_of for one in found] == [alices, bobs]
    assert [one.over_budget_since for one in found] == [NOON if of else None for of in (alices, bobs)]


def test_of_a_shared_budget_all_machines_of_those_who_run_have_the_same_moment() -> None:
    """Two machines have used it twice as fast."""
    policy = Policy(shared_budget_hours=5 * HOUR)
    now = NOON + 3 * MINUTE
    found = {noted(one, policy, [STAFF, BOBS, EVES], now).over_budget_since for one in (STAFF, BOBS)}
    assert found == {NOON}


def test_the_first_budget_that_is_used_up_counts_and_another_one_begins_no_new_grace() -> None:
    both = replace(BUDGET, group_budgets=(OF_STAFF,))
    first = over(policy=BUDGET)
    assert (first.over_budget_of, first.over_budget_since) == ("user/alice", NOON)
    then = noted(
        replace(first, groups=("staff",)), both, [replace(first, groups=("staff",)), BOBS], NOON + MINUTE
    )
    assert (then.over_budget_of, then.over_budget_since) == ("user/alice", NOON)
    raised = replace(both, budget_hours=9 * HOUR)
    later = noted(then, raised, [then, BOBS], NOON + 2 * MINUTE)
    assert (later.over_budget_of, later.over_budget_since) == ("group/staff", NOON)
    assert decide(later, IN_USE, raised, NOON + GRACE).message.values["whose"] == "the group staff"


def test_what_users_read_of_a_shared_budget_says_whose_and_not_what_others_used() -> None:
    used_all, most = (uses([STAFF, BOBS], NOON + late) for late in (timedelta(0), -15 * MINUTE))
    policy = Policy(group_budgets=(OF_STAFF,))
    (over_now,) = standings("alice", policy, used_all, NOON)
    assert used_up_message(over_now) == (
        "This month's budget of the group staff is used up. Machines can be started again from 1 December (UTC) on. If"
        " you need one before, ask your administrator."
    )
    (near_now,) = standings("alice", policy, most, NOON)
    assert near_message(near_now).startswith(
        "83 % of this month's budget of the group staff is used. When it is"
    )
    (of_all,) = standings("alice", Policy(shared_budget_hours=HOUR), used_all, NOON)
    assert "budget of all users together is used up" in used_up_message(of_all)


def test_a_new_month_has_a_new_budget() -> None:
    december = next_month(NOON)
    worker = a_worker(started_at=december - 5 * HOUR, over_budget_since=december - 3 * HOUR)
    assert stops_at(worker, BUDGET, december) is None
    assert over(worker, now=december + HOUR).over_budget_since is None
    # A grace that would end in the new month ends nothing.
    late = replace(worker, over_budget_since=december - MINUTE)
    assert stops_at(late, BUDGET, december - SECOND) is None


OVER = a_worker(over_budget_since=NOON - GRACE)
FINAL = replace(BUDGET, budget_stops_work=True)


@pytest.mark.parametrize(
    ("policy", "now", "drain", "alone"),
    [
        (BUDGET, NOON, Drain.WITHOUT_WORK, False),
        (BUDGET, NOON + 24 * HOUR - SECOND, Drain.WITHOUT_WORK, False),
        (BUDGET, NOON + 24 * HOUR, Drain.REGARDLESS, True),
        (replace(BUDGET, busy_allowance=None), NOON + 90 * HOUR, Drain.WITHOUT_WORK, False),
        (FINAL, NOON, Drain.REGARDLESS, True),
        (replace(BUDGET, signals=frozenset({Level.INTERACTION})), NOON, Drain.REGARDLESS, True),
    ],
)
def test_after_the_grace_it_is_stopped_although_it_is_used(
    policy: Policy, now: datetime, drain: Drain, alone: bool
) -> None:
    decision = decide(OVER, IN_USE, policy, now)
    assert (decision.action, decision.reason) == (Action.STOP, Reason.BUDGET)
    assert (decision.drain, decision.alone) == (drain, alone)


def test_within_the_grace_it_is_kept_as_ever_and_due_at_its_end() -> None:
    decision = decide(OVER, IN_USE, BUDGET, NOON - SECOND)
    assert (decision.action, decision.reason, decision.due_at) == (Action.KEEP, Reason.ACTIVE, NOON)
    assert next_check(OVER, IN_USE, BUDGET, NOON - SECOND) == NOON


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keep_until": NOON + HOUR, "keep_by": "alice"}, Reason.BUDGET),
        ({"keep_until": NOON + HOUR, "keep_by": "boss"}, Reason.KEPT),
        ({"keep_until": NOON + HOUR, "keep_by": ""}, Reason.KEPT),
        ({"keep_until": NOON, "keep_by": "boss"}, Reason.BUDGET),
        # One that has just been started is stopped too: the hub starts none while the budget is used up.
        ({"started_at": NOON - MINUTE}, Reason.BUDGET),
    ],
)
def test_a_budget_outranks_the_users_keep_and_an_administrators_the_budget(
    changes: dict[str, Any], reason: Reason
) -> None:
    assert decide(replace(OVER, **changes), IN_USE, BUDGET, NOON).reason == reason


def test_one_that_an_administrator_keeps_is_due_after_that() -> None:
    kept = replace(OVER, keep_until=NOON + HOUR, keep_by="boss")
    assert next_check(kept, IN_USE, BUDGET, NOON) == NOON + HOUR
    assert next_check(replace(kept, keep_by="alice"), IN_USE, BUDGET, NOON) == NOON


def asked(span: timedelta = 2 * HOUR) -> KeepRequest:
    return KeepRequest("alice", ALICE, "0f" * 16, span, NOON, "alice")


def test_over_budget_a_user_cannot_keep_the_machine() -> None:
    found = answered(OVER, asked(), BUDGET)
    assert (found.keep_refusal, found.keep_until) == (KeepRefusal.OVER_BUDGET, None)


@pytest.mark.parametrize(("policy", "by"), [(BUDGET, "boss"), (Policy(), "alice")])
def test_a_users_longer_keep_does_not_take_the_place_of_one_that_outranks_the_budget(
    policy: Policy, by: str
) -> None:
    found = answered(a_worker(keep_until=NOON + HOUR, keep_by="boss"), asked(), policy)
    assert (found.keep_by, found.keep_refusal) == (by, "")


@pytest.fixture
def budgeted(world: World) -> World:
    """Alice uses her machine, and has two hours a month, which are over at noon."""
    world.store.settings["user/alice"] = json.dumps({"budget_hours": 2, "budget_stops_work": True})
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - 2 * HOUR, NOON + 2 * HOUR)
    return world


def test_the_pass_over_activity_notices_it_and_the_sweep_stops_it_after_the_grace(budgeted: World) -> None:
    record_activity(budgeted.service, NOON + MINUTE)
    assert budgeted.record().over_budget_since == NOON
    assert budgeted.record().due_at == NOON + GRACE
    budgeted.now = NOON + GRACE - SECOND
    assert sweep(budgeted.service, lambda: True) == {}
    budgeted.now = NOON + GRACE
    assert sweep(budgeted.service, lambda: True) == {"stopped": 1}
    assert budgeted.record().stop_reason == Reason.BUDGET
    assert budgeted.hub.asked == [("alice", Drain.REGARDLESS, NOON + GRACE)]


def test_a_groups_budget_stops_all_its_machines_but_the_one_that_an_administrator_keeps(world: World) -> None:
    """Three hours are used up at noon by alice's two and bob's one; carol's group has none."""
    world.store.settings["group/staff"] = json.dumps({"shared_budget_hours": 3, "budget_stops_work": True})
    others = [
        a_worker(key="bob", instance_id=BOB, started_at=NOON - HOUR, groups=("staff",), version=0),
        a_worker(key="carol", instance_id="i-0c", started_at=NOON - 5 * HOUR, groups=("other",), version=0),
        a_worker(key="dan", instance_id="i-0d", started_at=NOON, version=0),
    ]
    for one in others:
        world.store.put(one, NOON)
        world.cloud.add(an_instance(key=one.key, instance_id=one.instance_id))
        world.metrics.reports[one.instance_id] = reports(Level.INTERACTION, NOON - 2 * HOUR, NOON + 2 * HOUR)
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - 2 * HOUR, NOON + 2 * HOUR)
    world.store.put(
        replace(world.record(), groups=("staff",), keep_until=NOON + 9 * HOUR, keep_by="boss"), NOON
    )
    record_activity(world.service, NOON + MINUTE)
    since = {key: world.store.workers[key].over_budget_since for key in ("alice", "bob", "carol", "dan")}
    assert since == {"alice": NOON, "bob": NOON, "carol": None, "dan": None}
    world.now = NOON + GRACE
    assert sweep(world.service, lambda: True) == {"stopped": 1}
    assert world.store.workers["bob"].stop_reason == Reason.BUDGET
    assert world.record().state is State.RUNNING


def test_the_months_workers_are_read_once_for_all_budgets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.settings["cluster"] = json.dumps({"shared_budget_hours": 300, "budget_hours": 40})
    world.store.put(a_worker(key="bob", instance_id=BOB, version=0), NOON)
    asked: list[datetime] = []

    def changed_since(at: datetime) -> list[Worker]:
        asked.append(at)
        return []

    monkeypatch.setattr(world.store, "changed_since", changed_since)
    record_activity(world.service, NOON)
    assert asked == [MONTH]


def test_a_raised_budget_is_seen_within_a_minute(budgeted: World) -> None:
    record_activity(budgeted.service, NOON + MINUTE)
    budgeted.store.settings["user/alice"] = json.dumps({"budget_hours": 3})
    record_activity(budgeted.service, NOON + 2 * MINUTE)
    assert budgeted.record().over_budget_since is None
    budgeted.now = NOON + GRACE
    sweep(budgeted.service, lambda: True)
    assert budgeted.record().state is State.RUNNING


def test_stopped_machines_of_the_month_count_too(budgeted: World) -> None:
    more = a_worker(key="alice/x", instance_id=BOB, state=State.STOPPED, started_at=None, due_at=None)
    budgeted.store.put(replace(more, month="2026-11", month_seconds=1800), NOON)
    record_activity(budgeted.service, NOON - 29 * MINUTE)
    assert budgeted.record().over_budget_since == NOON - 30 * MINUTE


def test_without_a_budget_nothing_more_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(_: datetime) -> list[Worker]:
        raise AssertionError("the month's workers are read")

    monkeypatch.setattr(world.store, "changed_since", unread)
    record_activity(world.service, NOON)
    assert world.record().over_budget_since is None
