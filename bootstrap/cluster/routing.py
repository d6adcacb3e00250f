"""Which route table a subnet of an existing VPC has, and where its traffic to the internet goes. Pure.

Tables are as DescribeRouteTables returns them, those of one VPC.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bootstrap.cluster.templates.network import ANYWHERE

Table = Mapping[str, Any]
ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "VpcPeeringConnectionId",
    "LocalGatewayId",
    "CoreNetworkArn",
)


def table_of(subnet: str, tables: Sequence[Table]) -> Table | None:
    """The subnet's own table, or else the VPC's main one."""
    own = [one for one in tables if any(each.get("SubnetId") == subnet for each in one["Associations"])]
    main = [one for one in tables if any(each.get("Main") for each in one["Associations"])]
    return next(iter(own or main), None)


def tables_of(subnets: Iterable[str], tables: Sequence[Table]) -> tuple[str, ...]:
    """The ids of these subnets' tables, each once."""
    found = [table_of(subnet, tables) for subnet in subnets]
    return tuple(dict.fromkeys(str(one["RouteTableId"]) for one in found if one))


def default_route(subnet: str, tables: Sequence[Table]) -> str:
    """The target of a subnet's route to the internet: an id like igw-…, nat-…, eni-…; "" without one."""
    table = table_of(subnet, tables)
    for route in table["Routes"] if table else ():
        if route.get("DestinationCidrBlock") == ANYWHERE and route.get("State", "active") == "active":
            return str(next(filter(None, (route.get(kind) for kind in ROUTE_TARGETS)), ""))
    return ""
