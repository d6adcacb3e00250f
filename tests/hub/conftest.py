"""What tests with a real hub share."""

from collections.abc import Iterator

import pytest

from tests.hub.machine import Machine


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Machines that were booted; all are shut down at the end."""
    booted: list[Machine] = []
    yield booted
    for machine in booted:
        machine.close()
