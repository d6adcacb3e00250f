"""Events a thousand times, in every order and late: the record is right after one pass, no machine stopped twice."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest

from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import reconcile
from tests.faults.event_faults import call
from tests.faults.scene import Scene, always, scene
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND
from tests.lifecycle.payloads import payload

ERIN = "i-0e41"
LIFE = ("pending", "running", "stopping", "stopped")
FIRST = NOON - 30 * MINUTE


def state_event(state: str, at: datetime, instance_id: str = ERIN) -> dict[str, Any]:
    detail = {"instance-id": instance_id, "state": state}
    return payload("ec2-running", **detail) | {"time": at.isoformat()}


def life_of_erin() -> list[dict[str, Any]]:
    return [state_event(state, FIRST + n * 5 * MINUTE) for n, state in enumerate(LIFE)]


def told_in_order(events: list[dict[str, Any]]) -> Worker:
    """Erin's record after events in this order, and one pass."""
    with scene() as one:
        one.wire.add(ERIN, "erin", "stopped", LaunchTime=FIRST)
        for event in events:
            call(one, "record_state", event)
        one.now = NOON + MINUTE
        reconcile(one.service, one.now, always)
        assert one.wire.stops == []
        return one.store.workers["erin"]


def outcome(worker: Worker) -> tuple[object, ...]:
    return worker.instance_id, worker.state, worker.started_at, worker.due_at, worker.claimed_until


EXPECTED = (ERIN, State.STOPPED, None, None, None)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_ends_in_the_same_state(order: tuple[int, ...]) -> None:
    events = life_of_erin()
    assert outcome(told_in_order([events[n] for n in order])) == EXPECTED


@pytest.mark.parametrize("seed", range(10))
def test_doubled_dropped_and_shuffled_events_end_in_the_same_state(seed: int) -> None:
    random = Random(seed)  # noqa: S311 -- no secret
    events = [one for one in life_of_erin() * 2 if random.random() > 0.3]
    random.shuffle(events)
    assert outcome(told_in_order(events)) == EXPECTED, f"seed {seed}"


def test_events_of_last_week_change_nothing() -> None:
    with scene() as one:
        before = dict(one.store.workers)
        for state in ("stopped", "terminated", "running"):
            call(one, "record_state", state_event(state, NOON - timedelta(days=6), ALICE))
        assert one.store.workers == before


@pytest.mark.parametrize(
    ("name", "event"),
    [("idle_alarm", payload("idle-alarm")), ("stop_requested", payload("stop-requested"))],
)
def test_a_thousand_doubles_stop_once(name: str, event: dict[str, Any]) -> None:
    with scene() as one:
        one.now = NOON + MINUTE
        said = [str(call(one, name, event)) for _ in range(1000)]
        assert (said[0], set(said[1:])) == ("stopped", {"not-running"})
        assert one.wire.stops == [ALICE]


def test_a_thousand_doubles_of_a_start_make_one_record() -> None:
    with scene() as one:
        one.wire.add(ERIN, "erin", "running", LaunchTime=FIRST)
        event = state_event("running", FIRST)
        said = {str(call(one, "record_state", event)) for _ in range(1000)}
        assert said == {"known"}
        assert one.store.workers["erin"].version == 1


def request_at(at: datetime) -> dict[str, Any]:
    event = payload("stop-requested", requested_at=at.timestamp())
    return event | {"time": at.isoformat()}


@pytest.mark.parametrize(
    ("age", "seen", "stopped"),
    [
        (SECOND, None, True),
        (5 * MINUTE - SECOND, None, True),
        (5 * MINUTE, None, False),
        (HOUR, None, False),
        (MINUTE, NOON - MINUTE, True),
        (MINUTE, NOON - 59 * SECOND, False),
    ],
)
def test_with_the_hub_down_an_old_request_stops_no_user_who_may_be_back(
    age: timedelta, seen: datetime | None, stopped: bool
) -> None:
    """Her reports have a hole: she may have come back to the machine that she wanted stopped."""
    with scene(api="http://127.0.0.1:9/hub/api") as one:
        kept_up(one, seen)
        said = call(one, "stop_requested", request_at(NOON - age))
        assert (said, one.wire.stops) == (("stopped", [ALICE]) if stopped else ("hub-down", []))


def kept_up(one: Scene, seen: datetime | None) -> None:
    worker = one.store.workers["alice"]
    one.store.put(replace(worker, last_interaction=seen, last_activity=seen), NOON)


def test_the_orders_are_of_one_worker_only() -> None:
    with scene() as one:
        call(one, "record_state", state_event("stopping", NOON - MINUTE, BOB))
        assert one.store.workers["alice"].state is State.RUNNING
        assert one.store.workers["bob"].state is State.STOPPING
