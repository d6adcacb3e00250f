"""What a keep, a request and a sweep leave behind, whole, and when a record that always changes is given up."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.concurrency import AT_ONCE
from lifecycle_app.contract import Level
from lifecycle_app.errors import BadRecord, CloudError, ForeignEvent, NotNow, RecordConflict
from lifecycle_app.model.decision import Reason
from lifecycle_app.model.events import IdleAlarm, StopRequest
from lifecycle_app.model.evidence import AppTraffic, Evidence
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message, plain, text
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import LEASE, with_claim
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import idle_alarm, stop_requested, sweep
from lifecycle_app.use_cases.records import TRIES, add_run, change, keep, policy_of, report_bad_record
from lifecycle_app.use_cases.triggers import LAUNCH_RECORDED_WITHIN, REQUEST_IS_NEW, by_evidence, settle
from tests.lifecycle.entries import IDLE_FACTS, entry, last, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, reports
from tests.lifecycle.fakes import World

RING = IdleAlarm(ALICE, NOON, fires=True)
PRESSED = StopRequest("alice", ALICE, NOON - SECOND, "admin")


def always() -> bool:
    return True


def test_a_claim_taken_anew_is_not_broken_by_who_decided_to_keep(world: World) -> None:
    """Two take over an abandoned claim: one claims it while the other, who saw a person, decides to keep it."""
    world.store.put(with_claim(world.record(), "idle", plain("words"), NOON), NOON)
    now, tell = NOON + LEASE, world.metrics.evidence
    world.metrics.reports[ALICE] += reports(Level.INTERACTION, NOON, now)

    def meanwhile(instance_id: str, policy: Policy, at: datetime) -> Evidence:
        world.store.put(with_claim(world.record(), "max-lifetime", plain("rival"), now), now)
        return tell(instance_id, policy, at)

    world.metrics.evidence = meanwhile  # type: ignore[method-assign,assignment]
    assert idle_alarm(world.service, RING, now) == "kept"
    worker = world.record()
    assert (worker.claimed_until, worker.stop_reason) == (now + LEASE, "max-lifetime")
    assert worker.due_at == now + LEASE


@pytest.mark.parametrize("changes", [{"instance_id": BOB}, {"state": State.STOPPED}])
def test_a_keep_does_not_touch_what_another_has_done(world: World, changes: dict[str, object]) -> None:
    decision = by_evidence(world.service, world.record(), NOON)
    seen = world.record()
    changed = world.store.put(replace(seen, **changes), NOON)  # type: ignore[arg-type]
    keep(world.service, seen, decision, NOON)
    assert world.record() == changed


def test_a_keep_is_whole_and_told_with_its_evidence(world: World) -> None:
    world.metrics.reports[ALICE] = reports(Level.INTERACTION, NOON - HOUR, NOON)
    before = world.store.put(replace(world.record(), hub_odd_since=NOON - HOUR), NOON)
    world.now = NOON + SECOND
    assert idle_alarm(world.service, RING, NOON) == "kept"
    why = message("active", last_used=NOON)
    assert world.record() == replace(
        before,
        version=before.version + 1,
        changed_at=NOON + SECOND,
        hub_odd_since=None,
        due_at=NOON + HOUR,
        decided=Reason.ACTIVE,
        message=why,
    )
    noon = "2026-11-23T12:00:00+00:00"
    facts = IDLE_FACTS | {"last_life": noon, "last_interaction": noon, "reports": 60, "asked_by": "alarm"}
    assert last(world) == entry(Kind.DECISION, "active", why, evidence=facts)


def test_who_is_gone_is_not_decided_about(world: World) -> None:
    seen = world.record()
    world.store.put(replace(seen, instance_id=BOB), NOON)
    assert settle(world.service, seen, by_evidence, "alarm", NOON) == "gone"
    world.store.workers.clear()
    assert settle(world.service, seen, by_evidence, "alarm", NOON) == "gone"


@pytest.mark.parametrize(("fails", "outcome"), [(TRIES - 1, "stopped"), (TRIES, None)])
def test_a_record_that_changes_all_the_time_is_given_up(
    world: World, fails: int, outcome: str | None
) -> None:
    left = [None] * fails

    def conflict(worker: Worker) -> None:
        if left and worker.claimed_until:
            left.pop()
            raise RecordConflict("changed")

    world.store.before_put = conflict
    if outcome:
        assert idle_alarm(world.service, RING, NOON) == outcome
        return
    with pytest.raises(RecordConflict) as given_up:
        idle_alarm(world.service, RING, NOON)
    assert str(given_up.value) == "record of alice keeps changing"
    assert world.cloud.stops == []


@pytest.mark.parametrize(("fails", "done"), [(TRIES - 1, True), (TRIES, False)])
def test_a_change_is_tried_again_and_given_up(world: World, fails: int, done: bool) -> None:
    left = [None] * fails

    def conflict(_: Worker) -> None:
        if left:
            left.pop()
            raise RecordConflict("changed")

    world.store.before_put = conflict
    if done:
        change(world.service, "alice", lambda worker: replace(worker, zone="z"))
        assert world.record().zone == "z"
        return
    with pytest.raises(RecordConflict) as given_up:
        change(world.service, "alice", lambda worker: replace(worker, zone="z"))
    assert str(given_up.value) == "record of alice keeps changing"


def test_no_record_is_changed_without_need(world: World) -> None:
    before = world.record()
    assert change(world.service, "alice", lambda worker: worker) == before
    assert change(world.service, "zoe", lambda worker: replace(worker, zone="z")) is None


@pytest.mark.parametrize(("started_at", "at"), [(NOON - 2 * HOUR, NOON - 2 * HOUR), (None, NOON - 3 * HOUR)])
def test_a_bad_policy_is_reported_once_a_run(world: World, started_at: datetime | None, at: datetime) -> None:
    worker = replace(world.record(), started_at=started_at, state_at=NOON - 3 * HOUR, groups=("staff",))
    mixed = '{"idle_timeout": 7200, "hung_cpu": "x"}'
    world.store.settings |= {"cluster": "[]", "group/staff": "5", "user/alice": mixed}
    assert policy_of(world.service, worker).idle_timeout == 2 * HOUR
    words = (
        "policy of cluster: not a JSON object; policy of group/staff: not a JSON object; "
        "policy of user/alice: hung_cpu: must be a percentage from 0 to 100, not 'x'"
    )
    assert last(world) == entry(Kind.REPORT, "bad-policy", message("bad-policy", detail=words), at=at)


@pytest.mark.parametrize(
    ("kind", "reason", "words", "cost"),
    [
        ("t3.medium", "idle", "ran for 2 hours, cost about 8 ¢", 0.0832),
        ("x9.huge", None, "ran for 2 hours", None),
    ],
)
def test_a_run_is_told_with_its_cost(
    world: World, kind: str, reason: str | None, words: str, cost: float | None
) -> None:
    add_run(world.service, a_worker(instance_type=kind, stop_reason=reason), State.STOPPED, NOON)
    why = message("run", ran=2 * HOUR, cost=cost)
    assert last(world) == replace(entry(Kind.RUN, reason or "stopped", why), seconds=7200, cost=cost)
    assert text(why) == words
    add_run(world.service, a_worker(key="bob", started_at=None), State.STOPPED, NOON)
    assert world.store.history("bob") == []


@pytest.mark.parametrize(
    ("age", "outcome"), [(LAUNCH_RECORDED_WITHIN - SECOND, None), (LAUNCH_RECORDED_WITHIN, "void")]
)
def test_a_request_waits_for_the_first_event_of_a_launch(
    world: World, age: timedelta, outcome: str | None
) -> None:
    request = replace(PRESSED, instance_id=BOB, at=NOON - age)
    if outcome:
        assert stop_requested(world.service, request, NOON) == outcome
        return
    with pytest.raises(NotNow) as early:
        stop_requested(world.service, request, NOON)
    assert str(early.value) == f"worker alice has no record with {BOB} yet"


def test_a_request_that_comes_too_early_says_what_it_waits_for(world: World) -> None:
    world.store.put(replace(world.record(), state=State.PENDING), NOON)
    with pytest.raises(NotNow) as early:
        stop_requested(world.service, PRESSED, NOON)
    assert str(early.value) == "worker alice is pending, and cannot be stopped before that is over"


def test_a_request_of_the_very_moment_of_the_start_is_for_this_run(world: World) -> None:
    request = replace(PRESSED, at=NOON - 2 * HOUR)
    assert stop_requested(world.service, request, NOON) == "stopped"


def test_a_request_for_a_worker_that_started_at_an_unknown_time(world: World) -> None:
    world.store.put(replace(world.record(), started_at=None), NOON)
    assert stop_requested(world.service, PRESSED, NOON) == "stopped"


def test_an_alarm_of_no_worker_names_the_instance(world: World) -> None:
    with pytest.raises(ForeignEvent) as foreign:
        idle_alarm(world.service, IdleAlarm(BOB, NOON, fires=True), NOON)
    assert str(foreign.value) == f"no worker has {BOB}"


def test_a_sweep_counts_all_it_did_and_left(world: World) -> None:
    """The first one, a batch, then nothing for a while: who is left over is left, whoever comes after."""
    for n in range(1 + 3 * AT_ONCE):
        world.store.put(a_worker(key=f"u{n}", instance_id=f"i-{n}", due_at=NOON - 2 * HOUR), NOON)
    world.hub.is_down = True
    ticks = iter([True, True, False, True, False])
    assert sweep(world.service, lambda: next(ticks)) == {"hub-down": 1 + 2 * AT_ONCE, "left": AT_ONCE + 1}


@pytest.mark.parametrize(
    "error", [CloudError("GetMetricData", "Throttling", "slow"), RecordConflict("changed")]
)
def test_one_workers_trouble_is_counted(world: World, error: Exception) -> None:
    def fail(*_: object) -> Evidence:
        raise error

    world.metrics.evidence = fail  # type: ignore[method-assign,assignment]
    assert sweep(world.service, always) == {"failed": 1}


@pytest.mark.parametrize(
    ("age", "seen", "outcome"),
    [
        (REQUEST_IS_NEW - SECOND, None, "stopped"),
        (REQUEST_IS_NEW, None, "hub-down"),
        (MINUTE, MINUTE + SECOND, "stopped"),
        (MINUTE, MINUTE, "stopped"),
        (MINUTE, MINUTE - SECOND, "hub-down"),
    ],
)
def test_with_the_hub_down_only_a_request_that_is_the_last_word_stops(
    world: World, age: timedelta, seen: timedelta | None, outcome: str
) -> None:
    """It is unknown whether the user came back since."""
    world.hub.is_down = True
    life = None if seen is None else NOON - seen
    world.store.put(replace(world.record(), last_interaction=life), NOON)
    assert stop_requested(world.service, replace(PRESSED, at=NOON - age), NOON) == outcome
    assert last(world).evidence["requested_by"] == "admin"
    assert last(world).evidence["requested_at"] == (NOON - age).isoformat()


def test_a_bad_record_of_one_worker_is_counted_and_the_others_are_seen_to(world: World) -> None:
    world.store.put(a_worker(key="bob", instance_id=BOB, due_at=NOON), NOON)
    get = world.store.get

    def broken(key: str) -> Worker | None:
        if key == "alice":
            raise BadRecord("alice", "state is missing")
        return get(key)

    world.store.get = broken  # type: ignore[method-assign]
    world.hub.is_down = True
    assert sweep(world.service, always) == {"failed": 1, "hub-down": 1}


def test_a_bad_record_is_told_once_a_day_with_its_fix(world: World) -> None:
    for hours in (0, 1):
        bad = BadRecord("bob", "state is missing", BOB)
        report_bad_record(world.service, bad, NOON + hours * HOUR)
    why = message(
        "bad-record",
        detail="the record of bob cannot be used: state is missing",
        table="cloudjhub-test-workers",
    )
    midnight = NOON.replace(hour=0)
    assert lines(world, "bob") == [
        entry(Kind.REPORT, "bad-record", why, key="bob", instance_id=BOB, at=midnight)
    ]
    odd = NOON.replace(hour=1, minute=2, second=3, microsecond=4)
    report_bad_record(world.service, BadRecord("carol", "x"), odd)
    assert lines(world, "carol")[0].at == midnight


SEEN = NOON - 90 * MINUTE
"""When the user was last seen, which the record misses: it could not be written for a while."""


def a_machine_with_a_gap_in_its_record(world: World, allowance: timedelta, field: str) -> None:
    world.hub.is_down = True
    world.store.settings["cluster"] = f'{{"{field}": {allowance.total_seconds()}}}'
    missed = replace(world.record(), started_at=NOON - 5 * HOUR, last_activity=None, last_interaction=None)
    world.store.put(missed, NOON)
    since = NOON - 3 * HOUR
    world.metrics.reports[ALICE] = (
        *reports(Level.WORK, since, SEEN - MINUTE),
        *reports(Level.INTERACTION, SEEN - MINUTE, SEEN),
        *reports(Level.WORK if field == "busy_allowance" else Level.QUIET, SEEN, NOON),
    )


@pytest.mark.parametrize(("allowance", "outcome"), [(2 * HOUR, "kept"), (HOUR, "stopped")])
@pytest.mark.parametrize("trigger", ["alarm", "sweep"])
def test_a_user_whom_the_record_missed_is_looked_for_before_work_runs_too_long(
    world: World, trigger: str, allowance: timedelta, outcome: str
) -> None:
    a_machine_with_a_gap_in_its_record(world, allowance, "busy_allowance")
    if trigger == "alarm":
        assert idle_alarm(world.service, RING, NOON) == outcome
    else:
        assert sweep(world.service, always) == {outcome: 1}
    assert world.record().last_interaction == (SEEN if outcome == "kept" else None)


@pytest.mark.parametrize(("allowance", "outcome"), [(2 * HOUR, "kept"), (HOUR, "stopped")])
def test_a_user_whom_the_record_missed_is_looked_for_before_an_app_counts_as_left(
    world: World, allowance: timedelta, outcome: str
) -> None:
    a_machine_with_a_gap_in_its_record(world, allowance, "app_allowance")
    world.metrics.apps[ALICE] = AppTraffic(NOON - MINUTE, 1)
    assert idle_alarm(world.service, RING, NOON) == outcome


@pytest.mark.parametrize(("is_whole", "outcome"), [(True, "stopped"), (False, "hub-down")])
def test_work_without_a_user_is_stopped_alone_only_by_all_reports_of_that_time(
    world: World, is_whole: bool, outcome: str
) -> None:
    a_machine_with_a_gap_in_its_record(world, HOUR, "busy_allowance")
    tell = world.metrics.newest

    def some(instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        return {
            one: replace(known, is_whole=is_whole) for one, known in tell(instance_ids, since, now).items()
        }

    world.metrics.newest = some  # type: ignore[method-assign]
    assert idle_alarm(world.service, RING, NOON) == outcome


def test_what_cannot_be_read_of_that_time_ends_no_work(world: World) -> None:
    a_machine_with_a_gap_in_its_record(world, HOUR, "busy_allowance")

    def fails(instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        raise CloudError("GetMetricData", "Throttling", "Rate exceeded")

    world.metrics.newest = fails  # type: ignore[method-assign]
    assert sweep(world.service, always) == {"failed": 1}
    assert world.record().state is State.RUNNING
