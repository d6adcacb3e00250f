"""The stop protocol: whom it stops, whom it spares, that it stops once, and what it leaves in records and history."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import CloudError, ForeignEvent, NotNow, StopRejected
from lifecycle_app.model.decision import requested
from lifecycle_app.model.events import IdleAlarm, StateChange, StopRequest
from lifecycle_app.model.evidence import Report
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message, plain, text
from lifecycle_app.model.transitions import LEASE, STOP_TAKES, with_claim
from lifecycle_app.model.worker import Instance, State, Worker
from lifecycle_app.use_cases import idle_alarm, record_state, stop_requested, sweep
from lifecycle_app.use_cases.stop import HUB_USELESS_AFTER, force, stop
from lifecycle_app.use_cases.triggers import by_evidence
from tests.lifecycle.entries import IDLE, IDLE_FACTS, entry, last, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, reports
from tests.lifecycle.fakes import World

RING = IdleAlarm(ALICE, NOON, fires=True)
PRESSED = StopRequest("alice", ALICE, NOON - SECOND, "admin")
DAY = timedelta(days=1)


def always() -> bool:
    return True


def swept(world: World, now: datetime = NOON) -> dict[str, int]:
    world.now = now
    return sweep(world.service, always)


def refuse(reason: str, **evidence: object) -> DrainAnswer:
    return DrainAnswer(False, reason, evidence)


def test_an_idle_worker_is_drained_stopped_and_confirmed(world: World) -> None:
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    assert world.hub.asked == [("alice", Drain.IDLE, NOON - HOUR)]
    assert world.cloud.stops == [ALICE]
    worker = world.record()
    assert (worker.state, worker.claimed_until, worker.stop_reason) == (State.STOPPING, None, "idle")
    assert world.store.told("alice") == ["idle"]
    (entry,) = world.store.history("alice")
    assert entry.kind is Kind.STOP
    assert entry.evidence["hub"] == "nothing has happened since"
    assert entry.evidence["reports"] == 64


def test_the_sweep_alone_stops_it_too(world: World) -> None:
    assert swept(world) == {"stopped": 1}
    assert world.cloud.stops == [ALICE]


def test_an_alarm_and_a_sweep_at_the_same_moment_stop_once(world: World) -> None:
    """The sweep runs while the alarm's handler waits for the hub, and reads a claim that holds."""
    outcomes: list[object] = []

    def meanwhile(worker: Worker, mode: Drain) -> DrainAnswer:
        outcomes.append(idle_alarm(world.service, RING, NOON))
        outcomes.append(swept(world))
        return DrainAnswer(True, "idle")

    world.hub.answers = meanwhile
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    assert outcomes == ["held", {}]
    assert world.cloud.stops == [ALICE]
    assert world.store.told("alice") == ["idle"]


def test_the_slower_of_two_claims_decides_again(world: World) -> None:
    """Both have read the record before either claims: the second write fails, and its reader looks again."""
    rival: list[object] = []

    def first(worker: Worker) -> None:
        if not rival:
            rival.append(True)
            rival.append(idle_alarm(world.service, RING, NOON))

    world.store.before_put = first
    assert swept(world) == {"not-running": 1}
    assert rival[1] == "stopped"
    assert world.cloud.stops == [ALICE]


def test_a_doubled_alarm_stops_once(world: World) -> None:
    assert [idle_alarm(world.service, RING, NOON + n * SECOND) for n in range(3)] == [
        "stopped",
        "not-running",
        "not-running",
    ]
    assert world.cloud.stops == [ALICE]


def test_a_late_alarm_of_a_user_who_is_back_stops_no_machine(world: World) -> None:
    world.metrics.reports[ALICE] += (Report(NOON, Level.INTERACTION),)
    now = NOON + 2 * MINUTE
    assert idle_alarm(world.service, RING, now) == "kept"
    assert world.hub.asked == []
    assert world.record().due_at == NOON + MINUTE + HOUR


def test_an_alarm_that_does_not_fire_and_one_of_no_worker(world: World) -> None:
    assert idle_alarm(world.service, replace(RING, fires=False), NOON) == "quiet"
    with pytest.raises(ForeignEvent):
        idle_alarm(world.service, IdleAlarm(BOB, NOON, fires=True), NOON)
    assert world.cloud.stops == []


def test_a_login_during_the_stop_is_let_through(world: World) -> None:
    world.hub.answers = lambda _, __: refuse("the user's server is pending spawn", pending="spawn")
    assert idle_alarm(world.service, RING, NOON) == "refused"
    worker = world.record()
    assert (worker.state, worker.claimed_until, worker.stop_reason) == (State.RUNNING, None, None)
    assert worker.state_at == NOON - 2 * HOUR
    assert world.cloud.stops == []
    assert world.store.told("alice", Kind.RELEASE) == ["idle"]
    assert "pending spawn" in text(world.store.history("alice")[0].message)


