"""Days of a small class: 20 hours in which everything fails now and then, and four in which nothing does.

`CLOUDJHUB_DAYS=1000 pytest -n 2 tests/simulation/test_days.py` runs so many; a day's number is its seed.
"""

import os
from datetime import timedelta

import pytest

from tests.simulation.people import Person
from tests.simulation.world import World

DAYS = int(os.environ.get("CLOUDJHUB_DAYS", "2"))
FAULTS = 0.05
SWEEPS = timedelta(minutes=10)


def a_class(seed: object, root_kept: timedelta | None = None) -> World:
    """Three people who come and go."""
    world = World(seed, root_kept=root_kept)
    for name in ("alice", "bob", "carol"):
        world.loop.call_soon(_live, world, name)
    return world


def _live(world: World, name: str) -> None:
    world.loop.create_task(Person(world, name).live())


@pytest.mark.parametrize("day", range(DAYS))
def test_a_day_with_faults_harms_no_user_and_leaves_nothing_running(day: int) -> None:
    world = a_class(f"day {day}")
    try:
        with world.failing(FAULTS):
            for _ in range(10):
                world.run(timedelta(hours=2))
                world.kill_hub(timedelta(minutes=world.random.choice((0, 5, 90))))
        world.run(timedelta(hours=1) + SWEEPS)
        for _ in range(16):
            world.run(SWEEPS)
            world.audit.in_time()
        world.audit.at_rest()
        assert not world.audit.violations, "\n".join(map(str, world.audit.violations))
    finally:
        world.close()


@pytest.mark.parametrize("day", range(DAYS))
def test_days_on_which_stopped_machines_are_removed_lose_no_home_and_give_no_user_two_machines(
    day: int,
) -> None:
    """Kept for an hour, so that many logins find the machine gone, or about to go."""
    world = a_class(f"removal {day}", timedelta(hours=1))
    try:
        with world.failing(FAULTS):
            for _ in range(10):
                world.run(timedelta(hours=2))
                world.kill_hub(timedelta(minutes=world.random.choice((0, 5, 90))))
        world.run(timedelta(hours=5))
        world.audit.at_rest()
        assert not world.audit.violations, "\n".join(map(str, world.audit.violations))
        assert world.audit.removed
    finally:
        world.close()


def test_a_quiet_day_stops_each_idle_worker_soon_after_its_timeout() -> None:
    """Never before it, and by the alarm: not only by the next sweep."""
    world = a_class("a quiet day")
    try:
        world.run(timedelta(days=2))
        late = sorted(world.audit.late)
        assert not world.audit.violations, "\n".join(map(str, world.audit.violations))
        assert len(late) >= 10
        assert late[0] >= timedelta(0)
        assert late[-1] <= SWEEPS
        assert late[int(len(late) * 0.95)] <= timedelta(seconds=150)
    finally:
        world.close()
