"""A user keeps their own worker running: the decision, and the write that loses against a claim."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifecycle_app.contract import KeepRefusal
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.history import Kind
from lifecycle_app.model.keep import VALID, answered, is_void
from lifecycle_app.model.messages import message, plain, text
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import LEASE, with_claim, with_release, with_state
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import keep_requested, sweep
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker
from tests.lifecycle.fakes import World

ASKED = KeepRequest("alice", ALICE, "0f" * 16, HOUR, NOON, "alice")
LIMIT = Policy().keep_limit


def limited(seconds: float, **more: Any) -> dict[str, str]:
    return {"cluster": json.dumps({"keep_limit": seconds, **more})}


@pytest.mark.parametrize(
    ("policy", "span", "refused"),
    [
        (Policy(), SECOND, ""),
        (Policy(), LIMIT, ""),
        (Policy(), LIMIT + SECOND, KeepRefusal.TOO_LONG),
        (Policy(keep_limit=timedelta(0)), SECOND, KeepRefusal.NOT_ALLOWED),
        # It runs since two hours: of its lifetime one hour is left.
        (Policy(max_lifetime=3 * HOUR), HOUR, ""),
        (Policy(max_lifetime=3 * HOUR), HOUR + SECOND, KeepRefusal.TOO_LONG),
        (Policy(max_lifetime=2 * HOUR), SECOND, KeepRefusal.NOT_ALLOWED),
        (Policy(max_lifetime=24 * HOUR), LIMIT + SECOND, KeepRefusal.TOO_LONG),
    ],
)
def test_the_policy_says_how_long(policy: Policy, span: timedelta, refused: str) -> None:
    worker = answered(a_worker(), replace(ASKED, span=span), policy)
    assert (worker.keep_request, worker.keep_refusal) == (ASKED.id, refused)
    assert worker.keep_until == (None if refused else NOON + span)
    assert worker.keep_by == ("" if refused else "alice")


@pytest.mark.parametrize(
    ("before", "until", "by"),
    [
        (None, NOON + HOUR, "alice"),
        (NOON - HOUR, NOON + HOUR, "alice"),
        (NOON + HOUR - SECOND, NOON + HOUR, "alice"),
        (NOON + HOUR, NOON + HOUR, "boss"),
        (NOON + 9 * HOUR, NOON + 9 * HOUR, "boss"),
    ],
)
def test_a_keep_never_shortens_another(before: Any, until: Any, by: str) -> None:
    worker = answered(a_worker(keep_until=before, keep_by="boss"), ASKED, Policy())
    assert (worker.keep_until, worker.keep_by, worker.keep_refusal) == (until, by, "")


END = replace(ASKED, id="2f" * 16, span=timedelta(0))


@pytest.mark.parametrize("policy", [Policy(), Policy(keep_limit=timedelta(0)), Policy(max_lifetime=HOUR)])
def test_no_policy_forbids_to_end_the_own_keep(policy: Policy) -> None:
    before = a_worker(keep_until=NOON + HOUR, keep_by="alice", due_at=NOON + HOUR)
    worker = answered(before, END, policy)
    assert (worker.keep_until, worker.keep_by, worker.keep_request, worker.keep_refusal) == (
        None,
        "",
        END.id,
        "",
    )
    assert worker.due_at == NOON, "the next sweep decides about it"


@pytest.mark.parametrize(("until", "by"), [(NOON + HOUR, "boss"), (NOON + HOUR, ""), (None, "")])
def test_another_users_keep_is_not_ended(until: Any, by: str) -> None:
    before = a_worker(keep_until=until, keep_by=by)
    assert answered(before, END, Policy()) == replace(before, keep_request=END.id)


def test_a_machine_that_is_no_longer_kept_is_stopped_once_it_is_idle(world: World) -> None:
    keep_requested(world.service, ASKED, NOON)
    assert keep_requested(world.service, replace(END, at=NOON + SECOND), NOON + SECOND) == "kept"
    assert [text(entry.message) for entry in world.store.history("alice")][:1] == [
        "no longer kept running: alice asked for it"
    ]
    world.now, world.metrics.reports[ALICE] = NOON + SECOND, ()
    assert sweep(world.service, lambda: True) == {"stopped": 1}


@pytest.mark.parametrize(
    "worker",
    [
        with_claim(a_worker(), "idle", plain("idle"), NOON),
        with_claim(a_worker(), "idle", plain("idle"), NOON - 2 * LEASE),
        *(a_worker(state=state) for state in State if state is not State.RUNNING),
    ],
)
def test_under_a_claim_or_not_running_nothing_is_written(worker: Worker) -> None:
    assert answered(worker, ASKED, Policy()) is worker


@pytest.mark.parametrize(
    ("worker", "late", "void"),
    [
        (a_worker(), VALID, False),
        (a_worker(), VALID + SECOND, True),
        (a_worker(instance_id=BOB), SECOND, True),
        (a_worker(started_at=NOON), SECOND, False),
        (a_worker(started_at=NOON + SECOND), SECOND, True),
        (a_worker(keep_request=ASKED.id), SECOND, True),
        (a_worker(keep_request="1f" * 16), SECOND, False),
        (None, SECOND, True),
    ],
)
def test_what_is_void(worker: Worker | None, late: timedelta, void: bool) -> None:
    """Another instance's, an earlier run's, one that comes late, and one that comes twice."""
    assert is_void(worker, ASKED, NOON + late) is void


def test_who_asked_is_in_the_history_once(world: World) -> None:
    assert keep_requested(world.service, ASKED, NOON) == "kept"
    assert keep_requested(world.service, ASKED, NOON + SECOND) == "void"
    record = world.record()
    assert (record.keep_until, record.keep_by, record.keep_request) == (NOON + HOUR, "alice", ASKED.id)
    assert text(record.message) == "kept until 2026-11-23 13:00:00 UTC by alice", (
        "the home page shows it at once"
    )
    (entry,) = world.store.history("alice")
    assert (entry.kind, entry.reason, entry.at) == (Kind.DECISION, "keep-requested", NOON)
    assert text(entry.message) == "kept until 2026-11-23 13:00:00 UTC: alice asked for it"
    assert entry.evidence == {"requested_by": "alice"}


def test_a_shorter_keep_is_granted_and_is_no_news(world: World) -> None:
    keep_requested(world.service, ASKED, NOON)
    assert keep_requested(world.service, replace(ASKED, id="1f" * 16, span=MINUTE), NOON) == "kept"
    assert world.record().keep_until == NOON + HOUR
    assert len(world.store.history("alice")) == 1


@pytest.mark.parametrize(("seconds", "outcome"), [(0, "not-allowed"), (3599, "too-long"), (3600, "kept")])
def test_a_refusal_is_answered_in_the_record(world: World, seconds: int, outcome: str) -> None:
    world.store.settings = limited(seconds)
    assert keep_requested(world.service, ASKED, NOON) == outcome
    assert world.record().keep_request == ASKED.id
    assert world.record().keep_refusal == ("" if outcome == "kept" else outcome)
    assert world.store.told("alice") == ([] if outcome != "kept" else ["keep-requested"])


def test_a_kept_worker_is_not_stopped_until_then(world: World) -> None:
    keep_requested(world.service, ASKED, NOON)
    assert sweep(world.service, lambda: True) == {"kept": 1}
    record = world.record()
    assert record.message == message("kept", until=NOON + HOUR, by="alice")
    assert text(record.message) == "kept until 2026-11-23 13:00:00 UTC by alice"
    assert record.due_at == NOON + HOUR
    world.now = NOON + HOUR
    world.metrics.reports[ALICE] = ()
    assert sweep(world.service, lambda: True) == {"stopped": 1}


def test_a_claim_that_comes_before_the_write_wins(world: World) -> None:
    """The write is refused, and read again the record says that it is too late."""

    def claimed(_: Worker) -> None:
        world.store.before_put = lambda _: None
        world.store.put(with_claim(world.record(), "idle", plain("idle"), NOON), NOON)

    world.store.before_put = claimed
    assert keep_requested(world.service, ASKED, NOON) == "too-late"
    assert (world.record().keep_until, world.record().keep_request) == (None, "")
    assert world.record().is_claimed(NOON)
    assert world.store.history("alice") == []


def test_a_write_that_comes_before_the_claim_wins(world: World) -> None:
    """The claim is refused, and the next decision keeps the worker."""
    idle = world.record()
    assert keep_requested(world.service, ASKED, NOON) == "kept"
    with pytest.raises(RecordConflict):
        world.store.put(with_claim(idle, "idle", plain("idle"), NOON), NOON)
    assert sweep(world.service, lambda: True) == {"kept": 1}
    assert world.cloud.stops == []


def test_the_answer_outlives_a_claim_that_is_given_up() -> None:
    kept = answered(a_worker(), ASKED, Policy())
    claimed = with_claim(kept, "stop-requested", plain("x"), NOON)
    assert with_release(claimed, "x", plain("x"), NOON).keep_request == ASKED.id
    stopped = with_state(kept, State.STOPPED, NOON + SECOND, NOON + SECOND)
    assert stopped.keep_until == NOON + HOUR
