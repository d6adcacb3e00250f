"""The minute's pass: what it writes of each worker, and that it writes only what changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lifecycle_app.adapters.hub_client import HubUser
from lifecycle_app.contract import Level, source_number
from lifecycle_app.errors import BadRecord, RecordConflict
from lifecycle_app.model.evidence import Report, Source
from lifecycle_app.model.messages import plain, text
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import record_activity, sweep
from lifecycle_app.use_cases.activity import LOOK_BACK
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, reports
from tests.lifecycle.fakes import World


def test_new_activity_is_written_with_the_next_due_time(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.INTERACTION),)
    assert record_activity(world.service, NOON) == {"running": 1, "written": 1}
    worker = world.record()
    assert worker.last_interaction == worker.last_activity == NOON - MINUTE
    assert worker.due_at == NOON - MINUTE + HOUR
    assert text(worker.message) == "last used at 2026-11-23 11:59:00 UTC"


def test_nothing_new_is_not_written(world: World) -> None:
    before = world.record()
    assert record_activity(world.service, NOON) == {"running": 1, "written": 0}
    assert record_activity(world.service, NOON + MINUTE) == {"running": 1, "written": 0}
    assert world.record() == before


def test_work_is_no_interaction(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.WORK),)
    record_activity(world.service, NOON)
    worker = world.record()
    assert (worker.last_activity, worker.last_interaction) == (NOON - MINUTE, NOON - HOUR)
    assert text(worker.message) == "last work or load at 2026-11-23 11:59:00 UTC"


def test_when_only_work_keeps_it_a_decision_says_once_in_the_history_what(world: World) -> None:
    """The passes of each minute read levels only."""
    world.metrics.reports[ALICE] = reports(Level.WORK, NOON - HOUR, NOON + HOUR)
    world.metrics.sources[ALICE] = Source(NOON, source_number("{program} in a terminal", "rsync"))
    world.now = NOON
    record_activity(world.service, NOON - MINUTE)
    assert world.record().due_at == NOON, "an hour after the user"
    record_activity(world.service, NOON)
    assert sweep(world.service, lambda: True) == {"kept": 1}
    entry = world.store.history("alice")[0]
    assert text(entry.message) == "kept on by rsync in a terminal (last at 2026-11-23 12:00:00 UTC)"
    assert entry.evidence["source"] == "rsync in a terminal"
    record_activity(world.service, NOON + MINUTE)
    assert world.record().due_at == NOON + MINUTE + HOUR, "not asked again while it works"


def test_a_period_that_has_not_ended_is_known_up_to_now(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - SECOND, Level.WORK),)
    record_activity(world.service, NOON)
    assert world.record().last_activity == NOON


def test_a_changed_policy_moves_the_due_time(world: World) -> None:
    world.store.put(replace(world.record(), due_at=NOON + 2 * HOUR), NOON)
    world.store.settings["user/alice"] = '{"idle_timeout": 600}'
    assert record_activity(world.service, NOON)["written"] == 1
    due_at = world.record().due_at
    assert due_at is not None
    assert due_at <= NOON


def test_what_an_app_keeps_is_due_when_the_decision_said(world: World) -> None:
    """This pass does not read apps' traffic, and must not undo what the decision wrote."""
    kept = replace(world.record(), decided="app", due_at=NOON + 20 * MINUTE)
    world.store.put(kept, NOON)
    record_activity(world.service, NOON)
    assert world.record().due_at == NOON + 20 * MINUTE
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.INTERACTION),)
    record_activity(world.service, NOON)
    assert world.record().due_at == NOON - MINUTE + HOUR


def test_groups_come_from_the_hub_and_bring_their_policy(world: World) -> None:
    world.store.settings["group/staff"] = '{"idle_timeout": 10800}'
    world.hub.users = [HubUser("alice", ("staff",), frozenset({"alice"}))]
    assert record_activity(world.service, NOON)["written"] == 1
    assert world.record().groups == ("staff",)
    assert world.record().due_at == NOON + 2 * HOUR


def test_without_the_hub_groups_stay_as_they_are(world: World) -> None:
    world.store.put(replace(world.record(), groups=("staff",)), NOON)
    for trouble in ("is_down", "is_odd"):
        setattr(world.hub, trouble, True)
        assert record_activity(world.service, NOON)["written"] == 0
    world.hub.is_down = world.hub.is_odd = False
    world.hub.users = [HubUser("alice", None, frozenset())]
    assert record_activity(world.service, NOON)["written"] == 0
    assert world.record().groups == ("staff",)


