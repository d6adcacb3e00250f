"""What becomes of a record: the order of EC2's events, claims, runs."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from lifecycle_app.model.transitions import (
    LEASE,
    STOP_TAKES,
    created,
    is_news,
    moved,
    run_seconds,
    with_claim,
    with_facts,
    with_life,
    with_release,
    with_state,
    with_stop_accepted,
)
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance

P, R, G, S, T = State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED, State.TERMINATED


def after(worker: Worker, state: State, at_second: int) -> Worker:
    at = NOON + at_second * SECOND
    return with_state(worker, state, at, at) if is_news(worker, state, at) else worker


@pytest.mark.parametrize("order", list(permutations([(P, 1), (R, 2), (G, 3), (S, 4)])))
def test_in_whatever_order_events_come_the_last_state_stays(order: tuple[tuple[State, int], ...]) -> None:
    worker = a_worker(state=S, state_at=NOON, started_at=None)
    for state, at in [*order, *order]:
        worker = after(worker, state, at)
    assert (worker.state, worker.state_at, worker.started_at) == (S, NOON + 4 * SECOND, None)


@pytest.mark.parametrize(
    ("known", "state", "news"),
    [
        (P, R, True),
        (R, P, False),
        (R, R, False),
        (R, G, True),
        (G, R, False),
        (G, S, True),
        (S, G, False),
        (S, P, True),
        (P, S, False),
        (T, R, False),
        (T, P, False),
    ],
)
def test_of_the_same_second_only_what_follows_is_news(known: State, state: State, news: bool) -> None:
    worker = a_worker(state=known, state_at=NOON + 0.4 * SECOND, started_at=None)
    assert is_news(worker, state, NOON) is news


@pytest.mark.parametrize(("state", "news"), [(P, False), (R, False), (G, True), (S, True)])
def test_a_claim_is_no_word_of_ec2(state: State, news: bool) -> None:
    """The instance's own last word was `running`: a stop in that very second is news."""
    worker = with_claim(a_worker(state_at=NOON), "idle", "words", NOON)
    assert is_news(worker, state, NOON) is news


def test_a_claim_keeps_everything_but_who_may_use_the_worker() -> None:
    worker = a_worker(decided="active")
    claimed = with_claim(worker, "idle", "words", NOON)
    assert (claimed.state, claimed.claimed_until, claimed.due_at) == (G, NOON + LEASE, NOON + LEASE)
    assert claimed.is_claimed(NOON + LEASE - SECOND)
    assert not claimed.is_abandoned(NOON + LEASE - SECOND)
    assert claimed.is_abandoned(NOON + LEASE)
    released = with_release(claimed, "idle: refused", "somebody came", NOON)
    assert released == replace(worker, decided="idle: refused", evidence="somebody came", due_at=NOON)


def test_a_claim_outlives_the_news_that_the_instance_runs() -> None:
    claimed = with_claim(a_worker(state_at=NOON), "idle", "words", NOON)
    told = with_state(claimed, R, NOON + SECOND, NOON + SECOND)
    assert told == replace(claimed, state_at=NOON + SECOND)
    late = NOON + LEASE
    assert with_state(claimed, R, late, late).state is R


def test_an_accepted_stop_is_older_than_the_events_it_causes() -> None:
    now = NOON + 0.7 * SECOND
    accepted = with_stop_accepted(with_claim(a_worker(), "idle", "words", now), now)
    assert (accepted.state, accepted.claimed_until, accepted.decided) == (G, None, "idle")
    assert accepted.due_at == now + STOP_TAKES
    assert is_news(accepted, G, NOON)
    assert is_news(accepted, S, NOON)
    assert not is_news(accepted, R, NOON - HOUR)


@pytest.mark.parametrize(
    ("state", "at", "seconds"),
    [(G, 0, 7200), (S, 5, 7205), (T, 5, 7205), (R, 5, None), (P, 5, None)],
)
def test_a_run_ends_with_the_first_word_of_its_end(state: State, at: int, seconds: int | None) -> None:
    assert run_seconds(a_worker(), state, NOON + at * SECOND) == seconds


def test_a_run_is_counted_once() -> None:
    worker = a_worker(seconds_run=100)
    for state, at in [(G, 0), (S, 30), (T, 60)]:
        worker = after(worker, state, at)
    assert worker.seconds_run == 7300
    assert worker.started_at is None


def test_a_stop_that_ec2_lost_does_not_end_the_run() -> None:
    accepted = with_stop_accepted(with_claim(a_worker(), "idle", "words", NOON), NOON)
    again = with_state(accepted, R, NOON + 5 * MINUTE, NOON + 5 * MINUTE)
    assert (again.state, again.started_at) == (R, NOON - 2 * HOUR)


def test_a_record_moves_to_a_new_instance_with_what_is_known_of_the_user() -> None:
    old = a_worker(state=T, started_at=None, home_volume="vol-1", seconds_run=9, groups=("staff",), version=7)
    new = moved(old, an_instance(instance_id=BOB, state=P, address="10.0.1.9"), NOON)
    assert (new.instance_id, new.state, new.address, new.version) == (BOB, P, "10.0.1.9", 7)
    assert (new.home_volume, new.home_attached) == ("vol-1", False)
    assert (new.seconds_run, new.groups) == (9, ("staff",))


def test_a_new_record_tells_what_ec2_tells() -> None:
    worker = created(an_instance(home_volume="vol-2"), NOON - 2 * HOUR)
    assert worker == a_worker(home_volume="vol-2", due_at=NOON - 2 * HOUR)
    assert worker.instance_id == ALICE


def test_what_ec2_does_not_tell_is_kept() -> None:
    worker = a_worker(home_volume="vol-1")
    told = with_facts(worker, an_instance(address=None, instance_type="", zone=""))
    assert told == replace(worker, home_attached=False)


@pytest.mark.parametrize(
    ("recorded", "shown", "is_there", "home", "attached"),
    [
        (None, None, True, None, True),
        (None, "vol-1", True, "vol-1", True),
        (None, "vol-1", False, "vol-1", False),
        ("vol-1", None, True, "vol-1", False),
        ("vol-1", "vol-1", True, "vol-1", True),
        ("vol-1", "vol-1", False, "vol-1", False),
    ],
    ids=["none", "new", "new, on its way", "not there", "there", "on its way"],
)
def test_a_record_tells_whether_its_home_is_attached(
    recorded: str | None, shown: str | None, is_there: bool, home: str | None, attached: bool
) -> None:
    """A user whose home is still elsewhere must not be served an empty one."""
    instance = an_instance(home_volume=shown, home_attached=is_there)
    there = with_facts(a_worker(home_volume=recorded, home_attached=not attached), instance)
    assert (there.home_volume, there.home_attached) == (home, attached)
    gone = a_worker(state=T, started_at=None, home_volume=recorded)
    assert moved(gone, instance, NOON).home_attached is attached


def test_only_newer_life_is_news() -> None:
    worker = a_worker(last_activity=NOON, last_interaction=None)
    assert with_life(worker, NOON - SECOND, None) == worker
    newer = with_life(worker, NOON + SECOND, NOON)
    assert (newer.last_activity, newer.last_interaction) == (NOON + SECOND, NOON)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="due_at is not an aware UTC time"):
        a_worker(due_at=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="state_at"):
        a_worker(state_at=NOON.astimezone(None).replace(tzinfo=None))
    assert timedelta(0) < LEASE
