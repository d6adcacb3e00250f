"""What is wrong between EC2 and the records: each limit just before, at and after it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lifecycle_app.model.reconciliation import (
    SETTLES_IN,
    Ambiguous,
    Finding,
    Missed,
    Orphan,
    Outdated,
    Stuck,
    Undescribed,
    findings,
    without_server,
)
from lifecycle_app.model.transitions import START_TAKES, STOP_TAKES
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import ALICE, BOB, HOUR, NOON, SECOND, a_worker, an_instance

P, R, G, S, T = State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED, State.TERMINATED


def about(worker: Worker, state: State | None) -> list[Finding]:
    """What is found about a worker whose instance is in this state; None: EC2 does not describe it."""
    instances = [] if state is None else [an_instance(state=state)]
    return list(findings([worker], instances, NOON))


def since(age: timedelta, state: State) -> Worker:
    """A worker that has been in this state for so long."""
    return a_worker(state=state, state_at=NOON - age, started_at=None)


@pytest.mark.parametrize(
    ("worker", "state", "found"),
    [
        (since(SETTLES_IN - SECOND, R), S, None),
        (since(SETTLES_IN, R), S, Missed),
        (since(SETTLES_IN - SECOND, R), None, None),
        (since(SETTLES_IN, R), None, Undescribed),
        (since(SETTLES_IN, T), None, None),
        (since(HOUR, R), R, None),
        (since(START_TAKES, P), P, None),
        (since(START_TAKES + SECOND, P), P, Stuck),
        (since(HOUR, S), S, None),
        (replace(since(HOUR, G), claimed_until=NOON + SECOND), R, None),
        (replace(since(HOUR, G), claimed_until=NOON + SECOND), T, Missed),
        (replace(since(SETTLES_IN - SECOND, G), claimed_until=NOON + SECOND), T, None),
        (replace(since(HOUR, G), claimed_until=NOON), R, None),
        (replace(since(HOUR, G), claimed_until=NOON), G, Missed),
        (replace(since(HOUR, G), claimed_until=NOON), S, Missed),
        (replace(since(HOUR, R), address="10.9.9.9"), R, Outdated),
    ],
)
def test_what_is_wrong_with_a_record_is_found_in_time(
    worker: Worker, state: State | None, found: type[Finding] | None
) -> None:
    kinds = [type(finding) for finding in about(worker, state)]
    assert kinds == ([found] if found else [])


def test_a_finding_names_its_record_and_instance() -> None:
    old = replace(since(HOUR, R), address="10.9.9.9")
    assert about(old, R) == [Outdated(old, an_instance())]
    assert about(old, S) == [Missed(old, an_instance(state=S))]
    assert about(old, None) == [Undescribed(old)]


@pytest.mark.parametrize(
    ("worker", "must_end"),
    [
        (since(STOP_TAKES, G), None),
        (since(STOP_TAKES + SECOND, G), False),
        (since(2 * STOP_TAKES, G), False),
        (since(2 * STOP_TAKES + SECOND, G), True),
        (since(100 * START_TAKES, P), False),
    ],
)
def test_only_a_stop_is_ever_forced(worker: Worker, must_end: bool | None) -> None:
    assert about(worker, worker.state) == ([] if must_end is None else [Stuck(worker, must_end)])


@pytest.mark.parametrize(
    ("recorded", "instances", "found"),
    [
        ([], [("bob", "i-1", R)], [Orphan]),
        ([], [("bob", "i-1", T)], []),
        ([], [("bob", "i-1", R), ("bob", "i-2", S)], [Ambiguous]),
        ([], [("bob", "i-1", R), ("bob", "i-2", T)], [Orphan]),
        ([], [("bob", "i-1", R), ("carol", "i-2", R)], [Orphan, Orphan]),
        (["bob"], [("bob", BOB, R), ("bob", "i-1", R), ("bob", "i-2", S)], [Orphan, Orphan]),
    ],
)
def test_instances_without_a_record(
    recorded: list[str], instances: list[tuple[str, str, State]], found: list[type[Finding]]
) -> None:
    workers = [a_worker(key=key, instance_id=BOB) for key in recorded]
    there = [an_instance(key=key, instance_id=one, state=state) for key, one, state in instances]
    seen = list(findings(workers, there, NOON))
    assert [type(one) for one in seen] == found
    unknown = tuple(one for one in there if one.instance_id != BOB and one.state is not T)
    told = [i for one in seen for i in (one.instances if isinstance(one, Ambiguous) else (one.instance,))]  # type: ignore[union-attr]
    assert tuple(told) == unknown


@pytest.mark.parametrize(
    ("age", "state", "servers", "found"),
    [
        (SETTLES_IN, R, set(), False),
        (SETTLES_IN + SECOND, R, set(), True),
        (HOUR, R, {"alice"}, False),
        (HOUR, G, set(), False),
        (HOUR, R, {"bob"}, True),
    ],
)
def test_a_worker_without_a_server_runs_for_some_time(
    age: timedelta, state: State, servers: set[str], found: bool
) -> None:
    worker = since(age, state)
    assert without_server([worker], servers, NOON) == ([worker] if found else [])
    assert worker.instance_id == ALICE
