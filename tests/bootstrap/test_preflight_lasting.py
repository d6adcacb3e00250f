"""What cannot move once it is built is refused before anything is changed: the manager's interface, the zones."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bootstrap.aws.site import Site
from bootstrap.preflight import lasting
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt

SUBNET = IPv4Network("10.77.0.0/24")


@pytest.mark.parametrize(
    ("address", "is_usable"),
    [
        ("10.77.0.3", False),
        ("10.77.0.4", True),
        ("10.77.0.254", True),
        ("10.77.0.255", False),
        ("10.77.1.4", False),
    ],
)
def test_an_address_is_one_that_aws_gives_in_the_managers_subnet(address: str, is_usable: bool) -> None:
    found = list(lasting.judge_address(IPv4Address(address), SUBNET, ""))
    assert (found == []) is is_usable
    assert all("from 10.77.0.4 to 10.77.0.254" in problem.line for problem in found)


def test_an_address_in_use_is_refused() -> None:
    [problem] = lasting.judge_address(IPv4Address("10.77.0.20"), SUBNET, "eni-1")
    assert problem.refuses
    assert problem.line.startswith("the address 10.77.0.20 belongs to eni-1")


@pytest.mark.parametrize(
    ("built", "wanted", "fix"),
    [
        ("", "", None),
        ("10.77.0.10", "10.77.0.10", None),
        ("10.77.0.10", "10.77.0.11", "set `manager.private_address: 10.77.0.10`"),
        ("10.77.0.10", "", "set `manager.private_address: 10.77.0.10`"),
        ("", "10.77.0.10", "remove `manager.private_address`"),
    ],
)
def test_the_managers_address_stays(built: str, wanted: str, fix: str | None) -> None:
    """Even the address that it has: CloudFormation would make a second interface for it."""
    lines = [problem.line for problem in lasting.judge_kept(built, wanted, "10.77.0.10")]
    assert [line.rpartition(": ")[2] for line in lines] == ([fix.rpartition(": ")[2]] if fix else [])
    assert all(fix and fix in line for line in lines)


@pytest.mark.parametrize(
    ("wanted", "is_possible"),
    [
        ((), True),
        (("a", "b"), True),
        (("a", "b", "c"), True),
        (("b", "a"), False),
        (("a", "c"), False),
        (("c", "a", "b"), False),
    ],
)
def test_zones_stay_and_others_may_be_added_behind_them(wanted: tuple[str, ...], is_possible: bool) -> None:
    assert (list(lasting.judge_zones("campus", ("a", "b"), wanted)) == []) is is_possible


def test_the_managers_subnet_stays() -> None:
    assert list(lasting.judge_subnet("subnet-1", "subnet-1")) == []
    assert list(lasting.judge_subnet("subnet-1", "")) == [], "of a network of our own"
    [problem] = lasting.judge_subnet("subnet-1", "subnet-2")
    assert "cannot move to subnet-2" in problem.line


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield found


def with_address(site: Site, address: str) -> Site:
    settings = site.settings
    return replace(
        site, settings=replace(settings, manager=replace(settings.manager, private_address=address))
    )


def with_zones(site: Site, *zones: str) -> Site:
    settings = site.settings
    return replace(site, settings=replace(settings, network=replace(settings.network, zones=zones)))


def test_of_what_is_not_built_only_the_address_is_looked_at(site: Site) -> None:
    assert list(lasting.problems(site)) == []
    assert list(lasting.problems(with_address(site, "10.77.0.10"))) == []
    [problem] = lasting.problems(with_address(site, "10.77.200.10"))
    assert "the address 10.77.200.10 is not available in the manager's subnet 10.77.0.0/24" in problem.line


@pytest.mark.filterwarnings(MOTO_WARNS)
def test_what_is_built_is_asked_of_aws(site: Site) -> None:
    build_half(site)
    assert list(lasting.problems(site)) == []
    has = site.place()["ManagerAddress"]
    [problem] = lasting.problems(with_address(site, "10.77.0.99"))
    assert problem.line.startswith(f"the manager has the private address {has}")
    assert list(lasting.problems(with_zones(site, "us-east-1a", "us-east-1b", "us-east-1c"))) == []
    [problem] = lasting.problems(with_zones(site, "us-east-1b", "us-east-1a"))
    assert "`network.zones: [us-east-1a, us-east-1b]`" in problem.line


@pytest.mark.filterwarnings(MOTO_WARNS)
def test_a_second_cluster_does_not_get_the_first_ones_address(site: Site) -> None:
    build_half(site)
    second = replace(site, settings=replace(site.settings, cluster="autumn"))
    [taken] = site.aws.client("ec2").describe_network_interfaces(
        NetworkInterfaceIds=[site.place()["ManagerInterface"]]
    )["NetworkInterfaces"]
    subnet = site.aws.client("ec2").describe_subnets(SubnetIds=[taken["SubnetId"]])["Subnets"][0]
    assert IPv4Address(taken["PrivateIpAddress"]) in IPv4Network(subnet["CidrBlock"])
    [problem] = lasting.problems(with_address(second, taken["PrivateIpAddress"]))
    assert taken["NetworkInterfaceId"] in problem.line
