"""EC2 against records, alarms and hub: each thing that can go missing, and that nothing is guessed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.errors import StopRejected
from lifecycle_app.model.decision import Drain
from lifecycle_app.model.history import Kind
from lifecycle_app.model.policy import Level, Policy
from lifecycle_app.model.transitions import STOP_TAKES, with_claim, with_stop_accepted
from lifecycle_app.model.worker import Instance, State
from lifecycle_app.use_cases import reconcile
from lifecycle_app.use_cases.reconcile import DUPLICATE_KEPT
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance, reports
from tests.lifecycle.fakes import World

FITTING = idle_alarm(Policy(), MINUTE)


def reconciled(world: World, now: datetime = NOON) -> dict[str, int]:
    world.now = now
    return reconcile(world.service, now, lambda: True)


@pytest.fixture(autouse=True)
def all_is_well(world: World) -> None:
    world.metrics.alarms[ALICE] = FITTING
    world.hub.users = [HubUser("alice", (), frozenset({"alice"}))]


def test_where_all_is_well_nothing_is_done(world: World) -> None:
    before = world.record()
    assert reconciled(world) == {}
    assert world.record() == before
    assert world.store.entries == {}


@pytest.mark.parametrize("state", [State.STOPPING, State.STOPPED, State.TERMINATED])
def test_a_missed_end_is_recorded(world: World, state: State) -> None:
    world.cloud.set_state(ALICE, state)
    assert reconciled(world)["missed"] == 1
    assert world.record().state is state
    assert world.store.told("alice", Kind.REPAIR) == [f"missed-{state}"]
    assert (ALICE in world.metrics.alarms) is state.costs


def test_a_missed_start_is_recorded_with_its_launch_time(world: World) -> None:
    stopped = replace(world.record(), state=State.STOPPED, started_at=None, state_at=NOON - 90 * MINUTE)
    world.store.put(stopped, NOON)
    world.metrics.alarms.clear()
    world.cloud.add(an_instance(launched_at=NOON - 30 * MINUTE))
    assert reconciled(world)["missed"] == 1
    assert world.record().state is State.RUNNING
    assert set(world.metrics.alarms) == {ALICE}


def test_events_under_way_are_waited_for(world: World) -> None:
    world.store.put(replace(world.record(), state_at=NOON - 59 * SECOND), NOON)
    world.cloud.set_state(ALICE, State.STOPPED)
    assert reconciled(world) == {}
    assert reconciled(world, NOON + SECOND)["missed"] == 1


def test_a_stop_that_ec2_lost_runs_again_and_is_due(world: World) -> None:
    claimed = with_claim(world.record(), "idle", "words", NOON - HOUR)
    world.store.put(with_stop_accepted(claimed, NOON - HOUR), NOON)
    assert reconciled(world)["missed"] == 1
    worker = world.record()
    assert (worker.state, worker.started_at) == (State.RUNNING, NOON - 2 * HOUR)
    assert worker.due_at is not None
    assert worker.due_at <= NOON


def test_a_claim_that_holds_is_not_touched(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", "words", NOON), NOON)
    before = world.record()
    assert reconciled(world, NOON + SECOND) == {}
    assert world.record() == before


@pytest.mark.parametrize(
    ("taken", "told", "forced"),
    [
        (STOP_TAKES, [], []),
        (STOP_TAKES + SECOND, ["stuck-stopping"], []),
        (2 * STOP_TAKES, ["stuck-stopping"], []),
        (2 * STOP_TAKES + SECOND, ["forced"], [ALICE]),
    ],
)
def test_a_stop_that_takes_too_long_is_told_and_then_forced(
    world: World, taken: timedelta, told: list[str], forced: list[str]
) -> None:
    stopping = replace(world.record(), state=State.STOPPING, state_at=NOON - taken, started_at=None)
    world.store.put(stopping, NOON)
    world.cloud.set_state(ALICE, State.STOPPING)
    reconciled(world)
    assert world.store.told("alice") == told
    assert world.cloud.forced == forced


@pytest.fixture
def stuck(world: World) -> World:
    """Alice's instance has been stopping for an hour, which is twice too long."""
    stopping = replace(world.record(), state=State.STOPPING, state_at=NOON - HOUR, started_at=None)
    world.store.put(stopping, NOON)
    world.cloud.set_state(ALICE, State.STOPPING)
    return world


def test_while_it_is_forced_a_worker_is_claimed(stuck: World) -> None:
    """Else a user who waits could start it between the last look and the force."""
    stop, seen = stuck.cloud.stop, []

    def stop_and_see(instance_id: str, *, force: bool = False) -> None:
        seen.append(stuck.record().is_claimed(NOON))
        stop(instance_id, force=force)

    stuck.cloud.stop = stop_and_see  # type: ignore[method-assign]
    assert reconciled(stuck)["stuck"] == 1
    assert seen == [True]
    worker = stuck.record()
    assert (worker.state, worker.claimed_until, worker.state_at) == (State.STOPPING, None, NOON)


