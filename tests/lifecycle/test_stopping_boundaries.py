"""What each stop, release and refusal leaves behind, whole: records, history, and what the hub was asked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.errors import CloudError, StopRejected
from lifecycle_app.model.decision import Drain, requested
from lifecycle_app.model.events import IdleAlarm, StopRequest
from lifecycle_app.model.history import Kind
from lifecycle_app.model.policy import Level
from lifecycle_app.model.transitions import LEASE, STOP_TAKES, with_claim
from lifecycle_app.model.worker import Instance, State, Worker
from lifecycle_app.use_cases import idle_alarm, stop_requested, sweep
from lifecycle_app.use_cases.stop import force, stop
from lifecycle_app.use_cases.triggers import by_evidence
from tests.lifecycle.entries import IDLE_FACTS, IDLE_WORDS, entry, last, lines
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, reports
from tests.lifecycle.fakes import World

RING = IdleAlarm(ALICE, NOON, rings=True)
PRESSED = StopRequest("alice", ALICE, NOON - SECOND, "admin")


def test_a_stop_is_told_with_all_that_it_rests_on(world: World) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(True, "nothing", {"observed_at": 5})
    before = world.record()
    world.now = NOON + SECOND
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    facts = IDLE_FACTS | {"asked_by": "alarm", "hub": "nothing", "worker": {"observed_at": 5}}
    assert last(world) == entry(Kind.STOP, "idle", IDLE_WORDS, evidence=facts)
    assert world.record() == replace(
        before,
        state=State.STOPPING,
        state_at=NOON,
        version=before.version + 2,
        changed_at=NOON + SECOND,
        evidence=IDLE_WORDS,
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
def test_the_history_tells_who_made_somebody_look(
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
        with_claim(before, "idle", IDLE_WORDS, NOON), version=before.version + 1, changed_at=NOON + SECOND
    )
    assert seen == [(claimed, claimed)]


RELEASES = [
    ("refused", "somebody came", {"answers": True}),
    ("hub-down", "the hub is down: nobody listens", {}),
    ("hub-odd", "the hub's answer is no answer: 500 Internal Server Error", {}),
    ("rejected", "StopInstances: X: no", {}),
]


@pytest.mark.parametrize(("why", "words", "told"), RELEASES, ids=[why for why, _, _ in RELEASES])
def test_a_release_leaves_the_record_as_before_and_tells_why(
    world: World, why: str, words: str, told: dict[str, object]
) -> None:
    world.hub.answers = lambda _, __: DrainAnswer(why != "refused", "somebody came", told)
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
        evidence=words,
        due_at=NOON,
        hub_odd_since=NOON if why == "hub-odd" else None,
    )
    facts = IDLE_FACTS | {"last_report": "2026-11-23T11:30:00+00:00", "reports": 34, "asked_by": "alarm"}
    assert last(world).kind is Kind.RELEASE
    assert last(world).reason == "idle"
    assert last(world).words == f"not stopped: {words}"
    assert last(world).at == NOON
    assert last(world).evidence == facts | {"why": why, "worker": told}


@pytest.mark.parametrize("between", ["moved", "claimed anew", "started again"])
def test_a_release_does_not_touch_what_somebody_else_has_done(world: World, between: str) -> None:
    """A lease that has run out may have been taken over, or the instance be another one."""
    changes = {
        "moved": {"instance_id": BOB},
        "claimed anew": {"claimed_until": NOON + 2 * LEASE},
        "started again": {"state": State.PENDING, "claimed_until": None},
    }[between]
    taken: list[Worker] = []

    def meanwhile(_: Worker, __: Drain) -> DrainAnswer:
        taken.append(world.store.put(replace(world.record(), **changes), NOON))  # type: ignore[arg-type]
        return DrainAnswer(False, "somebody came")

    world.hub.answers = meanwhile
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert [world.record()] == taken


@pytest.mark.parametrize("changes", [{"instance_id": BOB}, {"claimed_until": NOON + 2 * LEASE}])
def test_a_confirmation_does_not_touch_what_somebody_else_has_done(
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
    words = "nobody knows whether EC2 stops it: StopInstances: NoAnswer: read timeout"
    assert last(world) == entry(
        Kind.REPORT, "stop-unknown", words, evidence=IDLE_FACTS | {"asked_by": "alarm"}
    )


def test_without_the_hub_the_evidence_is_named_as_what_decided(world: World) -> None:
    world.hub.is_down = True
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    assert last(world).evidence["hub"] == "the hub is down, the evidence decides: nobody listens"
    assert last(world).evidence["worker"] == {}


def test_a_useless_hub_is_reported_since_when(world: World) -> None:
    world.hub.is_odd = True
    odd = replace(world.record(), hub_odd_since=NOON - HOUR)
    world.store.put(odd, NOON)
    assert idle_alarm(world.service, RING, NOON) == "stopped"
    what = "the hub's answer is no answer: 500 Internal Server Error"
    report, stopped = lines(world)
    assert report == entry(Kind.REPORT, "hub-odd", f"since 2026-11-23 11:00:00 UTC {what}", at=NOON - HOUR)
    assert stopped.evidence["hub"] == f"{what}; this lasts, and the evidence decides"


def test_a_useless_hub_is_reported_even_if_nobody_can_be_stopped_without_it(world: World) -> None:
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
    words = "its reports do not come, and it uses no CPU, but it answers the hub: HTTP 404"
    (report,) = [one for one in world.store.history("alice") if one.kind is Kind.REPORT]
    assert report == entry(Kind.REPORT, "no-reports", words, at=at)


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
    """Where work may not keep it up any longer, the worker's word of work is no life."""
    working = reports(Level.WORK, NOON - 2 * HOUR, NOON)
    world.metrics.reports[ALICE] = working
    world.store.settings["cluster"] = '{"busy_allowance": 3600}'
    told = {"observed_at": 1, "last_work": NOON.timestamp()}
    world.hub.answers = lambda _, __: DrainAnswer(False, "no", told)
    assert idle_alarm(world.service, RING, NOON) == "refused"
    assert world.hub.asked == [("alice", Drain.UNATTENDED, NOON - HOUR)]
    assert world.record().last_activity == NOON - HOUR


