"""A world with one worker that has been idle for an hour and is due."""

import pytest

from tests.lifecycle.examples import ALICE, HOUR, NOON, a_worker, an_instance, quiet
from tests.lifecycle.fakes import World


@pytest.fixture
def world() -> World:
    """Alice's worker runs since ten o'clock, has reported nothing all the time, and is due."""
    world = World()
    world.cloud.add(an_instance())
    world.metrics.reports[ALICE] = quiet().reports
    world.store.put(a_worker(last_interaction=NOON - HOUR, last_activity=NOON - HOUR), NOON - HOUR)
    return world
