"""Does the network suit the cluster? Checks its routes, size and DNS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster.templates.network import subnet_ranges
from bootstrap.config.settings import ZONES_BY_DEFAULT
from bootstrap.preflight.problem import Problem, warning
from lifecycle_app.contract import ROLE_WORKER

TAKEN_BY_AWS = 5
"""Addresses of each subnet that AWS reserves: the first four and the last."""
SMALLEST = 28
LARGEST = 16
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as EC2 describes it."""

    subnet: str
    vpc: str
    zone: str
    free: int


def problems(site: Site) -> Iterator[Problem]:
    """Problems of the network."""
    network = site.settings.network
    if not network.is_ours:
        yield from _existing(site)
        return
    built = site.outputs(names.network_stack(network.name))
    if not built:
        yield from judge_own(network.cidr, len(network.zones) or ZONES_BY_DEFAULT, site.settings.users)
        return
    workers = [built[name] for name in built if name.startswith("WorkerSubnet")]
    yield from judge_room(_described(site, workers), site.settings.users - _workers(site))


def judge_own(cidr: IPv4Network, zones: int, users: int) -> list[Problem]:
    """Will a network that does not exist yet have an address for every user? Pure."""
    try:
        workers = subnet_ranges(cidr, zones).workers
    except ValueError as error:
        return [Problem(str(error))]
    fit = sum(block.num_addresses - TAKEN_BY_AWS for block in workers)
    if fit >= users:
        return []
    return [
        Problem(
            f"the worker subnets of {cidr} hold {fit} machines, too few for {users} users (stopped machines keep "
            "their addresses): set a larger `network.cidr` (up to a /16), or fewer `users`"
        )
    ]


def judge_room(subnets: Sequence[Subnet], missing: int) -> Iterator[Problem]:
    """Do `missing` more machines fit into these subnets? Pure."""
    fit = sum(subnet.free for subnet in subnets)
    if fit < missing:
        ids = ", ".join(subnet.subnet for subnet in subnets)
        each = -(-missing // max(1, len(subnets)))
        yield Problem(
            f"the worker subnets {ids} have {fit} free addresses, too few for {missing} more users (stopped machines "
            f"keep theirs): use {_needed(each, len(subnets))}, or fewer `users`"
        )


def room_for(site: Site, ids: Sequence[str], machines: int) -> Iterator[Problem]:
    """Do this many more machines fit into these subnets?"""
    yield from judge_room(_described(site, ids), machines)


def prefix_for(machines: int) -> int | None:
    """The length of the prefix of the smallest subnet that holds them; None if no subnet does. Pure."""
    lengths = range(SMALLEST, LARGEST - 1, -1)
    return next((length for length in lengths if 2 ** (32 - length) - TAKEN_BY_AWS >= machines), None)


def judge_subnets(vpc: str, wanted: Sequence[str], found: Sequence[Subnet]) -> list[Problem]:
    """Do the subnets exist in this VPC? Pure."""
    by_id = {subnet.subnet: subnet for subnet in found}
    missing = [name for name in dict.fromkeys(wanted) if name not in by_id]
    return [
        Problem(f"there is no subnet {name} in this region: set subnets of {vpc}") for name in missing
    ] + [
        Problem(f"the subnet {subnet.subnet} belongs to {subnet.vpc}, not to {vpc}: set a subnet of {vpc}")
        for subnet in found
        if subnet.vpc != vpc
    ]


def judge_order(manager: str, workers: Sequence[str], found: Sequence[Subnet]) -> list[Problem]:
    """Are workers launched in the manager's zone first, if they can be? Pure."""
    zone_of = {subnet.subnet: subnet.zone for subnet in found}
    zone, zones = zone_of.get(manager), [zone_of.get(worker) for worker in workers]
    if zone not in zones or zones[0] == zone:
        return []
    beside = workers[zones.index(zone)]
    return [
        warning(
            f"machines are launched in the first worker subnet, {workers[0]} in {zones[0]}, and the manager is in "
            f"{zone}: each GB between them costs two cents. Put {beside} first in `network.worker_subnets`"
        )
    ]


def default_route(subnet: str, tables: Sequence[Any]) -> str:
    """The target of a subnet's route to the internet: an id like igw-…, nat-…, eni-…; "" without one. Pure.

    `tables` are the VPC's route tables, as DescribeRouteTables returns them.
    """
    own = [one for one in tables if any(each.get("SubnetId") == subnet for each in one["Associations"])]
    main = [one for one in tables if any(each.get("Main") for each in one["Associations"])]
    for table in (own or main)[:1]:
        for route in table["Routes"]:
            if route.get("DestinationCidrBlock") == ANYWHERE and route.get("State", "active") == "active":
                return str(next(filter(None, (route.get(kind) for kind in ROUTE_TARGETS)), ""))
    return ""


ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "VpcPeeringConnectionId",
    "LocalGatewayId",
)