def test_a_worker_that_fell_silent_is_not_stopped_because_it_does_not_answer(world: World) -> None:
    """The hub has no server there; the machine may be cut off from both, and at work."""
    nothing_there = DrainAnswer(
        True, "the hub has no server there, and the worker does not answer", {"answers": False}
    )
    world.hub.answers = lambda _, __: nothing_there
    told = world.metrics.reports[ALICE]
    world.metrics.reports[ALICE] = told[:-4]
    assert swept(world) == {"refused": 1}
    assert (world.cloud.stops, world.record().state) == ([], State.RUNNING)
    assert "it may be working" in text(world.store.history("alice")[0].message)
    world.metrics.reports[ALICE] = told
    assert swept(world) == {"stopped": 1}


def test_what_the_worker_told_the_hub_is_kept(world: World) -> None:
    seen = {"observed_at": NOON.timestamp(), "last_interaction": (NOON - 5 * SECOND).timestamp()}
    world.hub.answers = lambda _, __: refuse("the user did something", **seen)
    assert swept(world) == {"refused": 1}
    assert world.record().last_interaction == NOON - 5 * SECOND
    assert swept(world, NOON + MINUTE) == {"kept": 1}
    assert world.record().due_at == NOON - 5 * SECOND + HOUR


@pytest.mark.parametrize(
    ("signals", "counts", "life"),
    [(["load"], Level.LOAD, MINUTE), (["work"], Level.WORK, MINUTE), ([], Level.INTERACTION, HOUR)],
)
def test_the_hub_is_told_what_counts_and_only_that_is_kept(
    world: World, signals: list[str], counts: Level, life: timedelta
) -> None:
    world.store.settings["cluster"] = json.dumps({"signals": signals})
    worked = (NOON - MINUTE).timestamp()
    world.hub.answers = lambda _, __: refuse("no", observed_at=NOON.timestamp(), last_work=worked)
    assert swept(world) == {"refused": 1}
    assert world.hub.counted == [counts]
    assert world.record().last_activity == NOON - life


@pytest.mark.parametrize("lie", [-5, "soon", True, None, 1e18, [], NOON.timestamp() + 1])
def test_odd_times_of_a_worker_are_no_evidence(world: World, lie: object) -> None:
    world.hub.answers = lambda _, __: refuse("no", last_interaction=lie, last_work=lie)
    assert swept(world) == {"refused": 1}
    assert world.record().last_interaction == NOON - HOUR


def test_the_same_refusal_is_told_once(world: World) -> None:
    world.hub.answers = lambda _, __: refuse("there is load on it just now")
    for n in range(5):
        assert swept(world, NOON + n * SECOND) == {"refused": 1}
    assert world.store.told("alice") == ["idle"]


def test_a_keep_is_told_when_its_reason_changes(world: World) -> None:
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - HOUR, NOON)
    for n in range(3):
        assert idle_alarm(world.service, RING, NOON + n * SECOND) == "kept"
    assert world.store.told("alice") == ["active"]
    world.metrics.reports[ALICE] += reports(Level.WORK, NOON, NOON + 5 * MINUTE)
    for n in range(3):
        assert idle_alarm(world.service, RING, NOON + 5 * MINUTE + n * SECOND) == "kept"
    assert world.store.told("alice", Kind.DECISION) == ["active", "busy"]


def test_with_the_hub_down_fresh_reports_of_the_whole_time_decide(world: World) -> None:
    world.hub.is_down = True
    assert swept(world) == {"stopped": 1}
    assert world.cloud.stops == [ALICE]
    assert "the hub is down" in str(world.store.history("alice")[0].evidence["hub"])


def test_with_the_hub_down_missing_reports_stop_no_machine(world: World) -> None:
    world.hub.is_down = True
    world.metrics.reports[ALICE] = world.metrics.reports[ALICE][:-30]
    assert swept(world) == {"hub-down": 1}
    assert world.cloud.stops == []
    assert world.record().state is State.RUNNING


def test_with_the_hub_up_missing_reports_are_made_up_for_by_asking_the_worker(world: World) -> None:
    world.metrics.reports[ALICE] = ()
    assert swept(world) == {"stopped": 1}
    assert world.hub.asked == [("alice", Drain.IDLE, NOON - HOUR)]


def test_an_odd_answer_is_unknown_and_stops_no_machine(world: World) -> None:
    world.hub.is_odd = True
    assert swept(world) == {"hub-odd": 1}
    assert world.cloud.stops == []
    assert world.record().state is State.RUNNING


