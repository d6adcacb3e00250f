"""What the recording of states writes and tells, whole, and which alarms it leaves alone."""

from dataclasses import replace

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.errors import ForeignEvent, NotNow, OtherCluster
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.history import Kind
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import with_claim, with_stop_accepted
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import record_state
from lifecycle_app.use_cases.states import adopt
from tests.lifecycle.entries import entry, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, an_instance
from tests.lifecycle.fakes import World


def came_a_second_ago(world: World, state: State, second: float, instance_id: str = ALICE) -> str:
    at = NOON + second * SECOND
    world.now = at + SECOND
    return record_state(world.service, StateChange(instance_id, state, at), at)


@pytest.fixture(autouse=True)
def alarm(world: World) -> None:
    world.metrics.alarms[ALICE] = idle_alarm(Policy(), MINUTE)


def test_what_ec2_tells_with_a_state_is_recorded(world: World) -> None:
    world.store.put(replace(world.record(), state=State.PENDING, started_at=None), NOON)
    world.cloud.add(an_instance(address="10.0.1.99"))
    assert came_a_second_ago(world, State.RUNNING, 1) == "recorded"
    worker = world.record()
    assert (worker.address, worker.started_at) == ("10.0.1.99", NOON + SECOND)
    assert (worker.due_at, worker.changed_at) == (NOON + SECOND + HOUR, NOON + 2 * SECOND)


def test_a_stop_that_ec2_lost_is_no_end_of_a_run(world: World) -> None:
    claimed = with_claim(world.record(), "idle", "words", NOON - HOUR)
    world.store.put(with_stop_accepted(claimed, NOON - HOUR), NOON)
    assert came_a_second_ago(world, State.RUNNING, 1) == "recorded"
    assert world.store.told("alice", Kind.RUN) == []
    assert came_a_second_ago(world, State.STOPPED, 2) == "recorded"
    assert world.store.told("alice", Kind.RUN) == ["stopped"]


@pytest.mark.parametrize(
    ("recorded", "event", "alarms"),
    [
        (State.RUNNING, State.PENDING, set()),
        (State.STOPPED, State.RUNNING, {ALICE}),
        (State.STOPPED, State.STOPPED, set()),
        (State.TERMINATED, State.STOPPED, set()),
        (State.RUNNING, State.STOPPED, {ALICE}),
    ],
    ids=["a late pending", "a late running", "stopped", "a late stopped", "an older stop"],
)
def test_a_late_event_neither_puts_nor_removes_an_alarm(
    world: World, recorded: State, event: State, alarms: set[str]
) -> None:
    """An alarm goes by what the record says, not by what an old event told."""
    world.store.put(replace(world.record(), state=recorded, state_at=NOON + HOUR), NOON)
    if recorded is State.RUNNING and event is State.PENDING:
        world.metrics.alarms.clear()
    assert came_a_second_ago(world, event, 1) == "known"
    assert set(world.metrics.alarms) == alarms


def test_an_event_of_nobody_says_why_it_is_refused(world: World) -> None:
    with pytest.raises(ForeignEvent) as foreign:
        came_a_second_ago(world, State.STOPPED, 0, BOB)
    assert str(foreign.value) == f"{BOB} is stopped, but is no worker that is known here"
    with pytest.raises(NotNow) as early:
        came_a_second_ago(world, State.PENDING, 0, BOB)
    assert str(early.value) == f"EC2 does not tell of {BOB} yet"
    world.cloud.add(an_instance(instance_id=BOB, cluster="other"))
    with pytest.raises(OtherCluster) as other:
        came_a_second_ago(world, State.PENDING, 0, BOB)
    assert str(other.value) == f"{BOB} is a worker of cluster other"


@pytest.mark.parametrize("state", [State.STOPPING, State.STOPPED, State.TERMINATED])
def test_the_end_of_an_instance_is_never_waited_for(world: World, state: State) -> None:
    with pytest.raises(ForeignEvent):
        came_a_second_ago(world, state, 0, BOB)


def test_a_running_instance_takes_the_record_of_one_that_is_gone(world: World) -> None:
    world.store.put(replace(world.record(), keep_until=NOON + HOUR, stop_reason="idle"), NOON)
    world.cloud.set_state(ALICE, State.TERMINATED)
    taken = an_instance(instance_id=BOB, launched_at=NOON)
    world.now = NOON + SECOND
    worker = adopt(world.service, taken, NOON, NOON)
    assert worker == world.record()
    assert (worker.instance_id, worker.due_at, worker.changed_at) == (BOB, NOON + HOUR, NOON + SECOND)
    assert lines(world) == [
        entry(Kind.RUN, "idle", "ran for 7200 s, about $0.0832", seconds=7200, cost=0.0832)
    ]


def test_the_run_of_a_record_that_ended_before_is_not_told_again(world: World) -> None:
    world.store.put(replace(world.record(), state=State.TERMINATED, started_at=None), NOON)
    adopt(world.service, an_instance(instance_id=BOB, launched_at=NOON), NOON, NOON)
    assert lines(world) == []


def test_a_first_record_is_due_by_its_policy(world: World) -> None:
    world.store.settings["user/bob"] = '{"idle_timeout": 7200, "start_grace": 60}'
    bob = an_instance(key="bob", instance_id=BOB, launched_at=NOON)
    world.now = NOON + SECOND
    worker = adopt(world.service, bob, NOON, NOON)
    assert worker is not None
    assert (worker.due_at, worker.changed_at) == (NOON + 2 * HOUR, NOON + SECOND)
