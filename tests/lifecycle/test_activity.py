"""The minute's pass: it writes what changed, and nothing else."""

from dataclasses import replace

from lifecycle_app.adapters.hub_client import HubUser
from lifecycle_app.model.evidence import Report
from lifecycle_app.model.policy import Level
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import record_activity
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, SECOND
from tests.lifecycle.fakes import World


def test_a_new_sign_of_life_is_written_with_the_next_due_time(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON - 2 * MINUTE, Level.INTERACTION),)
    assert record_activity(world.service, NOON) == {"running": 1, "written": 1}
    worker = world.record()
    assert worker.last_interaction == worker.last_activity == NOON - MINUTE
    assert worker.due_at == NOON - MINUTE + HOUR
    assert worker.evidence == "somebody used it until 2026-11-23 11:59:00 UTC"


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
    assert worker.evidence == "work or load until 2026-11-23 11:59:00 UTC"


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


def test_nobody_runs(world: World) -> None:
    world.store.put(replace(world.record(), state=State.STOPPED), NOON)
    assert record_activity(world.service, NOON) == {"running": 0, "written": 0}