@pytest.mark.parametrize(
    ("lasts", "outcome", "told"),
    [
        (HUB_USELESS_AFTER - SECOND, "hub-odd", []),
        (HUB_USELESS_AFTER, "stopped", ["hub-odd"]),
        (HUB_USELESS_AFTER + SECOND, "stopped", ["hub-odd"]),
    ],
)
def test_a_hub_that_is_up_but_useless_counts_as_down_after_a_while(
    world: World, lasts: timedelta, outcome: str, told: list[str]
) -> None:
    """As with an expired certificate or a changed token: else no machine would ever be stopped again."""
    world.hub.is_odd = True
    assert swept(world) == {"hub-odd": 1}
    assert world.record().hub_odd_since == NOON
    world.metrics.reports[ALICE] += reports(Level.QUIET, NOON, NOON + 2 * HOUR)
    assert swept(world, NOON + lasts) == {outcome: 1}
    assert world.store.told("alice", Kind.REPORT) == told
    assert bool(world.cloud.stops) is (outcome == "stopped")


def test_a_useless_hub_is_reported_once_and_missing_reports_stop_no_machine_even_so(world: World) -> None:
    world.hub.is_odd = True
    for n in range(4):
        assert swept(world, NOON + n * HOUR) == {"hub-odd": 1}
    assert world.store.told("alice", Kind.REPORT) == ["hub-odd"]
    assert world.cloud.stops == []


@pytest.mark.parametrize("between", ["a plain answer", "activity", "a keep"])
def test_a_hub_that_was_odd_long_ago_is_not_useless(world: World, between: str) -> None:
    world.hub.is_odd = True
    assert swept(world) == {"hub-odd": 1}
    later = NOON + 5 * MINUTE
    if between == "a plain answer":
        world.hub.is_odd = False
        world.hub.answers = lambda _, __: refuse("there is load on it just now")
        assert swept(world, later) == {"refused": 1}
    elif between == "a keep":
        world.store.put(replace(world.record(), keep_until=later + SECOND), later)
        assert swept(world, later) == {"kept": 1}
        world.store.put(replace(world.record(), due_at=later), later)
    else:
        world.store.put(replace(world.record(), last_activity=later), later)
    world.hub.is_odd = True
    world.metrics.reports[ALICE] += reports(Level.QUIET, NOON, NOON + 3 * HOUR)
    assert swept(world, NOON + 2 * HOUR) == {"hub-odd": 1}
    assert world.record().hub_odd_since == NOON + 2 * HOUR


def test_a_hung_worker_is_stopped_when_it_does_not_answer_the_hub_either(world: World) -> None:
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (0.2, 0.3)
    world.hub.answers = lambda _, mode: (
        refuse("the worker cannot be asked: timed out")
        if mode is Drain.IDLE
        else DrainAnswer(True, "released")
    )
    assert swept(world) == {"stopped": 1}
    assert [mode for _, mode, _ in world.hub.asked] == [Drain.IDLE, Drain.REGARDLESS]
    assert world.store.told("alice") == ["hung"]


def test_a_worker_that_only_seems_hung_answers_the_hub(world: World) -> None:
    """When all reports fail, for want of a way out, people go on working."""
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (0.2,)
    world.hub.answers = lambda _, __: refuse("the user did something", observed_at=NOON.timestamp())
    assert swept(world) == {"refused": 1}
    assert [mode for _, mode, _ in world.hub.asked] == [Drain.IDLE]
    assert world.cloud.stops == []


def test_a_worker_that_answers_but_cannot_tell_is_not_hung(world: World) -> None:
    """Its reporter is dead, or its clock is wrong: its user may be at work on it. That is told once."""
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (0.2,)
    world.hub.answers = lambda _, __: refuse("the worker does not tell: HTTP 404", answers=True)
    for n in range(3):
        assert swept(world, NOON + n * SECOND) == {"refused": 1}
    assert {mode for _, mode, _ in world.hub.asked} == {Drain.IDLE}
    assert world.cloud.stops == []
    assert world.store.told("alice", Kind.REPORT) == ["no-reports"]


def test_with_the_hub_down_no_machine_counts_as_hung(world: World) -> None:
    """Only the hub can tell whether it answers."""
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (0.2,)
    world.hub.is_down = True
    assert swept(world) == {"hub-down": 1}
    assert world.cloud.stops == []


@pytest.mark.parametrize(
    ("told", "outcome", "modes"),
    [
        ({"answers": False}, "stopped", [Drain.UNATTENDED, Drain.REGARDLESS]),
        ({"answers": True}, "stopped", [Drain.UNATTENDED, Drain.REGARDLESS]),
        ({"answers": True, "observed_at": NOON.timestamp()}, "refused", [Drain.UNATTENDED]),
    ],
    ids=["does not answer", "cannot tell", "reports a user"],
)
def test_a_worker_that_cannot_be_asked_is_stopped_after_the_busy_allowance(
    world: World, told: dict[str, object], outcome: str, modes: list[Drain]
) -> None:
    """Its reporter is dead and its CPU in use: else it would never stop."""
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (90.0,)
    long_ago = replace(world.record(), started_at=NOON - 3 * DAY, last_activity=None)
    world.store.put(replace(long_ago, last_interaction=NOON - DAY), NOON)
    world.hub.answers = lambda _, mode: (
        DrainAnswer(True, "released") if mode is Drain.REGARDLESS else refuse("no", **told)
    )
    assert swept(world) == {outcome: 1}
    assert [mode for _, mode, _ in world.hub.asked] == modes