def test_what_has_stopped_meanwhile_is_not_forced(stuck: World) -> None:
    """What was found wrong is up to minutes old when it is mended."""
    before, named = stuck.record(), stuck.cloud.named

    def stopped_by_now(instance_ids: Sequence[str]) -> list[Instance]:
        return [replace(instance, state=State.STOPPED) for instance in named(instance_ids)]

    stuck.cloud.named = stopped_by_now  # type: ignore[method-assign]
    reconciled(stuck)
    assert stuck.cloud.stops == []
    after = stuck.record()
    assert after == replace(before, version=after.version, changed_at=after.changed_at)


def test_a_record_that_has_changed_meanwhile_is_not_forced(stuck: World) -> None:
    """It has stopped, and its user has started it again."""
    found = stuck.store.everybody()
    stuck.store.put(replace(stuck.record(), state=State.PENDING, state_at=NOON - 2 * MINUTE), NOON)
    stuck.store.everybody = lambda: found  # type: ignore[method-assign]
    assert reconciled(stuck)["failed"] == 1
    assert stuck.cloud.stops == []


def test_a_force_that_ec2_refuses_leaves_the_worker_as_it_was(stuck: World) -> None:
    before = stuck.record()
    stuck.cloud.stop_error = StopRejected("StopInstances", "UnauthorizedOperation", "no")
    assert reconciled(stuck)["failed"] == 1
    after = stuck.record()
    assert after == replace(before, version=after.version, changed_at=after.changed_at)


def test_a_home_that_was_attached_after_the_start_is_recorded(world: World) -> None:
    """EC2 sends no event when it is."""
    world.store.put(replace(world.record(), home_volume="vol-home", home_attached=False), NOON)
    world.cloud.add(an_instance(home_volume="vol-home"))
    assert reconciled(world) == {"outdated": 1}
    assert world.record().home_attached
    assert reconciled(world) == {}


def test_an_orphan_gets_a_record_and_an_alarm(world: World) -> None:
    world.cloud.add(an_instance(key="bob", instance_id=BOB, launched_at=NOON - 30 * MINUTE))
    world.hub.users.append(HubUser("bob", (), frozenset({"bob"})))
    assert reconciled(world) == {"orphan": 1}
    worker = world.record("bob")
    assert (worker.instance_id, worker.state) == (BOB, State.RUNNING)
    assert worker.started_at == NOON - 30 * MINUTE
    assert set(world.metrics.alarms) == {ALICE, BOB}
    assert world.store.told("bob") == ["orphan"]


def test_an_orphan_that_is_terminated_stays_one(world: World) -> None:
    world.cloud.add(an_instance(key="bob", instance_id=BOB, state=State.TERMINATED))
    assert reconciled(world) == {}


def test_of_two_instances_the_recorded_one_is_kept_and_the_other_told_of_once(world: World) -> None:
    world.cloud.add(an_instance(instance_id=BOB, launched_at=NOON - MINUTE))
    for _ in range(2):
        assert reconciled(world) == {"orphan": 1}
    assert world.record().instance_id == ALICE
    assert world.store.told("alice") == ["duplicate"]
    assert world.cloud.stops == []


ELSEWHERE = DrainAnswer(False, "the user's server is on another instance", {"instance_id": ALICE})
HERE = DrainAnswer(False, "somebody did something", {"answers": True})
NOWHERE = DrainAnswer(True, "the hub has no server there")


@pytest.mark.parametrize(
    ("age", "answer", "ends"),
    [
        (DUPLICATE_KEPT - SECOND, ELSEWHERE, False),
        (DUPLICATE_KEPT, ELSEWHERE, True),
        (DUPLICATE_KEPT, NOWHERE, True),
        (DUPLICATE_KEPT, HERE, False),
        (DUPLICATE_KEPT, None, False),
    ],
    ids=["young", "server elsewhere", "no server", "server here", "hub down"],
)
def test_a_second_instance_without_a_server_is_stopped_after_a_while(
    world: World, age: timedelta, answer: DrainAnswer | None, ends: bool
) -> None:
    world.cloud.add(an_instance(instance_id=BOB, launched_at=NOON - age))
    world.hub.is_down = answer is None
    world.hub.answers = lambda worker, _: answer if answer and worker.instance_id == BOB else ELSEWHERE
    assert reconciled(world) == {"orphan": 1}
    assert world.cloud.stops == ([BOB] if ends else [])
    assert world.cloud.forced == []
    assert world.record().instance_id == ALICE
    assert world.store.told("alice", Kind.REPORT) == ["duplicate"]


