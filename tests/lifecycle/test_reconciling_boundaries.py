"""What each pass writes and tells, whole, and that it takes nothing for granted that has changed meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.errors import BadRecord, StopRejected
from lifecycle_app.model.decision import Drain
from lifecycle_app.model.history import Kind
from lifecycle_app.model.policy import Level, Policy
from lifecycle_app.model.reconciliation import SETTLES_IN
from lifecycle_app.model.transitions import LEASE, STOP_TAKES, with_claim
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import reconcile
from lifecycle_app.use_cases.reconcile import DUPLICATE_KEPT
from tests.lifecycle.entries import entry, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance
from tests.lifecycle.fakes import World

FITTING = idle_alarm(Policy(), MINUTE)


def reconciled_a_second_later(world: World, now: timedelta = timedelta(0)) -> dict[str, int]:
    world.now = NOON + SECOND + now
    return reconcile(world.service, NOON + now, lambda: True)


@pytest.fixture(autouse=True)
def all_is_well(world: World) -> None:
    world.metrics.alarms[ALICE] = FITTING
    world.hub.users = [HubUser("alice", (), frozenset({"alice"}))]


def test_where_all_is_well_ec2_is_asked_once(world: World) -> None:
    """Asking for no instance by name would ask for all of them."""
    asked: list[Sequence[str]] = []
    world.cloud.named = lambda ids: asked.append(ids) or []  # type: ignore[method-assign,assignment,func-returns-value]
    assert reconciled_a_second_later(world) == {}
    assert asked == []


def test_everything_that_was_mended_or_failed_is_counted(world: World) -> None:
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
    words = "EC2 says running, the record said stopped: no event had told"
    assert lines(world) == [entry(Kind.REPAIR, "missed-running", words)]
    worker = world.record()
    assert (worker.address, worker.started_at, worker.due_at) == ("10.0.1.99", NOON, NOON + HOUR)
    assert worker.changed_at == NOON + SECOND


def test_the_end_of_an_abandoned_claims_instance_is_recorded(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", "words", NOON - HOUR), NOON)
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
    """When it ended nobody knows."""
    world.cloud.add(an_instance(key="bob", instance_id=BOB, state=state, launched_at=NOON - 30 * MINUTE))
    world.hub.users.append(HubUser("bob", (), frozenset({"bob"})))
    assert reconciled_a_second_later(world)["orphan"] == 1
    assert (world.record("bob").state, world.record("bob").state_at) == (state, at)
    words = f"{BOB} has this worker's tags and was in no record"
    assert lines(world, "bob")[0] == entry(Kind.REPAIR, "orphan", words, instance_id=BOB, key="bob")
    assert (BOB in world.metrics.alarms) is (state is State.RUNNING)


@pytest.mark.parametrize(("age", "takes"), [(HOUR, False), (HOUR + SECOND, True)])
def test_an_orphan_takes_the_record_of_an_instance_nobody_knows(
    world: World, age: timedelta, takes: bool
) -> None:
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
    report = (
        f"{BOB}, started 2026-11-23 11:29:00 UTC, has the tags of this worker too, which has {ALICE}; "
        "terminate the one that is not wanted"
    )
    words = f"a second instance of this worker, which has {ALICE}, without a server on it"
    assert lines(world) == [
        entry(Kind.REPORT, "duplicate", report, at=launched),
        entry(Kind.STOP, "duplicate", words, instance_id=BOB, at=NOON + SECOND),
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
    census = world.store.census()
    moved = world.store.put(replace(world.record(), instance_id=BOB), NOON)
    world.store.census = lambda: census  # type: ignore[method-assign]
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
    assert lines(world) == [entry(Kind.REPORT, f"stuck-{state}", told, at=NOON - taken)]


def test_what_is_forced_is_told_since_when(world: World) -> None:
    world.store.put(
        replace(world.record(), state=State.STOPPING, state_at=NOON - HOUR, started_at=None), NOON
    )
    world.cloud.set_state(ALICE, State.STOPPING)
    assert reconciled_a_second_later(world)["stuck"] == 1
    words = "stopping since 2026-11-23 11:00:00 UTC: stopped by force"
    assert lines(world) == [entry(Kind.STOP, "forced", words, at=NOON + SECOND)]


def test_a_record_that_ec2_does_not_tell_of_is_told_since_when(world: World) -> None:
    world.cloud.instances.clear()
    assert reconciled_a_second_later(world)["undescribed"] == 1
    words = f"EC2 does not tell of {ALICE}; its record is kept"
    assert lines(world) == [entry(Kind.REPORT, "undescribed", words, at=NOON - 2 * HOUR)]


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


def test_an_ended_worker_is_not_asked_for_by_name(world: World) -> None:
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
    census = world.store.census()
    due = world.store.put(replace(world.record(), due_at=NOON + HOUR), NOON)
    world.store.census = lambda: census  # type: ignore[method-assign]
    reconciled_a_second_later(world)
    assert world.record() == due