def test_work_is_stopped_after_the_busy_allowance_only(world: World) -> None:
    world.metrics.reports[ALICE] = reports(Level.WORK, NOON - 2 * HOUR, NOON)
    assert swept(world) == {"kept": 1}
    worker = world.record()
    assert (worker.decided, worker.due_at) == ("busy", NOON + HOUR)
    long_ago = replace(worker, started_at=NOON - 3 * DAY, last_interaction=NOON - DAY, due_at=NOON)
    world.store.put(long_ago, NOON)
    assert swept(world) == {"stopped": 1}
    assert world.hub.asked == [("alice", Drain.UNATTENDED, NOON - DAY)]
    assert world.store.told("alice", Kind.STOP) == ["busy-too-long"]


def test_a_claim_whose_holder_is_gone_is_taken_over_when_its_lease_ends(world: World) -> None:
    crashed = with_claim(world.record(), "idle", plain("words"), NOON)
    world.store.put(crashed, NOON)
    assert idle_alarm(world.service, RING, NOON + LEASE - SECOND) == "held"
    assert swept(world, NOON + LEASE - SECOND) == {}
    world.metrics.reports[ALICE] += reports(Level.QUIET, NOON, NOON + LEASE)
    assert swept(world, NOON + LEASE) == {"stopped": 1}
    assert world.cloud.stops == [ALICE]


def test_a_claim_whose_holder_is_gone_is_dropped_if_the_user_is_back(world: World) -> None:
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON), NOON)
    world.metrics.reports[ALICE] += reports(Level.INTERACTION, NOON, NOON + 3 * MINUTE)
    assert swept(world, NOON + LEASE) == {"kept": 1}
    worker = world.record()
    assert (worker.state, worker.claimed_until, worker.stop_reason) == (State.RUNNING, None, None)


def test_a_stop_that_ec2_refuses_is_released_and_told(world: World) -> None:
    world.cloud.stop_error = StopRejected("StopInstances", "RequestLimitExceeded", "slow down")
    assert swept(world) == {"rejected": 1}
    worker = world.record()
    assert (worker.state, worker.claimed_until) == (State.RUNNING, None)
    assert "RequestLimitExceeded" in text(world.store.history("alice")[0].message)
    world.cloud.stop_error = None
    assert swept(world, NOON + SECOND) == {"stopped": 1}


def test_a_stop_without_an_answer_stays_claimed(world: World) -> None:
    """The instance may be stopping: a login has to wait until that is known."""
    world.cloud.stop_error = CloudError("StopInstances", "NoAnswer", "read timeout")
    assert swept(world) == {"stop-unknown": 1}
    assert world.record().is_claimed(NOON)
    assert world.store.told("alice", Kind.REPORT) == ["stop-unknown"]


def test_ec2s_own_event_may_be_faster_than_the_confirmation(world: World) -> None:
    event = StateChange(ALICE, State.STOPPED, NOON)
    stop = world.cloud.stop

    def stop_and_tell(instance_id: str, *, force: bool = False) -> None:
        stop(instance_id, force=force)
        record_state(world.service, event, NOON)

    world.cloud.stop = stop_and_tell  # type: ignore[method-assign]
    assert swept(world) == {"stopped": 1}
    worker = world.record()
    assert (worker.state, worker.started_at, worker.due_at) == (State.STOPPED, None, None)


def test_a_user_presses_stop(world: World) -> None:
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - HOUR, NOON)
    assert stop_requested(world.service, PRESSED, NOON) == "stopped"
    assert world.hub.asked == [("alice", Drain.REGARDLESS, NOON - SECOND)]
    assert world.record().stop_reason == "stop-requested"
    assert world.store.history("alice")[0].evidence["requested_by"] == "admin"
    assert stop_requested(world.service, PRESSED, NOON + SECOND) == "not-running"
    assert world.cloud.stops == [ALICE]


def test_a_request_is_enough_with_the_hub_down(world: World) -> None:
    world.hub.is_down = True
    assert stop_requested(world.service, PRESSED, NOON) == "stopped"


def test_a_user_who_starts_again_at_once_is_not_stopped(world: World) -> None:
    world.hub.answers = lambda _, __: refuse("the user's server is pending spawn")
    assert stop_requested(world.service, PRESSED, NOON) == "refused"
    assert world.record().state is State.RUNNING


