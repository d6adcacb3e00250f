"""EC2 against records, alarms and hub: what each pass writes and logs, and that nothing is guessed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import BadRecord, CloudError, StopRejected, StrangeMetrics
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message, plain, text
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.reconciliation import SETTLES_IN
from lifecycle_app.model.transitions import LEASE, STOP_TAKES, with_claim, with_stop_accepted
from lifecycle_app.model.worker import Instance, State, Worker
from lifecycle_app.use_cases import reconcile
from lifecycle_app.use_cases.reconcile import DUPLICATE_KEPT, STRANGE_METRICS
from tests.lifecycle.entries import entry, lines
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
    claimed = with_claim(world.record(), "idle", plain("words"), NOON - HOUR)
    world.store.put(with_stop_accepted(claimed, NOON - HOUR), NOON)
    assert reconciled(world)["missed"] == 1
    worker = world.record()
    assert (worker.state, worker.started_at) == (State.RUNNING, NOON - 2 * HOUR)
    assert worker.due_at is not None
    assert worker.due_at <= NOON


def test_a_claim_that_holds_is_not_touched(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON), NOON)
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
    """What was found wrong is up to minutes old when it is fixed."""
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
    found = stuck.store.all_workers()
    stuck.store.put(replace(stuck.record(), state=State.PENDING, state_at=NOON - 2 * MINUTE), NOON)
    stuck.store.all_workers = lambda: found  # type: ignore[method-assign]
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


def test_of_two_instances_the_recorded_one_is_kept_and_the_other_reported_once(world: World) -> None:
    world.cloud.add(an_instance(instance_id=BOB, launched_at=NOON - MINUTE))
    for _ in range(2):
        assert reconciled(world) == {"orphan": 1}
    assert world.record().instance_id == ALICE
    assert world.store.told("alice") == ["duplicate"]
    assert world.cloud.stops == []


ELSEWHERE = DrainAnswer(False, "the user's server is on another instance", {"instance_id": ALICE})
HERE = DrainAnswer(False, "the user did something", {"answers": True})
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
def test_without_the_hub_no_worker_counts_as_without_server(world: World, trouble: str) -> None:
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


def reconciled_a_second_later(world: World, now: timedelta = timedelta(0)) -> dict[str, int]:
    world.now = NOON + SECOND + now
    return reconcile(world.service, NOON + now, lambda: True)


def test_where_all_is_well_ec2_is_asked_once(world: World) -> None:
    """Asking for no instance by name would ask for all of them."""
    asked: list[Sequence[str]] = []
    world.cloud.named = lambda ids: asked.append(ids) or []  # type: ignore[method-assign,assignment,func-returns-value]
    assert reconciled_a_second_later(world) == {}
    assert asked == []


def test_everything_that_was_fixed_or_failed_is_counted(world: World) -> None:
    for name in ("bob", "carol"):
        world.cloud.add(an_instance(key=name, instance_id=f"i-{name}"))
        world.hub.users.append(HubUser(name, (), frozenset({name})))
    assert reconciled_a_second_later(world) == {"orphan": 2}


def test_two_failures_are_two(world: World) -> None:
    for name in ("bob", "carol"):
        world.cloud.add(an_instance(key=name, instance_id=f"i-{name}", state=State.STOPPING))
        stuck = a_worker(key=name, instance_id=f"i-{name}", state=State.STOPPING, state_at=NOON - HOUR)
        world.store.put(stuck, NOON)
    world.cloud.stop_error = StopRejected("StopInstances", "X", "no")
    assert reconciled_a_second_later(world) == {"failed": 2}


def test_a_missed_state_is_told_and_its_facts_taken(world: World) -> None:
    world.store.put(
        replace(world.record(), state=State.STOPPED, started_at=None, state_at=NOON - 90 * MINUTE), NOON
    )
    world.cloud.add(an_instance(launched_at=NOON - 30 * MINUTE, address="10.0.1.99"))
    assert reconciled_a_second_later(world) == {"missed": 1}
    why = message("missed", state="running", recorded="stopped")
    assert lines(world) == [entry(Kind.REPAIR, "missed-running", why)]
    worker = world.record()
    assert (worker.address, worker.started_at, worker.due_at) == ("10.0.1.99", NOON, NOON + HOUR)
    assert worker.changed_at == NOON + SECOND


def test_the_end_of_an_abandoned_claims_instance_is_recorded(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON - HOUR), NOON)
    world.cloud.set_state(ALICE, State.STOPPED)
    assert reconciled_a_second_later(world) == {"missed": 1}
    assert (world.record().state, world.record().claimed_until) == (State.STOPPED, None)


@pytest.mark.parametrize(
    ("state", "at"),
    [
        (State.PENDING, NOON - 30 * MINUTE),
        (State.RUNNING, NOON - 30 * MINUTE),
        (State.STOPPING, NOON),
        (State.STOPPED, NOON),
    ],
)
def test_an_orphan_is_in_its_state_since_its_launch_only_if_it_lives(
    world: World, state: State, at: object
) -> None:
    """When it ended is unknown."""
    world.cloud.add(an_instance(key="bob", instance_id=BOB, state=state, launched_at=NOON - 30 * MINUTE))
    world.hub.users.append(HubUser("bob", (), frozenset({"bob"})))
    assert reconciled_a_second_later(world)["orphan"] == 1
    assert (world.record("bob").state, world.record("bob").state_at) == (state, at)
    why = message("orphan", instance=BOB)
    assert lines(world, "bob")[0] == entry(Kind.REPAIR, "orphan", why, instance_id=BOB, key="bob")
    assert (BOB in world.metrics.alarms) is (state is State.RUNNING)


@pytest.mark.parametrize(("age", "takes"), [(HOUR, False), (HOUR + SECOND, True)])
def test_an_orphan_takes_the_record_of_an_unknown_instance(world: World, age: timedelta, takes: bool) -> None:
    world.store.put(replace(world.record(), state_at=NOON - age), NOON)
    world.cloud.instances.clear()
    world.cloud.add(an_instance(instance_id=BOB, launched_at=NOON - MINUTE))
    reconciled_a_second_later(world)
    worker = world.record()
    assert (worker.instance_id == BOB) is takes
    if takes:
        assert (worker.due_at, worker.changed_at) == (NOON - MINUTE + HOUR, NOON + SECOND)
        assert [one.kind for one in lines(world)].count(Kind.RUN) == 1


def twins(world: World, age: timedelta = DUPLICATE_KEPT + MINUTE) -> None:
    """Besides the recorded one, Alice has an instance that the hub has no server on."""
    world.cloud.add(an_instance(instance_id=BOB, launched_at=NOON - age))


def test_a_second_instance_is_drained_and_told_whole(world: World) -> None:
    twins(world)
    before = world.record()
    assert reconciled_a_second_later(world) == {"orphan": 1}
    assert world.hub.asked == [("alice", Drain.IDLE, NOON + SECOND - DUPLICATE_KEPT)]
    assert world.hub.counted == [Level.LOAD]
    assert world.cloud.stops == [BOB]
    launched = NOON - DUPLICATE_KEPT - MINUTE
    report = message("duplicate", instance=BOB, launched=launched, recorded=ALICE)
    why = message("duplicate", instance=BOB, recorded=ALICE)
    assert lines(world) == [
        entry(Kind.REPORT, "duplicate", report, at=launched),
        entry(Kind.STOP, "duplicate", why, instance_id=BOB, at=NOON + SECOND),
    ]
    assert world.record() == before


def test_the_hub_is_asked_about_the_second_instance(world: World) -> None:
    twins(world)
    asked: list[Worker] = []
    world.hub.answers = lambda worker, _: asked.append(worker) or DrainAnswer(True, "none")  # type: ignore[func-returns-value]
    reconciled_a_second_later(world)
    claimed_until = NOON + SECOND + LEASE
    assert asked == [replace(world.record(), instance_id=BOB, claimed_until=claimed_until)]


@pytest.mark.parametrize(
    ("told", "ends"), [({"instance_id": ALICE}, True), ({"instance_id": BOB}, False), ({}, False)]
)
def test_a_refusal_ends_a_second_instance_only_if_the_server_is_elsewhere(
    world: World, told: dict[str, object], ends: bool
) -> None:
    twins(world)
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", told)
    reconciled_a_second_later(world)
    assert world.cloud.stops == ([BOB] if ends else [])


@pytest.mark.parametrize("now_has", [None, BOB])
def test_a_second_instance_that_is_the_only_one_by_now_is_not_stopped(
    world: World, now_has: str | None
) -> None:
    """The record may go, or move to it, between the two looks."""
    twins(world)
    get, looks = world.store.get, []

    def moving(key: str) -> Worker | None:
        looks.append(key)
        found = get(key)
        if len(looks) < 2 or found is None:
            return found
        return None if now_has is None else replace(found, instance_id=now_has)

    world.store.get = moving  # type: ignore[method-assign]
    assert reconciled_a_second_later(world) == {"orphan": 1}
    assert len(looks) == 2
    assert world.cloud.stops == []
    assert world.hub.asked == []


@pytest.mark.parametrize("state", [State.PENDING, State.STOPPING])
def test_a_second_instance_that_does_not_run_is_left(world: World, state: State) -> None:
    world.cloud.add(an_instance(instance_id=BOB, state=state, launched_at=NOON - 2 * HOUR))
    reconciled_a_second_later(world)
    assert world.hub.asked == []
    assert world.cloud.stops == []


def test_facts_of_an_instance_that_the_record_has_left_are_not_taken(world: World) -> None:
    """The record has moved to another instance since it was read."""
    scan = world.store.scan()
    moved = world.store.put(replace(world.record(), instance_id=BOB), NOON)
    world.store.scan = lambda: scan  # type: ignore[method-assign]
    world.cloud.add(an_instance(address="10.9.9.9"))
    reconciled_a_second_later(world)
    assert world.record() == moved


def test_facts_that_were_told_anew_are_written_now(world: World) -> None:
    before = world.record()
    world.cloud.add(an_instance(address="10.9.9.9"))
    assert reconciled_a_second_later(world) == {"outdated": 1}
    assert world.record() == replace(
        before, address="10.9.9.9", version=before.version + 1, changed_at=NOON + SECOND
    )


@pytest.mark.parametrize(
    ("state", "taken", "told"),
    [
        (State.STOPPING, STOP_TAKES + SECOND, "stopping since 2026-11-23 11:49:59 UTC"),
        (State.PENDING, STOP_TAKES + SECOND, "pending since 2026-11-23 11:49:59 UTC"),
    ],
)
def test_what_is_stuck_is_told_since_when(world: World, state: State, taken: timedelta, told: str) -> None:
    stuck = replace(world.record(), state=state, state_at=NOON - taken, started_at=None)
    world.store.put(stuck, NOON)
    world.cloud.set_state(ALICE, state)
    assert reconciled_a_second_later(world)["stuck"] == 1
    why = message("stuck", state=state.value, since=NOON - taken)
    assert lines(world) == [entry(Kind.REPORT, f"stuck-{state}", why, at=NOON - taken)]
    assert text(why) == told


def test_what_is_forced_is_told_since_when(world: World) -> None:
    world.store.put(
        replace(world.record(), state=State.STOPPING, state_at=NOON - HOUR, started_at=None), NOON
    )
    world.cloud.set_state(ALICE, State.STOPPING)
    assert reconciled_a_second_later(world)["stuck"] == 1
    why = message("forced", state="stopping", since=NOON - HOUR)
    assert lines(world) == [entry(Kind.STOP, "forced", why, at=NOON + SECOND)]


def test_a_record_that_ec2_does_not_describe_is_reported_since_when(world: World) -> None:
    world.cloud.instances.clear()
    assert reconciled_a_second_later(world)["undescribed"] == 1
    why = message("undescribed", instance=ALICE)
    assert lines(world) == [entry(Kind.REPORT, "undescribed", why, at=NOON - 2 * HOUR)]


@pytest.mark.parametrize(
    ("since", "settled"), [(SETTLES_IN - SECOND, False), (SETTLES_IN, True), (2 * HOUR, True)]
)
def test_a_worker_without_a_server_is_settled_at_its_own_time(
    world: World, since: timedelta, settled: bool
) -> None:
    """The pass's clock is a second on when the servers are compared."""
    world.store.put(replace(world.record(), state_at=NOON - since), NOON)
    world.hub.users = [HubUser("bob", (), frozenset({"bob"}))]
    assert reconciled_a_second_later(world) == ({"without-server": 1} if settled else {})
    if settled:
        assert lines(world)[0].evidence["asked_by"] == "reconcile"
        assert lines(world)[0].evidence["hub_server"] is False
        assert lines(world)[0].at == NOON + SECOND


