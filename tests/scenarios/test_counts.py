"""What a login costs in calls, what running servers cost while nothing happens, and what the Lambda package weighs.

Counts and growth, never seconds: those are `make bench`'s.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench import counting, package
from benchmarks.bench.counting import HUB
from benchmarks.bench.logins import calls_of, start_all
from benchmarks.bench.visitor import Visitor, visitor
from tests.scenarios.cloud import LocalCloud

pytestmark = pytest.mark.cloud

CLASS_SIZE = 5
READINGS = 6
# The hub's reading interval in the local cloud, in seconds.
READ_INTERVAL = 1.0
# A cold start's import, in units of botocore.session's: it was 2.0 without byte code.
DEAREST_IMPORT = 1.7


@pytest.fixture(scope="module")
def visitors(cloud: LocalCloud) -> list[Visitor]:
    """Five users, whose servers are running."""
    everyone = [visitor(cloud, f"counted{number}") for number in range(CLASS_SIZE)]
    for who in everyone:
        cloud.keep(who.name)
    start_all(everyone)
    return everyone


def stop(cloud: LocalCloud, visitors: list[Visitor]) -> None:
    for who in visitors:
        who.stop()
    for who in visitors:
        cloud.await_state(who.name, "stopped")


def test_a_first_login_changes_one_thing_in_ec2(cloud: LocalCloud, visitors: list[Visitor]) -> None:
    """It looks once for a machine and for a home disk without a record. How many servers run makes no difference."""
    made = counting.made_by(calls_of(cloud, visitor(cloud, "newcomer").start), HUB)
    assert made == {
        "dynamodb:GetItem": 1,
        "ec2:DescribeInstances": 1,
        "ec2:DescribeVolumes": 1,
        "ec2:RunInstances": 1,
    }


def test_a_later_login_is_one_call_to_ec2(cloud: LocalCloud, visitors: list[Visitor]) -> None:
    stop(cloud, visitors[:1])
    made = counting.made_by(calls_of(cloud, visitors[0].start), HUB)
    assert made == {"dynamodb:GetItem": 1, "ec2:StartInstances": 1}


def test_logins_that_coincide_share_a_call(cloud: LocalCloud, visitors: list[Visitor]) -> None:
    stop(cloud, visitors)
    newest = newest_of(cloud.calls("StartInstances"))
    made = counting.made_by(calls_of(cloud, lambda: start_all(visitors)), HUB, "ec2:")
    calls = later(cloud.calls("StartInstances"), newest)
    started = Counter(instance for call in calls for instance in call["instances"])
    assert set(made) == {"ec2:StartInstances"}, "and EC2 is not asked how it goes"
    assert made["ec2:StartInstances"] < CLASS_SIZE
    assert started == dict.fromkeys((cloud.recorded(who.name)["instance"] for who in visitors), 1)


def test_running_servers_cost_the_hub_no_call(cloud: LocalCloud, visitors: list[Visitor]) -> None:
    """One reading of the records serves all servers: not more of them than one reader can make, and no other call."""
    before, newest = counting.seen(cloud), newest_of(readings(cloud))
    cloud.await_true(
        "the records are read some times", lambda: len(later(readings(cloud), newest)) > READINGS
    )
    made = counting.seen(cloud)
    made.subtract(before)
    moments = [call["at"] for call in later(readings(cloud), newest)]
    assert len(moments) - 1 <= (moments[-1] - moments[0]) / READ_INTERVAL + 1
    assert counting.made_by(made, HUB, "ec2:") == {}


def test_the_package_holds_nothing_that_lambda_brings(cloud: LocalCloud) -> None:
    """The zip that was deployed."""
    zipped = deployed(cloud)
    assert package.foreign(package.sizes(zipped)) == set()
    assert zipped.stat().st_size < package.LARGEST


def test_a_cold_start_imports_no_more_than_it_needs(cloud: LocalCloud, tmp_path: Path) -> None:
    """Of the zip that was deployed, on Lambda's packages."""
    unpacked = package.unpack(deployed(cloud), tmp_path / "unpacked")
    assert package.compiled(unpacked) == ["idna", "urllib3"], "all else comes with its byte code"
    assert package.imports_by_processor(unpacked, 5) < DEAREST_IMPORT


def readings(cloud: LocalCloud) -> list[dict[str, Any]]:
    """The calls by which the hub reads the records."""
    return [call for call in cloud.calls("Query") if counting.caller(call["principal"]) == HUB]


def newest_of(calls: list[dict[str, Any]]) -> int:
    """The number of the newest call; only so many calls are kept, so that their count says nothing."""
    return max((call["number"] for call in calls), default=0)


def later(calls: list[dict[str, Any]], than: int) -> list[dict[str, Any]]:
    return [call for call in calls if call["number"] > than]


def deployed(cloud: LocalCloud) -> Path:
    [zipped] = cloud.state_dir.glob(".cloudjhub/*/lifecycle/.chalice/deployments/*.zip")
    return zipped
