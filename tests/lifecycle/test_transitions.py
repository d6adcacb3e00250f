"""The record after each thing that happens to a worker, and every limit just before, at and after it."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from lifecycle_app.model.messages import plain
from lifecycle_app.model.transitions import (
    LEASE,
    START_TAKES,
    STOP_TAKES,
    created,
    hub_odd_since,
    is_news,
    moved,
    run_seconds,
    with_claim,
    with_due,
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
    worker = with_claim(a_worker(state_at=NOON), "idle", plain("words"), NOON)
    assert is_news(worker, state, NOON) is news


def test_a_claim_keeps_everything_but_who_may_use_the_worker() -> None:
    worker = a_worker(decided="active")
    claimed = with_claim(worker, "idle", plain("words"), NOON)
    assert (claimed.state, claimed.claimed_until, claimed.due_at) == (G, NOON + LEASE, NOON + LEASE)
    assert claimed.is_claimed(NOON + LEASE - SECOND)
    assert not claimed.is_abandoned(NOON + LEASE - SECOND)
    assert claimed.is_abandoned(NOON + LEASE)
    released = with_release(claimed, "idle: refused", plain("the user came back"), NOON)
    assert released == replace(
        worker, decided="idle: refused", message=plain("the user came back"), due_at=NOON
    )


def test_a_claim_outlives_the_news_that_the_instance_runs() -> None:
    claimed = with_claim(a_worker(state_at=NOON), "idle", plain("words"), NOON)
    told = with_state(claimed, R, NOON + SECOND, NOON + SECOND)
    assert told == replace(claimed, state_at=NOON + SECOND)
    late = NOON + LEASE
    assert with_state(claimed, R, late, late).state is R


def test_an_accepted_stop_is_older_than_the_events_it_causes() -> None:
    now = NOON + 0.7 * SECOND
    accepted = with_stop_accepted(with_claim(a_worker(), "idle", plain("words"), now), now)
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
    accepted = with_stop_accepted(with_claim(a_worker(), "idle", plain("words"), NOON), NOON)
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


RAN = a_worker(
    message=plain("words"),
    stop_reason="idle",
    hub_odd_since=NOON - HOUR,
    claimed_until=NOON - HOUR,
    seconds_run=5,
)
LATER = NOON + MINUTE
HOURS_OF_RAN: dict[str, Any] = {"month": "2026-11", "month_seconds": 7260, "month_dollars": 0.083893}
"""A t3.medium's two hours and a minute."""


def changed(worker: Worker, state: State) -> Worker:
    return with_state(worker, state, LATER, LATER)


@pytest.mark.parametrize(
    ("state", "started_at", "stop_reason", "due_at", "said", "seconds"),
    [
        (P, None, None, LATER + START_TAKES, "", 5),
        (R, LATER, None, LATER, "words", 5),
        (G, None, "idle", LATER + STOP_TAKES, "words", 7265),
        (S, None, "idle", None, "words", 7265),
        (T, None, None, None, "words", 7265),
    ],
)
def test_each_state_of_ec2_makes_one_record(
    state: State,
    started_at: datetime | None,
    stop_reason: str | None,
    due_at: datetime | None,
    said: str,
    seconds: int,
) -> None:
    assert changed(RAN, state) == replace(
        RAN,
        state=state,
        state_at=LATER,
        claimed_until=None,
        hub_odd_since=None,
        started_at=started_at,
        stop_reason=stop_reason,
        due_at=due_at,
        message=plain(said),
        seconds_run=seconds,
        **(HOURS_OF_RAN if seconds > RAN.seconds_run else {}),
    )


@pytest.mark.parametrize("state", [P, R])
@pytest.mark.parametrize(("now", "holds"), [(NOON + LEASE - SECOND, True), (NOON + LEASE, False)])
def test_only_a_claim_that_holds_outlives_the_news(state: State, now: datetime, holds: bool) -> None:
    claimed = with_claim(a_worker(), "idle", plain("words"), NOON)
    told = with_state(claimed, state, LATER, now)
    assert (told == replace(claimed, state_at=LATER)) is holds
    assert told.state is (G if holds else state)


@pytest.mark.parametrize("state", [G, S, T])
def test_a_claim_does_not_outlive_the_end_of_its_instance(state: State) -> None:
    claimed = with_claim(a_worker(), "idle", plain("words"), NOON)
    assert changed(claimed, state).state is state
    assert changed(claimed, state).claimed_until is None


def test_a_stop_that_was_never_begun_does_not_make_a_start() -> None:
    """Only a stop that EC2 accepted and lost goes on with the run it was to end."""
    assert changed(a_worker(state=S), R).started_at == LATER
    assert changed(a_worker(state=G, started_at=None), R).started_at == LATER


@pytest.mark.parametrize(
    ("at", "seconds"), [(NOON - 3 * HOUR, 0), (NOON - 2 * HOUR, 0), (NOON - 2 * HOUR + SECOND, 1)]
)
def test_a_run_is_never_shorter_than_nothing(at: datetime, seconds: int) -> None:
    assert run_seconds(a_worker(), S, at) == seconds


