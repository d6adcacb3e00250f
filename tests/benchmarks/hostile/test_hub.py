"""A hub under hostile requests of every kind, as `make hostile` measures it: counts and ratios of one run only."""

from collections.abc import Iterator

import pytest

from benchmarks.hostile.attacks import ANONYMOUS, WORKERS
from benchmarks.hostile.measuring import AT_ONCE, Figures, attacked, scene
from tests.bootstrap.front import MISSING, NGINX

EACH = 6
MOST_STEPS = 50
"""A hostile request's longest step, in those of the ordinary login page, which take about a millisecond."""

pytestmark = pytest.mark.skipif(not NGINX, reason=MISSING)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    with scene(tmp_path_factory.mktemp("hostile")) as there:
        yield attacked(there, EACH * (len(ANONYMOUS) + len(WORKERS)), seed=3)


def test_at_least_thirty_kinds_are_tried(figures: Figures) -> None:
    assert len(ANONYMOUS) + len(WORKERS) >= 30
    assert figures.requests == sum(figures.answers.values())


def test_every_health_check_is_answered(figures: Figures) -> None:
    assert len(figures.health) > 10
    assert figures.unhealthy == 0


def test_no_request_is_answered_by_a_failure(figures: Figures) -> None:
    assert [status for status in figures.answers if status.startswith("5")] == []


def test_no_request_holds_more_than_a_megabyte_of_the_hub(figures: Figures) -> None:
    assert figures.growth < AT_ONCE


def test_no_request_blocks_the_event_loop(figures: Figures) -> None:
    ordinary = figures.longest["login page"]
    assert ordinary > 0
    slow = {kind: took for kind, took in figures.longest.items() if took > MOST_STEPS * ordinary}
    assert slow == {}