@pytest.mark.parametrize(
    "void",
    [
        replace(PRESSED, key="zoe", at=NOON - 5 * MINUTE),
        replace(PRESSED, instance_id=BOB, at=NOON - 5 * MINUTE),
        replace(PRESSED, at=NOON - 2 * HOUR - SECOND),
    ],
    ids=["no such worker", "another instance", "an earlier run"],
)
def test_a_request_for_something_else_is_void(world: World, void: StopRequest) -> None:
    assert stop_requested(world.service, void, NOON) == "void"
    assert world.hub.asked == []


@pytest.mark.parametrize(
    "early", [replace(PRESSED, key="zoe"), replace(PRESSED, instance_id=BOB)], ids=["first", "second"]
)
def test_a_request_during_the_launch_is_brought_again(world: World, early: StopRequest) -> None:
    """The hub knows of the new instance before its first event has made the record."""
    for age in (SECOND, 5 * MINUTE - SECOND):
        with pytest.raises(NotNow):
            stop_requested(world.service, replace(early, at=NOON - age), NOON)


def test_a_request_in_the_future_counts_from_now(world: World) -> None:
    assert stop_requested(world.service, replace(PRESSED, at=NOON + DAY), NOON) == "stopped"
    assert world.hub.asked == [("alice", Drain.REGARDLESS, NOON)]


@pytest.mark.parametrize("state", [State.PENDING, State.STOPPING])
def test_a_request_that_comes_too_early_is_brought_again(world: World, state: State) -> None:
    until = NOON + MINUTE if state is State.STOPPING else None
    world.store.put(replace(world.record(), state=state, claimed_until=until), NOON)
    with pytest.raises(NotNow):
        stop_requested(world.service, PRESSED, NOON)


def test_a_typo_in_a_policy_is_told_once_and_keeps_no_machine_up_without_end(world: World) -> None:
    world.store.settings["cluster"] = '{"idle_timeout": "a minute"}'
    world.hub.answers = lambda _, __: refuse("there is load on it just now")
    for n in range(3):
        assert swept(world, NOON + n * SECOND) == {"refused": 1}
    (report,) = [entry for entry in world.store.history("alice") if entry.kind is Kind.REPORT]
    assert report.reason == "bad-policy"
    assert "policy of cluster: idle_timeout: must be a number of seconds" in text(report.message)
    world.hub.answers = lambda _, __: DrainAnswer(True, "idle")
    assert swept(world, NOON + 3 * SECOND) == {"stopped": 1}


def test_a_sweep_goes_on_after_one_workers_trouble_and_ends_in_time(world: World) -> None:
    for name in ("bob", "carol"):
        world.store.put(a_worker(key=name, instance_id=f"i-{name}", due_at=NOON - 2 * HOUR), NOON)
    world.hub.is_down = True
    ticks = iter([True, False])
    assert sweep(world.service, lambda: next(ticks)) == {"hub-down": 1, "left": 2}
    assert world.record().due_at == NOON - HOUR


def test_each_worker_of_a_sweep_is_decided_about_at_its_own_time(world: World) -> None:
    """While the first one is seen to, the second one's user comes back, and the hub goes down."""
    world.store.put(a_worker(key="bob", instance_id=BOB, due_at=NOON - HOUR + SECOND), NOON)
    world.metrics.reports[BOB] = world.metrics.reports[ALICE]

    def take_long(worker: Worker, mode: Drain) -> DrainAnswer:
        world.now = NOON + 90 * SECOND
        world.metrics.reports[BOB] += (Report(NOON, Level.INTERACTION),)
        world.hub.is_down = True
        return DrainAnswer(True, "idle")

    world.hub.answers = take_long
    assert swept(world) == {"stopped": 1, "kept": 1}
    assert world.cloud.stops == [ALICE]


def test_a_record_tells_when_it_was_written(world: World) -> None:
    """The hub reads what changed since it last read: a write that tells an earlier time would be missed."""

    def take_long(worker: Worker, mode: Drain) -> DrainAnswer:
        world.now = NOON + 90 * SECOND
        return refuse("there is load on it just now")

    world.hub.answers = take_long
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert world.record().changed_at == NOON + 90 * SECOND


def test_a_sweep_leaves_those_alone_who_are_not_due(world: World) -> None:
    world.store.put(replace(world.record(), due_at=NOON + SECOND), NOON)
    assert swept(world) == {}


