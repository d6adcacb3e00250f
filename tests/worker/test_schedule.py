"""Every CloudWatch period gets exactly one report of each worker."""

from datetime import UTC, datetime, timedelta

import pytest

from bootstrap.worker.reporter import EARLIEST, LATEST, next_report, phase

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [1, 2, 10, 60, 300])
@pytest.mark.parametrize("instance_id", ["i-1", "i-0a1b2c3d4e5f", "i-9"])
def test_reports_fall_once_into_each_period_away_from_its_edges(seconds: int, instance_id: str) -> None:
    period = timedelta(seconds=seconds)
    now = START
    reports = [now := next_report(now, period, instance_id) for _ in range(10)]
    numbers = [report.timestamp() // seconds for report in reports]
    assert numbers == [numbers[0] + n for n in range(10)]
    for report in reports:
        assert EARLIEST - 0.001 <= report.timestamp() % seconds / seconds <= LATEST + 0.001


def test_the_next_report_is_in_the_future_by_at_most_a_period() -> None:
    period = timedelta(seconds=60)
    for second in range(0, 120, 7):
        now = START + timedelta(seconds=second)
        assert now < next_report(now, period, "i-1") <= now + period


def test_workers_spread_over_the_period() -> None:
    assert len({round(phase(f"i-{number}"), 1) for number in range(100)}) >= 5
