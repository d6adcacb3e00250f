"""DynamoDB fails at each call of each use case, before or after its effect: no machine is stopped wrongly,
and the passes that follow bring all to where it would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.contract import Level
from lifecycle_app.errors import LifecycleError
from lifecycle_app.model.events import IdleAlarm, StateChange, StopRequest
from lifecycle_app.model.transitions import LEASE
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import (
    Service,
    idle_alarm,
    reconcile,
    record_activity,
    record_state,
    stop_requested,
    sweep,
)
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, a_worker, an_instance, reports
from tests.lifecycle.fakes import YES, World
from tests.lifecycle.faulty_store import FAULTS, Fault, FaultyStore

RETRIES = (0, 1, 3)
"""The platform brings an event that failed again, after so many minutes."""
SWEEP_EVERY, RECONCILE_EVERY = 5, 15
LASTS = 50
NO = DrainAnswer(False, "its user uses it")

Act = Callable[[Service, datetime], object]


@dataclass(frozen=True, slots=True)
class Case:
    """A use case: the record there is, what EC2 says, and how much the worker lives, before it and after it."""

    act: Act
    worker: Worker | None = a_worker(last_interaction=NOON - HOUR, last_activity=NOON - HOUR)  # noqa: RUF009
    state: State = State.RUNNING
    launched_at: datetime = NOON - 2 * HOUR
    lives: Level = Level.QUIET
    is_refused: bool = False
    """Does the hub refuse, though the worker reports nothing?"""
    users: tuple[HubUser, ...] = ()


def changed(state: State) -> Act:
    event = StateChange(ALICE, state, NOON - MINUTE)
    return lambda service, now: record_state(service, event, now)


def swept(service: Service, _: datetime) -> object:
    return sweep(service, lambda: True)


def reconciled(service: Service, now: datetime) -> object:
    return reconcile(service, now, lambda: True)


RINGS = IdleAlarm(ALICE, NOON, True)
PRESSED = StopRequest("alice", ALICE, NOON, "alice")
IDLE = a_worker(last_interaction=NOON - HOUR, last_activity=NOON - HOUR)
STUCK = a_worker(state=State.STOPPING, state_at=NOON - 25 * MINUTE, stop_reason="idle", due_at=NOON)
ABANDONED = replace(IDLE, state=State.STOPPING, claimed_until=NOON, due_at=NOON, stop_reason="idle")
UNDUE = replace(IDLE, due_at=None)
ONLY_BOB = HubUser("bob", ("students",), frozenset({"bob"}))
CASES = {
    "sweep stops": Case(swept),
    "sweep keeps": Case(swept, lives=Level.WORK),
    "sweep is refused": Case(swept, is_refused=True),
    "sweep sees a person": Case(swept, lives=Level.INTERACTION),
    "sweep takes up an abandoned claim": Case(swept, ABANDONED),
    "alarm stops": Case(lambda service, now: idle_alarm(service, RINGS, now)),
    "alarm is refused": Case(lambda service, now: idle_alarm(service, RINGS, now), is_refused=True),
    "stop is asked for": Case(lambda service, now: stop_requested(service, PRESSED, now)),
    "activity is recorded": Case(record_activity, lives=Level.INTERACTION),
    "start is recorded": Case(
        changed(State.RUNNING), a_worker(state=State.PENDING, state_at=NOON - 5 * MINUTE)
    ),
    "new one is recorded": Case(changed(State.RUNNING), None, launched_at=NOON - 2 * MINUTE),
    "stop is recorded": Case(changed(State.STOPPED), state=State.STOPPED),
    "stop was missed": Case(reconciled, state=State.STOPPED),
    "orphan": Case(reconciled, None),
    "stuck": Case(reconciled, STUCK, State.STOPPING),
    "no sweep looks at it": Case(reconciled, UNDUE),
    "hub has no server on it": Case(reconciled, users=(ONLY_BOB,)),
}


def built(case: Case) -> World:
    world = World()
    world.store = FaultyStore()  # type: ignore[assignment]  # the same calls, with failures
    if case.worker:
        stored(world).inner.put(case.worker, NOON - HOUR)
    world.cloud.add(an_instance(state=case.state, launched_at=case.launched_at))
    world.hub.users = list(case.users)
    lives(world, case)
    return world


def stored(world: World) -> FaultyStore:
    store: Any = world.store
    assert isinstance(store, FaultyStore)
    return store


def lives(world: World, case: Case) -> None:
    """What the worker has reported until now, and what the hub says of it."""
    level = case.lives
    past = reports(Level.QUIET, world.now - 2 * HOUR, world.now - 2 * MINUTE)
    world.metrics.reports[ALICE] = past + reports(level, world.now - 2 * MINUTE, world.now)
    world.hub.answers = lambda _, __: NO if case.is_refused or level is Level.INTERACTION else YES


def acted(world: World, case: Case) -> bool:
    """Does what the case is about; False if that failed, so that the platform tries again."""
    try:
        case.act(world.service, world.now)
    except LifecycleError:
        return False
    return True


def runs(world: World, case: Case) -> None:
    """Fifty minutes of scheduled passes and no event; the platform repeats what failed."""
    done = False
    for minute in range(LASTS):
        lives(world, case)
        if not done and minute in RETRIES:
            done = acted(world, case)
        stored(world).fails = {}
        if minute == 0:
            continue
        passed(world, minute)
        if world.cloud.instances[ALICE].state is State.STOPPING:
            world.cloud.set_state(ALICE, State.STOPPED)
        world.now += MINUTE


def passed(world: World, minute: int) -> None:
    record_activity(world.service, world.now)
    if minute % SWEEP_EVERY == 0:
        sweep(world.service, lambda: True)
    if minute % RECONCILE_EVERY == 0:
        reconcile(world.service, world.now, lambda: True)


def outcome(world: World) -> dict[str, object]:
    """What counts in the end."""
    worker = stored(world).inner.workers["alice"]
    return {
        "state": worker.state,
        "is claimed": worker.claimed_until is not None,
        "is watched": worker.due_at is not None,
        "instance": worker.instance_id,
        "EC2": world.cloud.instances[ALICE].state,
        "alarms": set(world.metrics.alarms),
    }


@cache
def unharmed(name: str) -> dict[str, object]:
    """The outcome of a case in which nothing fails."""
    world = built(CASES[name])
    runs(world, CASES[name])
    return outcome(world)


def failures() -> Iterator[tuple[str, int, Fault]]:
    """Each call of each case, counted without a failure, with each way in which it may fail."""
    for name, case in CASES.items():
        world = built(case)
        assert acted(world, case), name
        for number, call in enumerate(stored(world).called):
            for fault in FAULTS[call]:
                yield name, number, fault


FAILURES = list(failures())
IDS = [f"{name}, call {number}: {fault}" for name, number, fault in FAILURES]


@pytest.mark.parametrize(("name", "number", "fault"), FAILURES, ids=IDS)
def test_passes_bring_right_what_a_failure_left(name: str, number: int, fault: Fault) -> None:
    """Whoever is idle is stopped anyway, and who is not is not."""
    case = CASES[name]
    harmed = built(case)
    stored(harmed).fails = {number: fault}
    runs(harmed, case)
    assert outcome(harmed) == unharmed(name)
    if case.is_refused or case.lives is not Level.QUIET:
        assert harmed.cloud.stops == []


@pytest.mark.parametrize(("name", "number", "fault"), FAILURES, ids=IDS)
def test_who_comes_back_after_a_failure_is_not_stopped(name: str, number: int, fault: Fault) -> None:
    """A claim that no function remembers ends with its lease, and the machine is the user's again."""
    case = CASES[name]
    world = built(case)
    stored(world).fails = {number: fault}
    acted(world, case)
    stored(world).fails = {}
    stops = len(world.cloud.stops)
    was_stopped = world.cloud.instances[ALICE].state is not State.RUNNING
    if was_stopped:  # and the user's login starts it again
        world.cloud.add(an_instance(launched_at=NOON))
    freed_at = None
    for minute in range(1, LASTS):
        world.now += MINUTE
        lives(world, replace(case, lives=Level.INTERACTION))
        passed(world, minute)
        worker = stored(world).inner.workers.get("alice")
        if worker and worker.state is State.RUNNING:
            freed_at = freed_at or world.now
    assert len(world.cloud.stops) == stops
    assert worker is not None
    assert (worker.state, worker.claimed_until) == (State.RUNNING, None)
    assert freed_at is not None
    assert freed_at - NOON <= LEASE + 2 * RECONCILE_EVERY * MINUTE


PASSES: dict[str, tuple[Act, Level, datetime | None]] = {
    "sweep": (swept, Level.QUIET, NOON),
    "activity": (record_activity, Level.INTERACTION, NOON),
    "reconcile": (reconciled, Level.QUIET, None),
}
"""With how much the workers live, and when they are due."""


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("call", ["get", "put"])
def test_a_record_that_turns_bad_keeps_a_pass_from_no_other(name: str, call: str) -> None:
    """The first of three does; the other two are seen to."""
    act, level, due_at = PASSES[name]
    world = World()
    world.store = store = FaultyStore()  # type: ignore[assignment]  # the same calls, with failures
    for user in ("alice", "bob", "carol"):
        worker = replace(IDLE, key=user, instance_id=f"i-{user}", due_at=due_at)
        store.inner.put(worker, NOON - HOUR)
        world.cloud.add(an_instance(key=user, instance_id=worker.instance_id))
        world.metrics.reports[worker.instance_id] = reports(level, NOON - 2 * HOUR, NOON)
    store.turns_bad = ("alice", call)
    act(world.service, NOON)
    written = {user for user, worker in store.inner.workers.items() if worker.version > 1}
    assert written - {"alice"} == {"bob", "carol"}