def test_an_instance_of_another_cluster_is_not_taken_for_a_faded_one(world: World) -> None:
    world.cloud.add(an_instance(cluster="other", state=State.TERMINATED))
    assert reconciled_a_second_later(world)["undescribed"] == 1
    assert world.record().state is State.RUNNING


def test_an_ended_worker_is_not_looked_up_by_name(world: World) -> None:
    world.store.put(replace(world.record(), state=State.TERMINATED, started_at=None), NOON)
    world.cloud.instances.clear()
    world.metrics.alarms.clear()
    asked: list[Sequence[str]] = []
    world.cloud.named = lambda ids: asked.append(ids) or []  # type: ignore[method-assign,assignment,func-returns-value]
    assert reconciled_a_second_later(world) == {}
    assert asked == []


def test_several_stray_alarms_are_removed_at_once(world: World) -> None:
    removed: list[Sequence[str]] = []
    world.metrics.alarms |= {"i-3": FITTING, "i-2": FITTING}
    world.metrics.delete_idle_alarms = removed.append  # type: ignore[method-assign,assignment]
    assert reconciled_a_second_later(world) == {"stray-alarm": 1}
    assert removed == [["i-2", "i-3"]]


def test_a_bad_record_is_named_and_its_machine_left_alone(world: World) -> None:
    world.store.bad["bob"] = BadRecord("bob", "state is missing", BOB)
    world.cloud.add(an_instance(key="bob", instance_id=BOB), an_instance(key="bob", instance_id="i-0b0c"))
    world.metrics.alarms |= {BOB: FITTING, "i-9": FITTING}
    assert reconciled_a_second_later(world) == {"bad-record": 1, "stray-alarm": 1}
    assert world.store.told("bob") == ["bad-record"]
    assert set(world.metrics.alarms) == {ALICE, BOB}
    assert world.cloud.stops == []