def test_a_stop_without_a_since_counts_from_now(world: World) -> None:
    decision = replace(requested(world.record(), "admin", NOON), since=None)
    assert stop(world.service, world.record(), decision, NOON + SECOND) == "stopped"
    assert world.hub.asked == [("alice", Drain.REGARDLESS, NOON + SECOND)]


@pytest.fixture
def stuck(world: World) -> World:
    """Alice's instance has been stopping for an hour, and nobody knows why."""
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
    assert force(stuck.service, before, "words", NOON) == "forced"
    claimed = replace(
        with_claim(before, claim, "words", NOON), version=before.version + 1, changed_at=NOON + SECOND
    )
    assert seen == [claimed]
    assert stuck.cloud.forced == [ALICE]
    assert last(stuck) == entry(Kind.STOP, "forced", "words")
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
    assert force(stuck.service, before, "words", NOON) == "not-stopping"
    assert stuck.cloud.stops == []
    assert stuck.record() == replace(before, version=before.version + 2, changed_at=NOON + SECOND)


def test_a_force_that_comes_to_nothing_leaves_what_others_wrote(stuck: World) -> None:
    """EC2's own event has told of the end while the instance was looked at."""
    named, written = stuck.cloud.named, []

    def ended(instance_ids: Sequence[str]) -> list[Instance]:
        over = replace(stuck.record(), state=State.STOPPED, claimed_until=None, due_at=None)
        written.append(stuck.store.put(over, NOON))
        return [replace(one, state=State.STOPPED) for one in named(instance_ids)]

    stuck.cloud.named = ended  # type: ignore[method-assign]
    assert force(stuck.service, stuck.record(), "words", NOON) == "not-stopping"
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
        assert last(world).words == "not stopped: nobody knows what it does: no server there"
        assert last(world).evidence["worker"] == told
    assert len(world.hub.asked) == 1
