"""What a run costs."""

import pytest

from lifecycle_app.model.history import cost


@pytest.mark.parametrize(
    ("kind", "seconds", "dollars"),
    [
        ("t3.medium", 3600, 0.0416),
        ("t3.medium", 60, 0.000693),
        ("t3.medium", 59, 0.000693),
        ("t3.medium", 0, 0.000693),
        ("t3.medium", 61, 0.000705),
        ("p5.48xlarge", 3600, None),
        ("", 3600, None),
    ],
)
def test_a_run_is_billed_by_the_second_from_a_minute_on(
    kind: str, seconds: int, dollars: float | None
) -> None:
    assert cost(kind, seconds) == dollars
