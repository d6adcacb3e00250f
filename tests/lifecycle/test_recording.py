"""EC2's events become the record, in whatever order and number they come; foreign ones change nothing."""

from dataclasses import replace

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.errors import THROTTLED, CloudError, ForeignEvent, NotNow, OtherCluster
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message, plain, text
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import LEASE, with_claim, with_stop_accepted
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import reconcile, record_state
from lifecycle_app.use_cases.states import adopt
from tests.lifecycle.entries import entry, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance
from tests.lifecycle.fakes import World


def came(world: World, state: State, second: float, instance_id: str = BOB) -> str:
    at = NOON + second * SECOND
    return record_state(world.service, StateChange(instance_id, state, at), at)


@pytest.fixture
def bobs(world: World) -> World:
    """Besides Alice's, there is Bob's instance, just launched and in no record."""
    launched = an_instance(key="bob/gpu", instance_id=BOB, state=State.PENDING, launched_at=NOON)
    world.cloud.add(launched)
    return world


def test_the_first_pending_creates_the_record_from_the_tags(bobs: World) -> None:
    assert came(bobs, State.PENDING, 0) == "known"
    worker = bobs.record("bob/gpu")
    assert (worker.instance_id, worker.state, worker.address) == (BOB, State.PENDING, "10.0.1.5")
    assert worker.due_at is not None
    assert (worker.user, worker.server) == ("bob", "gpu")


def test_a_whole_life(bobs: World) -> None:
    for second, state in enumerate([State.PENDING, State.RUNNING]):
        came(bobs, state, second)
    worker = bobs.record("bob/gpu")
    assert (worker.started_at, worker.due_at) == (NOON + SECOND, NOON + SECOND + HOUR)
    assert set(bobs.metrics.alarms) == {BOB}
    came(bobs, State.STOPPING, 3601)
    assert set(bobs.metrics.alarms) == {BOB}
    came(bobs, State.STOPPED, 3630)
    assert bobs.metrics.alarms == {}
    worker = bobs.record("bob/gpu")
    assert (worker.seconds_run, worker.due_at, worker.started_at) == (3600, None, None)
    (run,) = [entry for entry in bobs.store.history("bob/gpu") if entry.kind is Kind.RUN]
    assert (run.seconds, run.cost) == (3600, 0.0416)


def test_doubled_and_late_events_change_nothing(bobs: World) -> None:
    for second, state in enumerate([State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED]):
        came(bobs, state, second)
    before = bobs.record("bob/gpu")
    for second, state in enumerate([State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED]):
        assert came(bobs, state, second) == "known"
    assert bobs.record("bob/gpu") == before
    assert bobs.store.told("bob/gpu", Kind.RUN) == ["stopped"]
    assert bobs.metrics.alarms == {}


def test_the_alarm_is_put_again_if_it_failed_after_the_record_was_written(bobs: World) -> None:
    put = bobs.metrics.put_idle_alarm

    def fail(instance_id: str, policy: Policy) -> None:
        raise CloudError("PutMetricAlarm", "InternalServiceFault", "try again")

    bobs.metrics.put_idle_alarm = fail  # type: ignore[method-assign]
    with pytest.raises(CloudError):
        came(bobs, State.RUNNING, 1)
    bobs.metrics.put_idle_alarm = put  # type: ignore[method-assign]
    assert came(bobs, State.RUNNING, 1) == "known"
    assert set(bobs.metrics.alarms) == {BOB}


@pytest.mark.parametrize("code", THROTTLED)
def test_an_alarm_that_is_throttled_is_left_to_reconcile(bobs: World, code: str) -> None:
    """CloudWatch takes three calls a second: a class that starts must not fill the dead-letter queue."""

    def throttled(*_: object) -> None:
        raise CloudError("PutMetricAlarm", code, "Rate exceeded")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bobs.metrics, "put_idle_alarm", throttled)
        assert came(bobs, State.RUNNING, 1) == "recorded"
    assert bobs.metrics.alarms == {}
    running = an_instance(key="bob/gpu", instance_id=BOB, state=State.RUNNING, launched_at=NOON)
    bobs.cloud.add(running)
    reconcile(bobs.service, bobs.now, lambda: True)
    assert BOB in bobs.metrics.alarms
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bobs.metrics, "delete_idle_alarms", throttled)
        assert came(bobs, State.STOPPED, 2) == "recorded"