def test_an_orphan_whose_record_turns_out_to_be_bad_is_named(world: World) -> None:
    """The index of all workers may lack it."""
    world.cloud.add(an_instance(key="bob", instance_id=BOB))
    get = world.store.get

    def broken(key: str) -> Worker | None:
        if key == "bob":
            raise BadRecord("bob", "state is missing", BOB)
        return get(key)

    world.store.get = broken  # type: ignore[method-assign]
    assert reconciled_a_second_later(world) == {"orphan": 1}
    assert [(one.kind, one.reason, one.at) for one in lines(world, "bob")] == [
        (Kind.REPORT, "bad-record", NOON.replace(hour=0))
    ]


def test_who_is_never_due_is_looked_at_from_now_on(world: World) -> None:
    before = world.store.put(replace(world.record(), due_at=None), NOON)
    assert reconciled_a_second_later(world) == {"unwatched": 1}
    assert world.record() == replace(
        before, due_at=NOON + SECOND, version=before.version + 1, changed_at=NOON + SECOND
    )


def test_who_is_due_again_meanwhile_stays_so(world: World) -> None:
    world.store.put(replace(world.record(), due_at=None), NOON)
    scan = world.store.scan()
    due = world.store.put(replace(world.record(), due_at=NOON + HOUR), NOON)
    world.store.scan = lambda: scan  # type: ignore[method-assign]
    reconciled_a_second_later(world)
    assert world.record() == due


def test_a_namespace_that_a_user_fills_fails_the_function_after_all_else_is_done(world: World) -> None:
    """Its alarm notifies then. Each metric costs $0.30 a month, and a worker may write any in the namespace."""
    world.cloud.set_state(ALICE, State.STOPPED)
    world.metrics.strange = STRANGE_METRICS + 1
    with pytest.raises(
        StrangeMetrics, match="101 or more metrics in the namespace cloudjhub/test are of no worker"
    ):
        reconciled(world)
    assert world.record().state is State.STOPPED
    world.metrics.strange = STRANGE_METRICS
    reconciled(world)


def test_metrics_that_cannot_be_counted_fail_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: object) -> int:
        raise CloudError("ListMetrics", "Throttling", "Rate exceeded")

    monkeypatch.setattr(world.metrics, "strange_metrics", throttled)
    reconciled(world)
