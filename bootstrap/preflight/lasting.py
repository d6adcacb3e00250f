"""Do the settings change what cannot change once it is built: the manager's interface, the network's zones?

CloudFormation creates the replacement first. That fails while a manager uses the interface or the subnet's range.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.cluster.templates.network import subnet_ranges
from bootstrap.config.settings import ZONES_BY_DEFAULT
from bootstrap.errors import NotBuilt
from bootstrap.preflight.problem import Problem

FIRST_OF_AWS = 4
"""AWS reserves this many addresses at a subnet's beginning, and the last one."""


def problems(site: Site) -> Iterator[Problem]:
    """Changes that cannot be made."""
    yield from judge_privacy(_place(site), is_private=site.settings.network.private)
    built = _interface(site)
    wanted = site.settings.manager.private_address
    if built:
        yield from judge_subnet(str(built["SubnetId"]), site.settings.network.manager_subnet)
        yield from judge_kept(str(built.get("PrivateIpAddress", "")), wanted, site.place()["ManagerAddress"])
    elif wanted:
        yield from _new_address(site, IPv4Address(wanted))
    yield from _zones(site)


def judge_privacy(resources: Mapping[str, Any], *, is_private: bool) -> Iterator[Problem]:
    """Has the place, with these resources, public addresses as the settings say? Pure; {} before it is built."""
    if not resources or is_private is ("PublicAddress" not in resources):
        return
    has = "a public address" if is_private else "no public address"
    yield Problem(
        f"the cluster was built with {has}, which cannot be changed: set `network.private: "
        f"{str(not is_private).lower()}`, or build another cluster"
    )


def judge_subnet(built: str, wanted: str) -> Iterator[Problem]:
    """The manager's subnet, where the settings name one. Pure."""
    if wanted not in ("", built):
        yield Problem(
            f"the manager is in the subnet {built} and cannot move to {wanted}: set `network.manager_subnet: {built}`"
        )


def judge_kept(built: str, wanted: str, address: str) -> Iterator[Problem]:
    """The private address in the settings when the manager's `address` was created, and now; "" for none. Pure."""
    if built != wanted:
        fix = f"set `manager.private_address: {built}`" if built else "remove `manager.private_address`"
        yield Problem(f"the manager has the private address {address}, which cannot be changed: {fix}")


def judge_address(address: IPv4Address, subnet: IPv4Network, holder: str) -> Iterator[Problem]:
    """The address of a manager that does not exist yet: `subnet` is its subnet's range, `holder` the interface that has
    the address, "" for none. Pure.
    """
    usable = range(int(subnet[FIRST_OF_AWS]), int(subnet[-1]))
    if int(address) not in usable:
        span = f"{IPv4Address(usable.start)} to {IPv4Address(usable.stop - 1)}"
        yield Problem(
            f"the address {address} is not available in the manager's subnet {subnet}: set "
            f"`manager.private_address` to one from {span}, or remove it"
        )
        return
    if holder:
        yield Problem(
            f"the address {address} belongs to {holder}: set another `manager.private_address`, or remove it"
        )
        return


def judge_zones(network: str, built: Sequence[str], wanted: Sequence[str]) -> Iterator[Problem]:
    """Zones of the network as it is, and as the settings name them; others may be added. Pure."""
    if not wanted or list(wanted[: len(built)]) == list(built):
        return
    yield Problem(
        f"the network {network} is in the zones {', '.join(built)}, which cannot change: set "
        f"`network.zones: [{', '.join(built)}]`, others after these, or choose another `network.name`"
    )


def _place(site: Site) -> dict[str, Any]:
    """The resources in the place's template; {} where that is not built."""
    stack = names.stack(site.cluster, "place")
    if not site.outputs(stack):
        return {}
    return dict(stacks.template_of(site.aws.client("cloudformation"), stack)["Resources"])


def _interface(site: Site) -> dict[str, Any]:
    """The properties of the manager's interface in the place's template; {} where that is not built."""
    return dict(_place(site).get("ManagerInterface", {}).get("Properties", {}))


def _new_address(site: Site, address: IPv4Address) -> Iterator[Problem]:
    network, ec2 = site.settings.network, site.aws.client("ec2")
    try:
        subnet = site.network().manager_subnet
    except NotBuilt:
        try:
            ranges = subnet_ranges(network.cidr, len(network.zones) or ZONES_BY_DEFAULT)
        except ValueError:  # reported as a problem of the network
            return
        yield from judge_address(address, ranges.public[0], "")
        return
    found = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["Subnets"]
    if not found:  # likewise
        return
    holders = ec2.describe_network_interfaces(
        Filters=[
            {"Name": "subnet-id", "Values": [subnet]},
            {"Name": "addresses.private-ip-address", "Values": [str(address)]},
        ]
    )["NetworkInterfaces"]
    holder = holders[0]["NetworkInterfaceId"] if holders else ""
    yield from judge_address(address, IPv4Network(found[0]["CidrBlock"]), holder)


def _zones(site: Site) -> Iterator[Problem]:
    network = site.settings.network
    if not network.is_ours or not network.zones or not site.outputs(names.network_stack(network.name)):
        return
    ids = list(site.network().worker_subnets)
    found = site.aws.client("ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": ids}])["Subnets"]
    zone_of = {one["SubnetId"]: one["AvailabilityZone"] for one in found}
    yield from judge_zones(network.name, [zone_of[one] for one in ids if one in zone_of], network.zones)
