"""How often a schedule comes in an hour."""

import pytest

from benchmarks.bench.counting import per_hour


@pytest.mark.parametrize(
    ("schedule", "count"), [("rate(1 minute)", 60), ("rate(5 minutes)", 12), ("rate(2 hours)", 0.5)]
)
def test_per_hour(schedule: str, count: float) -> None:
    assert per_hour(schedule) == count


def test_other_expressions_are_refused() -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        per_hour("cron(0 12 * * ? *)")
