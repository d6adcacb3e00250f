"""A network that clusters share: one VPC, a public and a worker subnet in each zone, and the workers' way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    attribute,
    constant_parts,
    network_tags,
    ref,
    resource,
)
from bootstrap.config.choices import Egress

HUB_PORT, WORKER_PORT = 8081, 8888
ANYWHERE = "0.0.0.0/0"
# A public subnet holds a few addresses; a worker subnet holds one for every registered user of its zone, for
# stopped instances keep their addresses.
PUBLIC_PREFIX, WORKER_PREFIX = 24, 20
SMALLEST_SUBNET = 28  # for EC2
# Amazon gives a VPC a /56, and a subnet takes a /64 of it.
SUBNETS_OF_IPV6, BITS_OF_IPV6_SUBNET = 256, 64


@dataclass(frozen=True, slots=True)
class Ranges:
    """The blocks of the subnets, one of each kind a zone."""

    public: list[IPv4Network]
    workers: list[IPv4Network]


def subnet_ranges(vpc: IPv4Network, zones: int) -> Ranges:
    """Public subnets in the first of the blocks that `vpc` is cut into, and worker subnets in the others.

    In a /16 the blocks are /20; in a smaller network they are as large as fits. Raises ValueError where nothing does.
    """
    block = max(WORKER_PREFIX, vpc.prefixlen + zones.bit_length())  # 2 ** bit_length > zones: one block more
    public = max(PUBLIC_PREFIX, block + (zones - 1).bit_length())
    if public > SMALLEST_SUBNET:
        raise ValueError(f"the network {vpc} is too small for {zones} zones: take a /16")
    first, *others = vpc.subnets(new_prefix=block)
    return Ranges(list(first.subnets(new_prefix=public))[:zones], others[:zones])


def network_template(network: str, cidr: IPv4Network, zones: Sequence[str], egress: Egress) -> Template:
    """The template of a network. Outputs: Vpc, ManagerSubnet, WorkerSubnet1 and so on, WorkerRoutes, Egress.

    Where the manager forwards, the workers' route table has no way out for IPv4 until a cluster's place gives it one.
    """
    made = constant_parts("network", network=network, cidr=str(cidr), egress=str(egress))
    resources, outputs = made["Resources"], made["Outputs"]
    if egress is not Egress.NAT_GATEWAY:
        del resources["Nat"], resources["NatAddress"], resources["WorkerDefault"]
    has_ipv6 = egress is Egress.DUAL_STACK
    if not has_ipv6:
        del resources["Ipv6Range"], resources["Ipv6Egress"], resources["WorkerIpv6Default"]
    if egress is Egress.PUBLIC_ADDRESS:
        way = resources["PublicDefault"]
        properties = {**way["Properties"], "RouteTableId": ref("WorkerRoutes")}
        resources["WorkerDefault"] = {**way, "Properties": properties}
    ranges = subnet_ranges(cidr, len(zones))
    has_address = egress is Egress.PUBLIC_ADDRESS
    for n, (zone, public, workers) in enumerate(
        zip(zones, ranges.public, ranges.workers, strict=True), start=1
    ):
        resources |= _subnet(network, "Public", n, zone, public, has_address=False)
        resources |= _subnet(network, "Worker", n, zone, workers, has_address=has_address)
        if has_ipv6:
            resources[f"WorkerSubnet{n}"] = _with_ipv6(resources[f"WorkerSubnet{n}"], n)
        outputs[f"WorkerSubnet{n}"] = {"Value": ref(f"WorkerSubnet{n}")}
    return made


def _with_ipv6(subnet: Resource, number: int) -> Resource:
    """The subnet with the IPv6 range of this number, from 1, in whose machines each gets an address at its launch."""
    vpc_range = {"Fn::Select": [0, attribute("Vpc", "Ipv6CidrBlocks")]}
    ranges = {"Fn::Cidr": [vpc_range, SUBNETS_OF_IPV6, BITS_OF_IPV6_SUBNET]}
    ipv6 = {"Ipv6CidrBlock": {"Fn::Select": [number - 1, ranges]}, "AssignIpv6AddressOnCreation": True}
    # The VPC has its range only once Ipv6Range is complete.
    return {**subnet, "DependsOn": "Ipv6Range", "Properties": {**subnet["Properties"], **ipv6}}


def _subnet(
    network: str, kind: str, number: int, zone: str, block: IPv4Network, *, has_address: bool
) -> dict[str, Resource]:
    logical = f"{kind}Subnet{number}"
    return {
        logical: resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock=str(block),
            AvailabilityZone=zone,
            MapPublicIpOnLaunch=has_address,
            Tags=network_tags(network, f"{kind.lower()}-{zone}"),
        ),
        f"{logical}Routes": resource(
            "EC2::SubnetRouteTableAssociation", SubnetId=ref(logical), RouteTableId=ref(f"{kind}Routes")
        ),
    }
