"""The hub and the functions killed at every call that they make: at most one live instance for each worker.

`CLOUDJHUB_SEEDS=500 pytest tests/simulation/test_kills.py` takes so many seeds, each another call to be killed at.
"""

import os
import random
from datetime import timedelta

import pytest

from lifecycle_app.model.policy import Policy
from tests.simulation.functions import Fate
from tests.simulation.people import Person
from tests.simulation.world import World

SEEDS = int(os.environ.get("CLOUDJHUB_SEEDS", "40"))
MINUTE = timedelta(minutes=1)
POLICY = Policy(idle_timeout=10 * MINUTE, start_grace=2 * MINUTE)
MOST_CALLS = 24


def test_killed_at_any_call_there_is_one_instance_after_one_reconcile() -> None:
    """A first login, or one that finds the machine stopped, terminated or being stopped."""
    kinds = set()
    for seed in range(SEEDS):
        chosen = random.Random(seed)  # noqa: S311 -- not a secret
        before = chosen.choice(("nothing", "stopped", "terminated", "stopping"))
        who = chosen.choice(("hub", "functions"))
        kinds.add((before, who))
        world = World(f"kill {seed}", policy=POLICY)
        alice = Person(world, "alice")
        try:
            world.run(timedelta(seconds=2))
            _prepare(world, alice, before)
            _kill(world, who, chosen.randrange(MOST_CALLS))
            for _ in range(4):
                world.loop.create_task(alice.log_in())
                world.run(timedelta(seconds=chosen.choice((5, 40, 90))))
            world.run(16 * MINUTE)
            duplicates = [one for one in world.ec2.alive().values() if len(one) > 1]
            assert not duplicates, f"seed {seed}: {before}, {who} killed: {duplicates}"
            world.loop.create_task(alice.log_in())
            world.run(5 * MINUTE)
            world.audit.at_rest()
            assert not world.audit.violations, f"seed {seed}: {before}, {who}: {world.audit.violations}"
            assert alice.reached(), f"seed {seed}: {before}, {who} killed: alice has no server in the end"
        finally:
            world.close()
    assert len(kinds) == 8 or SEEDS < 40


def _prepare(world: World, alice: Person, before: str) -> None:
    if before == "nothing":
        return
    world.loop.create_task(alice.log_in())
    world.run(3 * MINUTE)
    [machine] = world.ec2.by_id.values()
    if before == "terminated":
        world.ec2.terminate_instances(InstanceIds=[machine.instance_id])
        world.run(3 * MINUTE)
    else:
        world.loop.create_task(alice.press_stop())
        world.run(timedelta(seconds=5) if before == "stopping" else 3 * MINUTE)


def _kill(world: World, who: str, at: int) -> None:
    """Whoever it is dies at its call number `at` from now on, before or after the call has done its work."""
    if who == "hub":
        world.kill_hub_at(at)
        return
    calls = iter(range(at + 1))

    def fate(_: str) -> Fate:
        if next(calls, None) != at:
            return Fate.PASSES
        return world.random.choice((Fate.ENDS_BEFORE, Fate.ENDS_AFTER))

    world.functions.decide_fates_by(fate)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_world(seed: int) -> None:
    """What a failure prints can be repeated."""

    def told() -> list[object]:
        world = World(f"again {seed}", policy=POLICY)
        try:
            alice = Person(world, "alice")
            world.run(timedelta(seconds=2))
            with world.failing(0.2):
                world.loop.create_task(alice.visit(1200))
                world.run(40 * MINUTE)
            return [world.functions.results, sorted(world.ec2.calls.items()), world.store.workers]
        finally:
            world.close()

    assert told() == told()
