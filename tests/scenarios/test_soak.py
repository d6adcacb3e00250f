"""A short soak; `make soak` is the long one."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.soak.audit import audit, stops
from benchmarks.soak.report import table
from benchmarks.soak.running import Size, soak
from benchmarks.soak.story import Event
from tests.shared.addresses import free_port

pytestmark = pytest.mark.cloud
SEED = int(os.environ.get("SEED", "1"))
SIZE = Size(
    seed=SEED,
    people=4,
    seconds=120,
    idle_timeout=timedelta(seconds=40),
    hung_after=timedelta(seconds=60),
)


def test_a_short_soak_violates_no_invariant(tmp_path: Path) -> None:
    """Four people, every fault for a twentieth of the time, two blows."""
    story = soak(tmp_path, free_port(), SIZE)
    violations = audit(story)
    told = table(story, violations, SEED)
    print(told)
    assert not violations, told
    assert list(stops(story)), "a machine was stopped"
    assert sum(1 for one in story.seen if one.event is Event.READY) >= SIZE.people
    assert story.faults
