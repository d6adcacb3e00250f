"""A class of thirty logs in through the real hub and proxy: counted is what it costs, never how long it takes.

`make storm` begins with it. Not in `make test`: how many starts go together depends on how fast logins come through,
which other tests on the same cores decide; tests/hub/test_launcher.py counts them in virtual time.
"""

import os

import pytest

from benchmarks.storm.figures import Figures, measure
from benchmarks.storm.settings import Storm

pytestmark = pytest.mark.skipif("STORM" not in os.environ, reason="`make storm` runs it")


def storm(users: int, within: float, *, first: bool = False) -> Figures:
    """The figures; on separate addresses, since others measure storms too."""
    found = measure(
        Storm(
            users=users,
            within=within,
            first=first,
            boot=(0.2, 0.5),
            server=(0.05, 0.1),
            network="127.196",
            workers="127.197",
        )
    )
    assert found.failed == 0, found.problems
    assert found.duplicates == 0
    assert len(found.overheads) == users, "each user has a JupyterLab"
    return found


@pytest.fixture(scope="module")
def thirty() -> Figures:
    return storm(30, 3.0)


def test_thirty_stopped_machines_are_started_by_a_call_of_each_second_or_two(thirty: Figures) -> None:
    """Five calls may go at once, and then 0.7 a second: at least a call for each, if nothing were joined, is 30."""
    assert thirty.calls["ec2:StartInstances"] <= 5 + 0.7 * thirty.latest + 1
    assert thirty.calls["ec2:StartInstances"] < 10
    assert thirty.calls["ec2:RunInstances"] == 0
    assert thirty.machines == 30


def test_aws_is_not_polled_while_machines_start(thirty: Figures) -> None:
    """The hub describes nothing; it reads each record once and all together every five seconds."""
    ten = storm(10, 1.0)
    for found in (ten, thirty):
        assert found.calls["ec2:DescribeInstances"] == 0
        assert found.calls["dynamodb:GetItem"] == found.storm.users
        assert found.calls["dynamodb:Query"] <= found.latest / 5 + 2
    assert thirty.calls["ec2:StartInstances"] < 3 * ten.calls["ec2:StartInstances"]


def test_first_logins_wait_in_a_queue_and_see_their_place_go_down_to_the_front() -> None:
    """EC2 launches two a second after the first five."""
    found = storm(12, 2.0, first=True)
    assert found.machines == 12
    assert found.calls["ec2:RunInstances"] - found.calls["ec2:RunInstances refused"] == 12
    waited = [places for places in found.places if places]
    assert waited, "some users had to wait"
    for places in waited:
        assert places == list(range(places[0], 0, -1)), "each step to the front is shown, and no other"
    assert max(len(places) for places in waited) > 1
