"""What a run costs."""

import pytest

from lifecycle_app.model.history import cost


@pytest.mark.parametrize(
    ("kind", "seconds", "zone", "dollars"),
    [
        ("t3.medium", 3600, "us-east-1a", 0.0416),
        ("t3.medium", 60, "us-east-1f", 0.000693),
        ("t3.medium", 59, "us-east-1a", 0.000693),
        ("t3.medium", 0, "us-east-1a", 0.000693),
        ("t3.medium", 61, "us-east-1a", 0.000705),
        ("p5.48xlarge", 3600, "us-east-1a", None),
        ("", 3600, "us-east-1a", None),
        ("t3.medium", 3600, "eu-west-1a", None),
        ("t3.medium", 3600, "us-east-1-bos-1a", None),
        ("t3.medium", 3600, "", None),
    ],
)
def test_a_run_is_billed_by_the_second_from_a_minute_on(
    kind: str, seconds: int, zone: str, dollars: float | None
) -> None:
    """In other regions, and in local zones, prices differ and are not known."""
    assert cost(kind, seconds, zone) == dollars
