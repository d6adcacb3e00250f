"""`down` where something foreign is in the network: it is named, all else is removed, and the next `down` completes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster import building, holders
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place
from bootstrap.cluster.steps.step import StackStep
from bootstrap.errors import Held, StepFailed
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt

pytestmark = pytest.mark.filterwarnings(MOTO_WARNS)
FAILED = "the stack was not removed: the subnet has dependencies and cannot be deleted"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with unbuilt(tmp_path_factory.mktemp("site")) as found:
        build_half(found)
        yield found


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation, when something is in what it is to delete."""

    def remove(*_: Any) -> None:
        raise StepFailed(FAILED)

    monkeypatch.setattr(stacks, "remove", remove)


@pytest.fixture(scope="module")
def foreign(site: Site) -> dict[str, str]:
    """GuardDuty's endpoint, and an interface in the workers' security group with a group of its own."""
    ec2 = site.aws.client("ec2")
    network, place = site.network(), site.place()
    group = ec2.create_security_group(GroupName="theirs", Description="d", VpcId=network.vpc)["GroupId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=network.vpc, ServiceName="com.amazonaws.us-east-1.guardduty-data", VpcEndpointType="Interface"
    )["VpcEndpoint"]["VpcEndpointId"]
    interface = ec2.create_network_interface(
        SubnetId=network.worker_subnets[0],
        Description="EFS mount target",
        Groups=[place["WorkerGroup"], group],
    )["NetworkInterface"]["NetworkInterfaceId"]
    return {"group": group, "endpoint": str(endpoint), "interface": str(interface)}


def test_a_network_of_ours_has_nothing_foreign_in_it(tmp_path: Path) -> None:
    with unbuilt(tmp_path) as site:
        build_half(site)
        ec2 = site.aws.client("ec2")
        # moto gives a stack's interface no tags.
        interfaces = [
            one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ]
        ec2.create_tags(Resources=interfaces, Tags=[{"Key": "cloudjhub:cluster", "Value": "spring"}])
        assert holders.in_vpc(site.aws, site.network().vpc) == []
        assert Place().holders(site) == []


@pytest.mark.usefixtures("fails")
def test_what_holds_the_network_is_named(site: Site, foreign: dict[str, str]) -> None:
    with pytest.raises(Held) as held:
        StackStep.remove(NetworkStep(), site, print)
    said = str(held.value)
    assert said.startswith(f"the stack {names.network_stack('spring')} is held by")
    assert f"the endpoint {foreign['endpoint']} of com.amazonaws.us-east-1.guardduty-data" in said
    assert f"the network interface {foreign['interface']} (EFS mount target)" in said
    assert f"the security group {foreign['group']} (theirs)" in said
    assert FAILED in said
    assert "cloudjhub down" in said
    assert held.value.exit_code == 5


@pytest.mark.usefixtures("fails")
def test_of_a_vpc_only_what_uses_our_groups_is_named(site: Site, foreign: dict[str, str]) -> None:
    """It may be the institution's, with a thousand other things in it."""
    with pytest.raises(Held) as held:
        Place().remove(site, print)
    assert f"the network interface {foreign['interface']}" in str(held.value)
    assert foreign["endpoint"] not in str(held.value)
    assert foreign["group"] not in str(held.value)


@pytest.mark.usefixtures("fails")
def test_a_failure_without_a_holder_stays_what_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "physical_ids", lambda *_: [])
    with pytest.raises(StepFailed, match="has dependencies") as failed:
        Place().remove(site, print)
    assert not isinstance(failed.value, Held)


class Part:
    """A step that is removed, unless it is held."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_held = False
        self.is_there = True

    def remove(self, site: Site, report: Report) -> None:
        if self.is_held:
            raise Held(f"{self.name} is held")
        self.is_there = False


class Reports:
    def report_for(self, step: str) -> Report:
        return print

    def done(self, step: str) -> None: ...

    def failed(self, step: str, error: BaseException) -> None: ...

    def interrupt(self) -> None: ...


def test_all_else_is_removed_and_the_next_time_the_rest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    data, network, place, manager = (Part(name) for name in ("data", "network", "place", "manager"))
    monkeypatch.setattr(building, "WAVES", ((network, data), (place,), (manager,)))
    place.is_held = network.is_held = True
    with pytest.raises(Held, match="place is held"):
        building.remove(site, Reports())
    assert [one.name for one in (data, network, place, manager) if one.is_there] == ["network", "place"]
    place.is_held = network.is_held = False
    building.remove(site, Reports())
    assert not network.is_there
    assert not place.is_there
