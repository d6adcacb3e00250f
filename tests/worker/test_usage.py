"""What a page shows of the machine's use."""

from datetime import UTC, datetime

import pytest

from bootstrap.worker.facts import HomeSpace, Observation
from bootstrap.worker.usage import usage, usage_now
from lifecycle_app.contract import Level

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
GIB = 1 << 30


def seen(cpu_percent: float = 0.0, home: HomeSpace | None = None) -> Observation:
    return Observation(
        at=NOW,
        level=Level.QUIET,
        last_interaction=None,
        last_work=None,
        busy_kernels=0,
        busy_terminals=0,
        cpu_percent=cpu_percent,
        details=(),
        home=home,
    )


@pytest.mark.parametrize(
    ("percent_of_a_core", "cores", "share"),
    [(0, 4, 0), (100, 4, 0.25), (400, 4, 1), (430, 4, 1), (50, 1, 0.5)],
)
def test_cpu_is_a_share_of_all_cores(percent_of_a_core: float, cores: int, share: float) -> None:
    assert usage(seen(percent_of_a_core), cores, 8 * GIB, 6 * GIB)["cpu"] == share


def test_memory_and_disk_are_bytes_of_what_the_machine_has() -> None:
    found = usage(seen(home=HomeSpace(size=2.0, free=0.5)), 2, 8 * GIB, 6 * GIB)
    assert found["memory"] == {"used": 2 * GIB, "total": 8 * GIB}
    assert found["home"] == {"used": 1.5 * GIB, "total": 2 * GIB}


def test_a_home_that_cannot_be_asked_has_no_figures() -> None:
    assert usage(seen(), 2, 8 * GIB, 9 * GIB) | {"cpu": 0} == {
        "cpu": 0,
        "cores": 2,
        "memory": {"used": 0, "total": 8 * GIB},
        "home": None,
    }


def test_this_machine_has_memory_and_cores() -> None:
    found = usage_now(seen())
    assert found["cores"] >= 1
    assert 0 < found["memory"]["used"] < found["memory"]["total"]