def test_the_other_one_is_not_touched_if_it_does_not_run(world: World) -> None:
    world.cloud.add(an_instance(instance_id=BOB, state=State.STOPPED))
    assert reconciled(world) == {"orphan": 1}
    assert world.cloud.stops == []
    assert world.hub.asked == []


def test_of_two_instances_without_a_record_none_is_chosen(world: World) -> None:
    world.cloud.add(an_instance(key="bob", instance_id=BOB), an_instance(key="bob", instance_id="i-0b0c"))
    assert reconciled(world) == {"ambiguous": 1}
    assert world.store.get("bob") is None


def test_a_record_whose_instance_cannot_be_described_is_kept(world: World) -> None:
    before = world.record()
    world.cloud.instances.clear()
    for _ in range(2):
        assert reconciled(world)["undescribed"] == 1
    assert world.record() == before
    assert world.store.told("alice") == ["undescribed"]


def test_an_instance_whose_tags_have_faded_is_found_by_its_id(world: World) -> None:
    world.cloud.set_state(ALICE, State.TERMINATED)
    world.cloud.workers = list  # type: ignore[method-assign]
    assert reconciled(world)["missed"] == 1
    assert world.record().state is State.TERMINATED


@pytest.mark.parametrize("alarm", [None, replace(FITTING, datapoints=5)], ids=["lost", "another policy's"])
def test_an_alarm_that_is_lost_or_outdated_is_put(world: World, alarm: object) -> None:
    world.metrics.alarms.clear()
    if alarm:
        world.metrics.alarms[ALICE] = alarm  # type: ignore[assignment]
    assert reconciled(world) == {"lost-alarm": 1}
    assert world.metrics.alarms == {ALICE: FITTING}


def test_alarms_of_workers_that_do_not_run_are_removed(world: World) -> None:
    world.metrics.alarms[BOB] = FITTING
    assert reconciled(world) == {"stray-alarm": 1}
    assert set(world.metrics.alarms) == {ALICE}


def test_a_running_worker_the_hub_has_no_server_for_is_due_early(world: World) -> None:
    world.store.put(replace(world.record(), last_activity=NOON - 10 * MINUTE), NOON)
    world.hub.users = [HubUser("bob", (), frozenset({"bob"}))]
    assert reconciled(world) == {"without-server": 1}
    assert world.cloud.stops == [ALICE]
    assert world.hub.asked == [("alice", Drain.IDLE, NOON - 10 * MINUTE)]
    assert world.store.told("alice") == ["no-server"]


@pytest.mark.parametrize("users", [[], [HubUser("bob", (), frozenset())]], ids=["no user", "no server"])
def test_a_hub_that_knows_of_no_server_at_all_knows_nothing(world: World, users: list[HubUser]) -> None:
    """Perhaps its database is lost; the idle timeout still holds."""
    world.store.put(replace(world.record(), last_activity=NOON - 10 * MINUTE), NOON)
    world.hub.users = users
    assert reconciled(world) == {}
    assert world.cloud.stops == []


def test_work_without_a_server_goes_on(world: World) -> None:
    world.hub.users = [HubUser("bob", (), frozenset({"bob"}))]
    world.metrics.reports[ALICE] = reports(Level.WORK, NOON - HOUR, NOON)
    reconciled(world)
    assert world.cloud.stops == []


@pytest.mark.parametrize("trouble", ["is_down", "is_odd"])
def test_without_the_hub_nobody_counts_as_without_server(world: World, trouble: str) -> None:
    setattr(world.hub, trouble, True)
    world.store.put(replace(world.record(), last_activity=NOON - 10 * MINUTE), NOON)
    assert reconciled(world) == {}


def test_it_ends_in_time(world: World) -> None:
    for name in ("bob", "carol"):
        world.store.put(a_worker(key=name, instance_id=f"i-{name}"), NOON)
    ticks = iter([True, False])
    assert reconcile(world.service, NOON, lambda: next(ticks)) == {"undescribed": 1, "left": 1}


def test_one_workers_trouble_does_not_keep_it_from_the_others(world: World) -> None:
    world.store.put(
        replace(world.record(), state=State.STOPPING, state_at=NOON - HOUR, started_at=None), NOON
    )
    world.cloud.set_state(ALICE, State.STOPPING)
    world.cloud.add(an_instance(key="bob", instance_id=BOB))
    world.cloud.stop_error = StopRejected("StopInstances", "UnauthorizedOperation", "no")
    done = reconciled(world)
    assert (done["failed"], done["orphan"]) == (1, 1)
