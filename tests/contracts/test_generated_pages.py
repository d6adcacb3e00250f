"""What the generated pages of the reference say in words of their own is there for all that the code has."""

from docs.site.monitoring import REPORTED
from lifecycle_app.contract import METRIC_UNITS


def test_each_metric_of_a_machine_is_explained() -> None:
    """In `REPORTED` of docs/site/monitoring.py: a new metric gets a line there."""
    assert set(REPORTED) == set(METRIC_UNITS)