def test_a_foreign_instance_is_ignored(world: World) -> None:
    before = dict(world.store.workers)
    world.cloud.strangers.add("i-f0e1")
    for state in State:
        with pytest.raises(ForeignEvent):
            came(world, state, 0, "i-f0e1")
    assert world.store.workers == before


@pytest.mark.parametrize(
    ("late", "outcome"),
    [(0, NotNow), (119, NotNow), (120, ForeignEvent)],
    ids=["at once", "just under", "at"],
)
@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_an_instance_that_ec2_does_not_know_yet_is_asked_about_again(
    world: World, state: State, late: float, outcome: type[Exception]
) -> None:
    """The platform brings the event again; by then EC2 tells whose the instance is."""
    with pytest.raises(outcome):
        record_state(world.service, StateChange(BOB, state, NOON), NOON + late * SECOND)
    world.cloud.add(an_instance(key="bob", instance_id=BOB, state=State.PENDING))
    assert record_state(world.service, StateChange(BOB, state, NOON), NOON + 60 * SECOND)
    assert world.record("bob").instance_id == BOB


def test_another_clusters_worker_is_ignored(world: World) -> None:
    world.cloud.add(an_instance(instance_id=BOB, cluster="other"))
    with pytest.raises(OtherCluster):
        came(world, State.PENDING, 0)
    assert set(world.store.workers) == {"alice"}


def test_the_end_of_an_instance_that_was_never_known_is_ignored(bobs: World) -> None:
    with pytest.raises(ForeignEvent):
        came(bobs, State.TERMINATED, 0)


def test_a_second_instance_of_a_worker_is_reported_once_and_not_taken(world: World) -> None:
    world.cloud.add(an_instance(instance_id=BOB, state=State.PENDING, launched_at=NOON))
    for second, state in enumerate([State.PENDING, State.RUNNING]):
        assert came(world, state, second) == "duplicate"
    assert world.record().instance_id == ALICE
    assert world.store.told("alice") == ["duplicate"]
    assert BOB in text(world.store.history("alice")[0].message)


def test_a_new_instance_takes_the_record_of_one_that_is_gone(world: World) -> None:
    world.store.put(replace(world.record(), home_volume="vol-home"), NOON)
    world.cloud.set_state(ALICE, State.TERMINATED)
    world.cloud.add(an_instance(instance_id=BOB, state=State.PENDING, launched_at=NOON))
    came(world, State.PENDING, 0)
    worker = world.record()
    assert (worker.instance_id, worker.state, worker.home_volume) == (BOB, State.PENDING, "vol-home")


@pytest.mark.parametrize(("age", "taken"), [(HOUR, False), (HOUR + SECOND, True)])
def test_an_instance_ec2_does_not_know_is_gone_after_an_hour(world: World, age: object, taken: bool) -> None:
    world.store.put(replace(world.record(), state_at=NOON - age), NOON)  # type: ignore[operator]
    del world.cloud.instances[ALICE]
    world.cloud.add(an_instance(instance_id=BOB, state=State.PENDING, launched_at=NOON))
    came(world, State.PENDING, 0)
    assert (world.record().instance_id == BOB) is taken


def test_an_event_of_an_instance_the_record_has_left_is_ignored(world: World) -> None:
    """Its index may still answer for a moment."""
    stale = world.record()
    world.store.put(replace(stale, instance_id=BOB), NOON)
    world.store.by_instance = lambda _: stale  # type: ignore[method-assign,assignment]
    assert came(world, State.STOPPED, 5, ALICE) == "unknown"
    assert (world.record().instance_id, world.record().state) == (BOB, State.RUNNING)


def test_news_that_the_instance_runs_does_not_break_a_claim(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON), NOON)
    came(world, State.RUNNING, 1, ALICE)
    assert world.record().is_claimed(NOON + LEASE - SECOND)


def test_an_instance_that_ends_by_itself_during_a_claim(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON), NOON)
    came(world, State.STOPPING, 1, ALICE)
    assert (world.record().state, world.record().claimed_until) == (State.STOPPING, None)


def test_a_bad_policy_does_not_lose_the_event(world: World) -> None:
    world.store.settings["cluster"] = "{"
    world.store.put(a_worker(state=State.STOPPED, version=1), NOON)
    assert came(world, State.RUNNING, 1, ALICE) == "recorded"
    assert world.record().state is State.RUNNING


def came_a_second_ago(world: World, state: State, second: float, instance_id: str = ALICE) -> str:
    at = NOON + second * SECOND
    world.now = at + SECOND
    return record_state(world.service, StateChange(instance_id, state, at), at)


