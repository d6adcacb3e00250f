"""Does the network suit the cluster? Checks its routes, size and DNS."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster.routing import default_route
from bootstrap.cluster.templates.endpoints import GATEWAYS, provided
from bootstrap.cluster.templates.network import subnet_ranges
from bootstrap.config.choices import INTERFACE_ENDPOINTS, Https
from bootstrap.config.contradictions import FEWEST_ZONES
from bootstrap.config.settings import ZONES_BY_DEFAULT, ClusterSettings
from bootstrap.preflight.problem import Problem, warning
from lifecycle_app.contract import ROLE_WORKER

TAKEN_BY_AWS = 5
"""Addresses of each subnet that AWS reserves: the first four and the last."""
SMALLEST = 28
LARGEST = 16


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as EC2 describes it."""

    subnet: str
    vpc: str
    zone: str
    free: int
    gives_addresses: bool = False
    """Has each machine in it a public address from its launch on?"""


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


def judge_private(
    settings: ClusterSettings, workers: Sequence[Subnet], tables: Sequence[Any], there: Collection[str]
) -> Iterator[Problem]:
    """Have the subnets of a private cluster a way to AWS, and no public addresses? Pure.

    `there`: the services that the VPC has endpoints of.
    """
    network = settings.network
    for subnet in workers:
        if subnet.gives_addresses:
            yield Problem(
                f"the worker subnet {subnet.subnet} gives each machine a public address: use another one, or run "
                f"`aws ec2 modify-subnet-attribute --subnet-id {subnet.subnet} --no-map-public-ip-on-launch`"
            )
    if len({subnet.zone for subnet in workers}) < FEWEST_ZONES:
        yield warning(
            "the worker subnets are in one zone: while that fails, no machine starts and no idle one is stopped: add "
            "one in another zone to `network.worker_subnets`"
        )
    ways = {one: default_route(one, tables) for one in (network.manager_subnet, *network.worker_subnets)}
    for subnet_id, target in ways.items():
        if target.startswith("igw-"):
            yield Problem(
                f"the subnet {subnet_id} leads to an internet gateway, by which nothing without a public address gets "
                "out: use one with a route to a NAT gateway, a transit gateway or a VPN"
            )
    closed = [subnet_id for subnet_id, target in ways.items() if not target]
    if closed:
        yield from _judge_closed(settings, closed, there)


def _judge_closed(
    settings: ClusterSettings, closed: Sequence[str], there: Collection[str]
) -> Iterator[Problem]:
    """Of subnets without a way to the internet. Pure."""
    network, ids = settings.network, ", ".join(closed)
    missing = sorted({*INTERFACE_ENDPOINTS, *GATEWAYS} - set(there))
    if missing and not network.endpoints:
        yield Problem(
            f"the subnets {ids} have no way to AWS's {', '.join(missing)}: add a route 0.0.0.0/0 to a NAT "
            "gateway, a transit gateway or a VPN, or set `network.endpoints: true`"
        )
    if not network.http_proxy and not (network.pip_index and network.apt_mirror):
        yield Problem(
            f"the subnets {ids} have no way to packages: set `network.http_proxy`, or `network.pip_index` and "
            "`network.apt_mirror`"
        )
    if settings.manager.https is Https.LETS_ENCRYPT:
        yield warning(
            f"from the subnets {ids} Let's Encrypt and Route 53 are reached by `network.http_proxy` only: a "
            f"certificate of your own needs neither (`manager.https: {Https.OWN}`)"
        )


def _private(site: Site, workers: Sequence[Subnet], tables: Sequence[Any]) -> Iterator[Problem]:
    here = [{"Name": "vpc-id", "Values": [site.settings.network.vpc]}]
    pages = site.aws.client("ec2").get_paginator("describe_vpc_endpoints").paginate(Filters=here)  # type: ignore[arg-type]
    found = [one for page in pages for one in page["VpcEndpoints"]]
    yield from judge_private(site.settings, workers, tables, provided(found, site.aws.region))
    yield warning(
        "the cluster is private: `up`, `doctor` and `workers prepare` ask its hub, so run them where your network "
        "leads to the VPC; its DNS records are yours to make, in a DNS that the VPC asks too: the functions run there"
    )


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
    yield from judge_order(network.manager_subnet, network.worker_subnets, found)
    workers = [subnet for subnet in found if subnet.subnet in network.worker_subnets]
    if network.private:
        yield from _private(site, workers, tables)
    else:
        yield from judge_routes(network.manager_subnet, network.worker_subnets, tables)
    yield from judge_room(workers, site.settings.users - _workers(site))


def _described(site: Site, ids: Sequence[str]) -> list[Subnet]:
    """Those of the subnets that there are. By filter: asked by id, one missing subnet would be an error for all."""
    found = site.aws.client("ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(ids)}])
    return [
        Subnet(
            one["SubnetId"],
            one["VpcId"],
            one["AvailabilityZone"],
            one["AvailableIpAddressCount"],
            one.get("MapPublicIpOnLaunch", False),
        )
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
