"""Many at once: what is wrong among 10,000 is found, and nothing else; 10,000 mangled events end in the same state."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lifecycle_app.adapters.cloudwatch import idle_alarm
from lifecycle_app.adapters.hub_client import HubUser
from lifecycle_app.errors import EventRefused, NotNow
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import plain
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import with_claim
from lifecycle_app.model.worker import Instance, State
from lifecycle_app.use_cases import reconcile, record_state
from tests.lifecycle.examples import HOUR, MINUTE, NOON, SECOND, a_worker, an_instance
from tests.lifecycle.fakes import World

SCALE = 10_000
PASS = 15 * MINUTE
TOLD = (Kind.REPAIR, Kind.REPORT)
CYCLE = (State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED)


def instance_id(number: int) -> str:
    return f"i-{number:017x}"


def well(count: int) -> World:
    """Running workers with which nothing is wrong."""
    world = World()
    fits = idle_alarm(Policy(), MINUTE)
    for number in range(count):
        key, one = f"user{number}", instance_id(number)
        world.store.put(a_worker(key=key, instance_id=one, last_activity=NOON, due_at=NOON + 9 * HOUR), NOON)
        world.cloud.add(an_instance(key=key, instance_id=one))
        world.metrics.alarms[one] = fits
        world.hub.users.append(HubUser(key, (), frozenset({key})))
    return world


def _orphan(world: World, number: int) -> None:
    del world.store.workers[f"user{number}"]


def _missed_stop(world: World, number: int) -> None:
    world.cloud.set_state(instance_id(number), State.STOPPED)


def _missed_start(world: World, number: int) -> None:
    key = f"user{number}"
    stopped = replace(world.store.workers[key], state=State.STOPPED, started_at=None, due_at=None)
    world.store.workers[key] = stopped


def _gone(world: World, number: int) -> None:
    del world.cloud.instances[instance_id(number)]


def _terminated(world: World, number: int) -> None:
    world.cloud.set_state(instance_id(number), State.TERMINATED)


def _twin(world: World, number: int) -> None:
    world.cloud.add(an_instance(key=f"user{number}", instance_id=instance_id(number + 10**6)))


def _abandoned(world: World, number: int) -> None:
    key = f"user{number}"
    world.store.workers[key] = with_claim(world.store.workers[key], "idle", plain("it was idle"), NOON - HOUR)
    world.cloud.set_state(instance_id(number), State.STOPPED)


PLANTED = (_orphan, _missed_stop, _missed_start, _gone, _terminated, _twin, _abandoned)


def test_what_is_wrong_among_many_is_found_within_two_passes_and_nothing_else() -> None:
    world, chosen = well(SCALE), random.Random(SCALE)  # noqa: S311 -- not a secret
    numbers = chosen.sample(range(SCALE), max(len(PLANTED), SCALE // 100))
    for turn, number in enumerate(numbers):
        PLANTED[turn % len(PLANTED)](world, number)
    before = dict(world.store.workers)
    for turn in (1, 2):
        world.now = NOON + turn * PASS
        reconcile(world.service, world.now, lambda: True)
    told = {entry.key for entry in world.store.entries.values() if entry.kind in TOLD}
    assert told == {f"user{number}" for number in numbers}
    changed = {key for key, worker in world.store.workers.items() if worker != before.get(key)}
    assert changed <= told, "no other record is touched"
    for worker in world.store.workers.values():
        machine = world.cloud.instances.get(worker.instance_id)
        assert machine is None or machine.state is worker.state, f"{worker.key} is recorded as it is"
    recorded = {worker.instance_id for worker in world.store.workers.values()}
    unrecorded = {one for one in world.cloud.instances if one not in recorded}
    assert unrecorded == {instance_id(n + 10**6) for t, n in enumerate(numbers) if PLANTED[t % 7] is _twin}


def histories(chosen: random.Random, users: int) -> tuple[list[StateChange], list[Instance]]:
    """What happened to each worker, in order, and how its instance is in the end."""
    told, ends = [], []
    for number in range(users):
        at = NOON - 30 * HOUR + chosen.randrange(3600) * SECOND
        state = State.PENDING
        for step in range(SCALE // users + chosen.randrange(4)):
            state = CYCLE[step % len(CYCLE)]
            told.append(StateChange(instance_id(number), state, at))
            at += chosen.randrange(1, 4000) * SECOND
        ends.append(
            an_instance(
                key=f"user{number}", instance_id=instance_id(number), state=state, launched_at=told[-1].at
            )
        )
    return told, ends


def mangled(told: list[StateChange], chosen: random.Random) -> Iterator[StateChange]:
    """30 % are lost, 30 % come twice, and none where it belongs."""
    copies = [one for one in told for _ in range(chosen.choices((0, 1, 2), (30, 40, 30))[0])]
    chosen.shuffle(copies)
    return iter(copies)


def recorded(
    events: Iterator[StateChange], ends: list[Instance], now: datetime
) -> dict[str, tuple[object, ...]]:
    """What the records say after these events and one pass."""
    world = World(now=now)
    world.cloud.add(*ends)
    for event in events:
        with suppress(EventRefused, NotNow):
            record_state(world.service, event, now)
    reconcile(world.service, now, lambda: True)
    return {
        key: (
            worker.instance_id,
            worker.state,
            worker.address,
            worker.claimed_until,
            worker.started_at is None,
        )
        for key, worker in world.store.workers.items()
    }


@pytest.mark.parametrize("seed", range(2))
def test_lost_doubled_and_shuffled_events_end_in_the_same_state_after_one_pass(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 -- not a secret
    users = max(10, SCALE // 20)
    told, ends = histories(chosen, users)
    now = max(one.at for one in told) + timedelta(hours=1)
    whole = recorded(iter(sorted(told, key=lambda one: one.at)), ends, now)
    assert recorded(mangled(told, chosen), ends, now) == whole
    assert {key: state for key, (_, state, *_) in whole.items()} == {one.key: one.state for one in ends}