def test_who_never_ran_has_no_run_to_end() -> None:
    assert run_seconds(a_worker(started_at=None), S, NOON) is None


@pytest.mark.parametrize(
    ("at", "news"),
    [(NOON - SECOND, False), (NOON + 0.9 * SECOND, False), (NOON + SECOND, True)],
    ids=["older", "of the same second", "newer"],
)
def test_an_event_of_a_later_second_is_news_whatever_it_tells(at: datetime, news: bool) -> None:
    assert is_news(a_worker(state=S, started_at=None, state_at=NOON + 0.4 * SECOND), R, at) is news


@pytest.mark.parametrize("state", list(State))
def test_after_its_end_an_instance_has_no_news_in_the_same_second(state: State) -> None:
    assert not is_news(a_worker(state=T, state_at=NOON), state, NOON)


def test_an_accepted_stop_is_whole() -> None:
    claimed = replace(with_claim(a_worker(), "idle", plain("words"), NOON), hub_odd_since=NOON)
    now = NOON + 0.7 * SECOND
    assert with_stop_accepted(claimed, now) == replace(
        claimed,
        claimed_until=None,
        hub_odd_since=None,
        state_at=NOON,
        due_at=now + STOP_TAKES,
        decided="idle",
    )
    assert with_stop_accepted(replace(claimed, stop_reason=None), now).decided == ""
    ahead = NOON + HOUR
    assert with_stop_accepted(replace(claimed, state_at=ahead), now).state_at == ahead


def test_a_claim_and_its_release_are_whole() -> None:
    worker = a_worker(decided="active")
    assert with_claim(worker, "idle", plain("words"), NOON) == replace(
        worker,
        state=G,
        claimed_until=NOON + LEASE,
        due_at=NOON + LEASE,
        stop_reason="idle",
        message=plain("words"),
    )
    claimed = with_claim(worker, "idle", plain("words"), NOON)
    released = with_release(claimed, "idle: hub-odd", plain("odd"), LATER, NOON)
    assert released == replace(
        worker, decided="idle: hub-odd", message=plain("odd"), due_at=LATER, hub_odd_since=NOON
    )


@pytest.mark.parametrize(
    ("since", "life", "odd_since"),
    [
        (None, None, NOON),
        (None, NOON - HOUR, NOON),
        (NOON - HOUR, None, NOON - HOUR),
        (NOON - HOUR, NOON - HOUR - SECOND, NOON - HOUR),
        (NOON - HOUR, NOON - HOUR, NOON - HOUR),
        (NOON - HOUR, NOON - HOUR + SECOND, NOON),
    ],
)
def test_a_hub_is_odd_since_the_last_activity(
    since: datetime | None, life: datetime | None, odd_since: datetime
) -> None:
    assert hub_odd_since(a_worker(hub_odd_since=since, last_activity=life), NOON) == odd_since


def test_a_move_keeps_all_that_is_known_of_the_user() -> None:
    old = a_worker(
        state=T,
        started_at=None,
        version=7,
        home_volume="vol-1",
        last_activity=NOON - HOUR,
        last_interaction=NOON - 2 * HOUR,
        keep_until=NOON + HOUR,
        keep_by="alice",
        keep_request="1f2e",
        seconds_run=9,
        groups=("staff",),
        stop_reason="idle",
        decided="idle",
        message=plain("words"),
    )
    taken = an_instance(instance_id=BOB, launched_at=NOON, home_volume="vol-1", zone="us-east-1b")
    assert moved(old, taken, NOON) == Worker(
        key="alice",
        instance_id=BOB,
        state=R,
        state_at=NOON,
        version=7,
        changed_at=NOON,
        address="10.0.1.5",
        instance_type="t3.medium",
        zone="us-east-1b",
        home_volume="vol-1",
        home_attached=True,
        started_at=NOON,
        last_activity=NOON - HOUR,
        last_interaction=NOON - 2 * HOUR,
        due_at=NOON,
        keep_until=NOON + HOUR,
        keep_by="alice",
        seconds_run=9,
        groups=("staff",),
    )


def test_a_new_record_is_due_when_its_instance_should_have_started() -> None:
    pending = created(an_instance(state=P, launched_at=NOON), NOON)
    assert (pending.due_at, pending.started_at, pending.version) == (NOON + START_TAKES, None, 0)


def test_who_was_started_again_runs_since_the_later_start() -> None:
    """An event of the run before may have told an earlier time."""
    known = created(an_instance(launched_at=NOON), NOON - HOUR)
    assert known.started_at == NOON


def test_a_due_time_is_all_that_changes() -> None:
    assert with_due(RAN, LATER) == replace(RAN, due_at=LATER)


@pytest.mark.parametrize(
    ("known", "told", "kept"),
    [
        (None, None, None),
        (None, NOON, NOON),
        (NOON, None, NOON),
        (NOON, NOON - SECOND, NOON),
        (NOON, NOON + SECOND, NOON + SECOND),
    ],
)
def test_life_only_moves_forward(
    known: datetime | None, told: datetime | None, kept: datetime | None
) -> None:
    worker = a_worker(last_activity=known, last_interaction=known)
    assert with_life(worker, told, told) == replace(worker, last_activity=kept, last_interaction=kept)