def test_a_stop_is_told_with_all_that_it_rests_on(world: World) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(True, "nothing", {"observed_at": 5})
    before = world.record()
    world.now = NOON + SECOND
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    facts = IDLE_FACTS | {"asked_by": "alarm", "hub": "nothing", "worker": {"observed_at": 5}}
    assert last(world) == entry(Kind.STOP, "idle", IDLE, evidence=facts)
    assert world.record() == replace(
        before,
        state=State.STOPPING,
        state_at=NOON,
        version=before.version + 2,
        changed_at=NOON + SECOND,
        message=IDLE,
        due_at=NOON + STOP_TAKES,
        stop_reason="idle",
        decided="idle",
    )


@pytest.mark.parametrize(
    ("asked_by", "act"),
    [
        ("alarm", lambda world: idle_alarm(world.service, RING, NOON)),
        ("sweep", lambda world: sweep(world.service, lambda: True)),
        ("person", lambda world: stop_requested(world.service, PRESSED, NOON)),
    ],
)
def test_the_history_shows_what_triggered_the_check(
    world: World, asked_by: str, act: Callable[[World], object]
) -> None:
    act(world)
    assert last(world).evidence["asked_by"] == asked_by


def test_a_claim_is_whole_while_the_hub_is_asked(world: World) -> None:
    before, seen = world.record(), []
    world.now = NOON + SECOND

    def look(worker: Worker, _: Drain) -> DrainAnswer:
        seen.append((worker, world.record()))
        return DrainAnswer(True, "nothing")

    world.hub.answers = look
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    claimed = replace(
        with_claim(before, "idle", IDLE, NOON), version=before.version + 1, changed_at=NOON + SECOND
    )
    assert seen == [(claimed, claimed)]


RELEASES = [
    ("refused", "the user came back", {"answers": True}),
    ("hub-down", "nothing listens", {}),
    ("hub-odd", "500 Internal Server Error", {}),
    ("rejected", "StopInstances: X: no", {}),
]


@pytest.mark.parametrize(("why", "detail", "told"), RELEASES, ids=[why for why, _, _ in RELEASES])
def test_a_release_leaves_the_record_as_before_and_tells_why(
    world: World, why: str, detail: str, told: dict[str, object]
) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(why != "refused", "the user came back", told)
    world.hub.is_down, world.hub.is_odd = why == "hub-down", why == "hub-odd"
    if why == "rejected":
        world.cloud.stop_error = StopRejected("StopInstances", "X", "no")
    world.metrics.reports[ALICE] = world.metrics.reports[ALICE][:-30]
    before = world.record()
    world.now = NOON + SECOND
    assert idle_alarm(world.service, RING, NOON) == why
    assert world.record() == replace(
        before,
        version=before.version + 2,
        changed_at=NOON + SECOND,
        decided=f"idle: {why}",
        message=message(why, detail=detail),
        due_at=NOON,
        hub_odd_since=NOON if why == "hub-odd" else None,
    )
    facts = IDLE_FACTS | {"last_report": "2026-11-23T11:30:00+00:00", "reports": 34, "asked_by": "alarm"}
    assert last(world).kind is Kind.RELEASE
    assert last(world).reason == "idle"
    assert last(world).message == message(why, detail=detail)
    assert last(world).at == NOON
    assert last(world).evidence == facts | {"why": why, "worker": told}


@pytest.mark.parametrize("between", ["moved", "claimed anew", "started again"])
def test_a_release_does_not_touch_what_another_has_done(world: World, between: str) -> None:
    """A lease that has run out may have been taken over, or the instance be another one."""
    changes = {
        "moved": {"instance_id": BOB},
        "claimed anew": {"claimed_until": NOON + 2 * LEASE},
        "started again": {"state": State.PENDING, "claimed_until": None},
    }[between]
    taken: list[Worker] = []

    def meanwhile(_: Worker, __: Drain) -> DrainAnswer:
        taken.append(world.store.put(replace(world.record(), **changes), NOON))  # type: ignore[arg-type]
        return DrainAnswer(False, "the user came back")

    world.hub.answers = meanwhile
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert [world.record()] == taken


@pytest.mark.parametrize("changes", [{"instance_id": BOB}, {"claimed_until": NOON + 2 * LEASE}])
def test_a_confirmation_does_not_touch_what_another_has_done(
    world: World, changes: dict[str, object]
) -> None:
    stop_it, taken = world.cloud.stop, []

    def meanwhile(instance_id: str, *, force: bool = False) -> None:
        stop_it(instance_id, force=force)
        taken.append(world.store.put(replace(world.record(), **changes), NOON))  # type: ignore[arg-type]

    world.cloud.stop = meanwhile  # type: ignore[method-assign]
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    assert [world.record()] == taken


def test_a_stop_without_an_answer_is_reported_whole(world: World) -> None:
    world.cloud.stop_error = CloudError("StopInstances", "NoAnswer", "read timeout")
    assert idle_alarm(world.service, RING, NOON) == "stop-unknown"
    why = message("stop-unknown", detail="StopInstances: NoAnswer: read timeout")
    assert last(world) == entry(Kind.REPORT, "stop-unknown", why, evidence=IDLE_FACTS | {"asked_by": "alarm"})