@pytest.fixture
def watched(world: World) -> World:
    """Alice's instance has its idle alarm."""
    world.metrics.alarms[ALICE] = idle_alarm(Policy(), MINUTE)
    return world


def test_what_ec2_tells_with_a_state_is_recorded(watched: World) -> None:
    watched.store.put(replace(watched.record(), state=State.PENDING, started_at=None), NOON)
    watched.cloud.add(an_instance(address="10.0.1.99"))
    assert came_a_second_ago(watched, State.RUNNING, 1) == "recorded"
    worker = watched.record()
    assert (worker.address, worker.started_at) == ("10.0.1.99", NOON + SECOND)
    assert (worker.due_at, worker.changed_at) == (NOON + SECOND + HOUR, NOON + 2 * SECOND)


def test_a_stop_that_ec2_lost_is_no_end_of_a_run(watched: World) -> None:
    claimed = with_claim(watched.record(), "idle", plain("words"), NOON - HOUR)
    watched.store.put(with_stop_accepted(claimed, NOON - HOUR), NOON)
    assert came_a_second_ago(watched, State.RUNNING, 1) == "recorded"
    assert watched.store.told("alice", Kind.RUN) == []
    assert came_a_second_ago(watched, State.STOPPED, 2) == "recorded"
    assert watched.store.told("alice", Kind.RUN) == ["stopped"]


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
    watched: World, recorded: State, event: State, alarms: set[str]
) -> None:
    """An alarm goes by what the record says, not by what an old event told."""
    watched.store.put(replace(watched.record(), state=recorded, state_at=NOON + HOUR), NOON)
    if recorded is State.RUNNING and event is State.PENDING:
        watched.metrics.alarms.clear()
    assert came_a_second_ago(watched, event, 1) == "known"
    assert set(watched.metrics.alarms) == alarms


def test_an_event_of_no_worker_says_why_it_is_refused(watched: World) -> None:
    with pytest.raises(ForeignEvent) as foreign:
        came_a_second_ago(watched, State.STOPPED, 0, BOB)
    assert str(foreign.value) == f"{BOB} is stopped, but is not a worker of this cluster"
    with pytest.raises(NotNow) as early:
        came_a_second_ago(watched, State.PENDING, 0, BOB)
    assert str(early.value) == f"EC2 does not list {BOB} yet"
    watched.cloud.add(an_instance(instance_id=BOB, cluster="other"))
    with pytest.raises(OtherCluster) as other:
        came_a_second_ago(watched, State.PENDING, 0, BOB)
    assert str(other.value) == f"{BOB} is a worker of cluster other"


@pytest.mark.parametrize("state", [State.STOPPING, State.STOPPED, State.TERMINATED])
def test_the_end_of_an_instance_is_never_waited_for(watched: World, state: State) -> None:
    with pytest.raises(ForeignEvent):
        came_a_second_ago(watched, state, 0, BOB)


def test_a_running_instance_takes_the_record_of_one_that_is_gone(watched: World) -> None:
    watched.store.put(replace(watched.record(), keep_until=NOON + HOUR, stop_reason="idle"), NOON)
    watched.cloud.set_state(ALICE, State.TERMINATED)
    taken = an_instance(instance_id=BOB, launched_at=NOON)
    watched.now = NOON + SECOND
    worker = adopt(watched.service, taken, NOON, NOON)
    assert worker == watched.record()
    assert (worker.instance_id, worker.due_at, worker.changed_at) == (BOB, NOON + HOUR, NOON + SECOND)
    assert lines(watched) == [
        entry(Kind.RUN, "idle", message("run", ran=2 * HOUR, cost=0.0832), seconds=7200, cost=0.0832)
    ]


def test_the_run_of_a_record_that_ended_before_is_not_told_again(watched: World) -> None:
    watched.store.put(replace(watched.record(), state=State.TERMINATED, started_at=None), NOON)
    adopt(watched.service, an_instance(instance_id=BOB, launched_at=NOON), NOON, NOON)
    assert lines(watched) == []


def test_a_first_record_is_due_by_its_policy(watched: World) -> None:
    watched.store.settings["user/bob"] = '{"idle_timeout": 7200, "start_grace": 60}'
    bob = an_instance(key="bob", instance_id=BOB, launched_at=NOON)
    watched.now = NOON + SECOND
    worker = adopt(watched.service, bob, NOON, NOON)
    assert worker is not None
    assert (worker.due_at, worker.changed_at) == (NOON + 2 * HOUR, NOON + SECOND)
