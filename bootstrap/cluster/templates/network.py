"""A network that clusters share: one VPC, a public and a worker subnet in each zone, and the workers' way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    attribute,
    network_tags,
    ref,
    resource,
    template,
)
from bootstrap.config.choices import Egress

HUB_PORT, WORKER_PORT = 8081, 8888
ANYWHERE = "0.0.0.0/0"
# A public subnet holds a few addresses; a worker subnet holds one for every registered user of its zone, for
# stopped instances keep their addresses.
PUBLIC_PREFIX, WORKER_PREFIX = 24, 20
SMALLEST_SUBNET = 28  # for EC2
GATEWAY_SERVICES = ("S3", "DynamoDB")


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

    With egress `manager`, the workers' route table has no way out until a cluster's place gives it one.
    """
    ranges = subnet_ranges(cidr, len(zones))
    resources: dict[str, Resource] = {
        **_vpc(network, cidr),
        **_routes(network),
        **_egress(network, egress),
        **_endpoints(network),
    }
    for n, (zone, public, workers) in enumerate(
        zip(zones, ranges.public, ranges.workers, strict=True), start=1
    ):
        has_address = egress is Egress.PUBLIC_ADDRESS
        resources |= _subnet(network, "Public", n, zone, public, has_address=False)
        resources |= _subnet(network, "Worker", n, zone, workers, has_address=has_address)
    outputs: dict[str, Any] = {
        "Vpc": ref("Vpc"),
        "ManagerSubnet": ref("PublicSubnet1"),
        **{f"WorkerSubnet{n}": ref(f"WorkerSubnet{n}") for n in range(1, len(zones) + 1)},
        "WorkerRoutes": ref("WorkerRoutes"),
        "Egress": str(egress),
    }
    return template(f"cloudJHub network {network}", resources, outputs)


def _vpc(network: str, cidr: IPv4Network) -> dict[str, Resource]:
    return {
        "Vpc": resource(
            "EC2::VPC",
            CidrBlock=str(cidr),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
            Tags=network_tags(network, "network"),
        ),
        "Internet": resource("EC2::InternetGateway", Tags=network_tags(network, "internet")),
        "InternetOfVpc": resource(
            "EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Internet")
        ),
    }


def _routes(network: str) -> dict[str, Resource]:
    return {
        **{
            f"{kind}Routes": resource(
                "EC2::RouteTable", VpcId=ref("Vpc"), Tags=network_tags(network, kind.lower())
            )
            for kind in ("Public", "Worker")
        },
        "PublicDefault": _to_internet("PublicRoutes"),
    }


def _to_internet(routes: str) -> Resource:
    way = resource(
        "EC2::Route", RouteTableId=ref(routes), DestinationCidrBlock=ANYWHERE, GatewayId=ref("Internet")
    )
    return {**way, "DependsOn": "InternetOfVpc"}


def _egress(network: str, egress: Egress) -> dict[str, Resource]:
    if egress is Egress.MANAGER:
        return {}
    if egress is Egress.PUBLIC_ADDRESS:
        return {"WorkerDefault": _to_internet("WorkerRoutes")}
    address = resource("EC2::EIP", Domain="vpc", Tags=network_tags(network, "nat"))
    gateway = resource(
        "EC2::NatGateway",
        AllocationId=attribute("NatAddress", "AllocationId"),
        SubnetId=ref("PublicSubnet1"),
        Tags=network_tags(network, "nat"),
    )
    return {
        "NatAddress": {**address, "DependsOn": "InternetOfVpc"},
        # Its own way out must be there first, and go last.
        "Nat": {**gateway, "DependsOn": ["PublicDefault", "PublicSubnet1Routes"]},
        "WorkerDefault": resource(
            "EC2::Route",
            RouteTableId=ref("WorkerRoutes"),
            DestinationCidrBlock=ANYWHERE,
            NatGatewayId=ref("Nat"),
        ),
    }


def _endpoints(network: str) -> dict[str, Resource]:
    """Free, and their traffic passes by the NAT gateway that bills it."""
    return {
        f"{service}Endpoint": resource(
            "EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            VpcEndpointType="Gateway",
            ServiceName={"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service.lower()}"},
            RouteTableIds=[ref("PublicRoutes"), ref("WorkerRoutes")],
            Tags=network_tags(network, service.lower()),
        )
        for service in GATEWAY_SERVICES
    }


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