def test_without_the_hub_the_evidence_is_named_as_what_decided(world: World) -> None:
    world.hub.is_down = True
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    assert last(world).evidence["hub"] == "the hub is down, the evidence decides: nothing listens"
    assert last(world).evidence["worker"] == {}


def test_a_useless_hub_is_reported_since_when(world: World) -> None:
    world.hub.is_odd = True
    odd = replace(world.record(), hub_odd_since=NOON - HOUR)
    world.store.put(odd, NOON)
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    why = message("hub-odd", since=NOON - HOUR, detail="500 Internal Server Error")
    report, stopped = lines(world)
    assert report == entry(Kind.REPORT, "hub-odd", why, at=NOON - HOUR)
    assert stopped.evidence["hub"] == (
        "no usable answer for an hour, the evidence decides: 500 Internal Server Error"
    )


def test_a_useless_hub_is_reported_even_if_no_machine_can_be_stopped_without_it(world: World) -> None:
    world.hub.is_odd = True
    world.metrics.reports[ALICE] = ()
    world.store.put(replace(world.record(), hub_odd_since=NOON - HOUR), NOON)
    assert idle_alarm(world.service, RING, NOON) == "hub-odd"
    assert world.store.told("alice", Kind.REPORT) == ["hub-odd"]
    assert world.record().hub_odd_since == NOON - HOUR


def hang(world: World) -> None:
    """Alice's worker reports nothing and uses no CPU."""
    world.metrics.reports[ALICE] = ()
    world.metrics.cpu[ALICE] = (0.2,)


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({}, [Drain.IDLE, Drain.REGARDLESS]),
        ({"answers": False}, [Drain.IDLE, Drain.REGARDLESS]),
        ({"answers": True}, [Drain.IDLE]),
        ({"observed_at": 0}, [Drain.IDLE]),
        ({"observed_at": 0, "answers": False}, [Drain.IDLE]),
    ],
)
def test_only_a_dead_worker_is_insisted_on(world: World, told: dict[str, object], asked: list[Drain]) -> None:
    """The second question is the first one again, but for the mode."""
    hang(world)
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", told)
    assert idle_alarm(world.service, RING, NOON) == "refused"
    since = NOON - 30 * MINUTE
    assert world.hub.asked == [("alice", mode, since) for mode in asked]
    assert world.hub.counted == [Level.LOAD] * len(asked)


@pytest.mark.parametrize(("started_at", "at"), [(NOON - 2 * HOUR, NOON - 2 * HOUR), (None, NOON - 3 * HOUR)])
def test_a_worker_that_answers_without_reports_is_reported_once_a_run(
    world: World, started_at: datetime | None, at: datetime
) -> None:
    hang(world)
    world.store.put(replace(world.record(), started_at=started_at, state_at=NOON - 3 * HOUR), NOON)
    world.hub.answers = lambda _, __: DrainAnswer(False, "HTTP 404", {"answers": True})
    assert idle_alarm(world.service, RING, NOON) == "refused"
    (report,) = [one for one in world.store.history("alice") if one.kind is Kind.REPORT]
    assert report == entry(Kind.REPORT, "no-reports", message("no-reports", detail="HTTP 404"), at=at)


def test_only_a_hung_worker_is_reported_for_its_missing_reports(world: World) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", {"answers": True})
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert world.store.told("alice", Kind.REPORT) == []


@pytest.mark.parametrize(
    ("person", "work", "interaction", "activity"),
    [
        (None, 60, HOUR, 60 * SECOND),
        (60, None, 60 * SECOND, 60 * SECOND),
        (60, 30, 60 * SECOND, 30 * SECOND),
        (30, 60, 30 * SECOND, 30 * SECOND),
        (0, 0, timedelta(0), timedelta(0)),
        (-1, -1, HOUR, HOUR),
        (7200, 7200, HOUR, HOUR),
    ],
)
def test_the_newest_of_what_the_worker_told_is_kept(
    world: World, person: int | None, work: int | None, interaction: timedelta, activity: timedelta
) -> None:
    """Up to now, not after it, and nothing older than what is known."""
    told = {"last_interaction": person, "last_work": work}
    seen = {name: (NOON - ago * SECOND).timestamp() for name, ago in told.items() if ago is not None}
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", seen)
    assert idle_alarm(world.service, RING, NOON) == "refused"
    worker = world.record()
    assert (worker.last_interaction, worker.last_activity) == (NOON - interaction, NOON - activity)