def judge_routes(manager: str, workers: Sequence[str], tables: Sequence[Any]) -> list[Problem]:
    """Can users reach the manager, and workers the internet? Pure."""
    found = []
    if not default_route(manager, tables).startswith("igw-"):
        found.append(
            Problem(
                f"the manager's subnet {manager} has no route to an internet gateway, so users cannot reach the hub: "
                "add a route 0.0.0.0/0 to one, or set another `network.manager_subnet`"
            )
        )
    for worker in workers:
        target = default_route(worker, tables)
        if not target:
            found.append(
                warning(
                    f"the worker subnet {worker} has no route to the internet: users cannot install packages, and idle "
                    "machines are noticed late unless the VPC has endpoints for CloudWatch and STS: add a NAT gateway"
                )
            )
        elif target.startswith("igw-"):
            found.append(
                warning(
                    f"the worker subnet {worker} is public: its machines reach the internet only if the subnet "
                    "assigns public addresses: use a subnet with a route to a NAT gateway"
                )
            )
    return found


def _existing(site: Site) -> Iterator[Problem]:
    network, ec2 = site.settings.network, site.aws.client("ec2")
    try:
        ec2.describe_vpcs(VpcIds=[network.vpc])
    except ClientError as error:
        if not code_of(error).startswith("InvalidVpcID"):
            raise
        yield Problem(f"there is no VPC {network.vpc} in {site.aws.region}: set `network.vpc` or `region`")
        return
    wanted = [network.manager_subnet, *network.worker_subnets]
    found = _described(site, wanted)
    wrong = judge_subnets(network.vpc, wanted, found)
    yield from wrong
    if wrong:
        return
    dns = ec2.describe_vpc_attribute(VpcId=network.vpc, Attribute="enableDnsSupport")
    if not dns["EnableDnsSupport"]["Value"]:
        yield Problem(
            f"the VPC {network.vpc} has no DNS: run `aws ec2 modify-vpc-attribute --vpc-id {network.vpc} "
            "--enable-dns-support`"
        )
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [network.vpc]}])["RouteTables"]
    yield from judge_routes(network.manager_subnet, network.worker_subnets, tables)
    yield from judge_order(network.manager_subnet, network.worker_subnets, found)
    workers = [subnet for subnet in found if subnet.subnet in network.worker_subnets]
    yield from judge_room(workers, site.settings.users - _workers(site))


def _described(site: Site, ids: Sequence[str]) -> list[Subnet]:
    """Those of the subnets that there are. By filter: asked by id, one missing subnet would be an error for all."""
    found = site.aws.client("ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(ids)}])
    return [
        Subnet(one["SubnetId"], one["VpcId"], one["AvailabilityZone"], one["AvailableIpAddressCount"])
        for one in found["Subnets"]
    ]


def _workers(site: Site) -> int:
    """Existing machines of users, which have addresses."""
    return len(found_by_tags(site.aws, site.cluster, ROLE_WORKER))


def _needed(machines: int, subnets: int) -> str:
    prefix = prefix_for(machines)
    if prefix is None:
        return "more subnets"
    return f"a /{prefix} subnet" if subnets <= 1 else f"{subnets} subnets of size /{prefix}"