def test_a_record_that_changes_meanwhile_is_left_for_the_next_pass(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.INTERACTION),)
    claims: list[bool] = []

    def claim_first(worker: object) -> None:
        if not claims:
            claims.append(True)
            current = world.record()
            world.store.put(replace(current, state=State.STOPPING, claimed_until=NOON + MINUTE), NOON)

    world.store.before_put = claim_first
    assert record_activity(world.service, NOON) == {"running": 1, "written": 0}
    assert world.record().is_claimed(NOON)


def test_with_a_bad_policy_a_worker_is_due_by_default(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.INTERACTION),)
    world.store.settings["user/alice"] = '{"idle_timeout": 0}'
    assert record_activity(world.service, NOON) == {"running": 1, "written": 1}
    assert world.record().due_at == NOON - MINUTE + HOUR


def test_no_worker_runs(world: World) -> None:
    world.store.put(replace(world.record(), state=State.STOPPED), NOON)
    assert record_activity(world.service, NOON) == {"running": 0, "written": 0}


def test_each_worker_is_observed_by_its_own_policy_and_counted(world: World) -> None:
    world.store.put(a_worker(key="bob", instance_id=BOB, due_at=NOON + 3 * HOUR), NOON)
    world.store.settings |= {"user/alice": '{"idle_timeout": 7200}', "user/bob": '{"idle_timeout": 9000}'}
    world.now = NOON + SECOND
    assert record_activity(world.service, NOON) == {"running": 2, "written": 2}
    assert (world.record().due_at, world.record("bob").due_at) == (NOON + HOUR, NOON + 30 * MINUTE)
    assert world.record().changed_at == world.record("bob").changed_at == NOON + SECOND


def test_who_is_due_this_very_moment_stays_due_since_then(world: World) -> None:
    before = world.store.put(replace(world.record(), due_at=NOON, last_activity=NOON - 2 * HOUR), NOON)
    world.store.settings["user/alice"] = '{"idle_timeout": 60}'
    assert record_activity(world.service, NOON) == {"running": 1, "written": 0}
    assert world.record() == before


@pytest.mark.parametrize(
    ("signals", "words"),
    [('["load"]', "work or load"), ('["work"]', "work"), ('["work", "load"]', "work or load")],
)
def test_life_is_told_by_what_may_have_been_it(world: World, signals: str, words: str) -> None:
    world.store.settings["cluster"] = f'{{"signals": {signals}}}'
    world.metrics.reports[ALICE] = reports(Level.WORK, NOON - MINUTE, NOON)
    record_activity(world.service, NOON)
    assert text(world.record().message) == f"last {words} at 2026-11-23 12:00:00 UTC"


def test_where_only_people_count_nothing_else_is_told(world: World) -> None:
    world.store.settings["cluster"] = '{"signals": []}'
    world.metrics.reports[ALICE] = reports(Level.WORK, NOON - MINUTE, NOON)
    assert record_activity(world.service, NOON)["written"] == 0
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - MINUTE, NOON)
    record_activity(world.service, NOON)
    assert text(world.record().message) == "last used at 2026-11-23 12:00:00 UTC"


@pytest.mark.parametrize(("back", "seen"), [(LOOK_BACK, True), (LOOK_BACK + SECOND, False)])
def test_only_reports_of_the_last_minutes_are_asked_for(world: World, back: timedelta, seen: bool) -> None:
    world.metrics.reports[ALICE] = (Report(NOON - back, Level.INTERACTION),)
    assert record_activity(world.service, NOON)["written"] == seen


def test_life_that_is_known_is_not_told_again(world: World) -> None:
    """What a decision has written as the evidence stays, until there is newer life."""
    world.store.put(
        replace(world.record(), message=plain("words"), last_activity=NOON, due_at=NOON + MINUTE), NOON
    )
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - MINUTE, NOON)
    record_activity(world.service, NOON)
    assert world.record().message == plain("words")
    assert world.record().last_interaction == NOON


@pytest.mark.parametrize("error", [RecordConflict("changed"), BadRecord("alice", "too large")])
def test_what_cannot_be_written_is_not_counted_and_does_not_hold_up_the_others(
    world: World, error: Exception
) -> None:
    world.store.put(a_worker(key="bob", instance_id=BOB, due_at=NOON + 3 * HOUR), NOON)
    for instance_id in (ALICE, BOB):
        world.metrics.reports[instance_id] = reports(Level.INTERACTION, NOON - MINUTE, NOON)

    def refuse(worker: Worker) -> None:
        if worker.key == "alice":
            raise error

    world.store.before_put = refuse
    assert record_activity(world.service, NOON) == {"running": 2, "written": 1}
    assert world.record("bob").last_activity == NOON