@pytest.mark.parametrize("value", [0, 0.0])
def test_the_epoch_itself_is_a_time(world: World, value: float) -> None:
    world.store.put(replace(world.record(), last_interaction=None, last_activity=None), NOON)
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", {"last_interaction": value})
    assert idle_alarm(world.service, RING, NOON) == "refused"
    known = world.record().last_interaction
    assert known is not None
    assert known.timestamp() == 0


def test_work_that_was_not_asked_for_does_not_count(world: World) -> None:
    """Where work may not keep it up any longer, the worker's answer about work changes nothing; its reports do."""
    working = reports(Level.WORK, NOON - 2 * HOUR, NOON - MINUTE)
    world.metrics.reports[ALICE] = working
    world.store.settings["cluster"] = '{"busy_allowance": 3600}'
    told = {"observed_at": 1, "last_work": NOON.timestamp()}
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", told)
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert world.hub.asked == [("alice", Drain.UNATTENDED, NOON - HOUR)]
    assert world.record().last_activity == NOON - MINUTE


def test_a_stop_without_a_since_counts_from_now(world: World) -> None:
    decision = replace(requested(world.record(), "admin", NOON), since=None)
    assert stop(world.service, world.record(), decision, NOON + SECOND) == "stopped"
    assert world.hub.asked == [("alice", Drain.REGARDLESS, NOON + SECOND)]


@pytest.fixture
def stuck(world: World) -> World:
    """Alice's instance has been stopping for an hour, for an unknown reason."""
    stopping = replace(world.record(), state=State.STOPPING, state_at=NOON - HOUR, started_at=None)
    world.store.put(stopping, NOON)
    world.cloud.set_state(ALICE, State.STOPPING)
    world.now = NOON + SECOND
    return world


@pytest.mark.parametrize(("reason", "claim"), [(None, "forced"), ("idle", "idle")])
def test_a_force_is_claimed_and_told_whole(stuck: World, reason: str | None, claim: str) -> None:
    stuck.store.put(replace(stuck.record(), stop_reason=reason), NOON)
    before, seen, stop_it = stuck.record(), [], stuck.cloud.stop

    def look(instance_id: str, *, force: bool = False) -> None:
        seen.append(stuck.record())
        stop_it(instance_id, force=force)

    stuck.cloud.stop = look  # type: ignore[method-assign]
    assert force(stuck.service, before, NOON) == "forced"
    why = message("forced", state="stopping", since=NOON - HOUR)
    claimed = replace(
        with_claim(before, claim, why, NOON), version=before.version + 1, changed_at=NOON + SECOND
    )
    assert seen == [claimed]
    assert stuck.cloud.forced == [ALICE]
    assert last(stuck) == entry(Kind.STOP, "forced", why)
    assert stuck.record() == replace(
        claimed,
        version=before.version + 2,
        claimed_until=None,
        state_at=NOON,
        due_at=NOON + STOP_TAKES,
        decided=claim,
    )


@pytest.mark.parametrize("state", [None, State.STOPPED, State.RUNNING])
def test_what_does_not_stop_any_more_is_not_forced(stuck: World, state: State | None) -> None:
    if state is None:
        stuck.cloud.instances.clear()
    else:
        stuck.cloud.set_state(ALICE, state)
    before = stuck.record()
    assert force(stuck.service, before, NOON) == "not-stopping"
    assert stuck.cloud.stops == []
    assert stuck.record() == replace(before, version=before.version + 2, changed_at=NOON + SECOND)


def test_a_force_that_comes_to_nothing_leaves_what_others_wrote(stuck: World) -> None:
    """EC2's own event has reported the end while the instance was looked at."""
    named, written = stuck.cloud.named, []

    def ended(instance_ids: Sequence[str]) -> list[Instance]:
        over = replace(stuck.record(), state=State.STOPPED, claimed_until=None, due_at=None)
        written.append(stuck.store.put(over, NOON))
        return [replace(one, state=State.STOPPED) for one in named(instance_ids)]

    stuck.cloud.named = ended  # type: ignore[method-assign]
    assert force(stuck.service, stuck.record(), NOON) == "not-stopping"
    assert [stuck.record()] == written


@pytest.mark.parametrize(
    ("even_silent", "told", "outcome"),
    [
        (True, {"answers": False}, "stopped"),
        (False, {"answers": False}, "refused"),
        (False, {"answers": True}, "stopped"),
        (False, {}, "stopped"),
    ],
)
def test_a_hub_without_a_server_there_does_not_speak_for_a_worker_that_does_not_answer(
    world: World, even_silent: bool, told: dict[str, object], outcome: str
) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(True, "no server there", told)
    decision = replace(by_evidence(world.service, world.record(), NOON), even_silent=even_silent)
    assert stop(world.service, world.record(), decision, NOON) == outcome
    if outcome == "refused":
        assert text(last(world).message) == "it may be working: no server there"
        assert last(world).evidence["worker"] == told
    assert len(world.hub.asked) == 1
