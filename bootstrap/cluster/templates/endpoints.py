"""Ways to AWS's services without the internet: the VPC endpoints of a private cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.aws.instances import tags_of
from bootstrap.cluster.templates.parts import Resource, attribute, cluster_tags, resource
from bootstrap.config.choices import INTERFACE_ENDPOINTS
from lifecycle_app.contract import TAG_CLUSTER

GATEWAYS = ("dynamodb", "s3")
"""Without a price."""
GROUPS = ("FunctionGroup", "ManagerGroup", "WorkerGroup")
"""Those of the place that use the endpoints."""
HTTPS = 443


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where endpoints of these services are made: an interface in each subnet, a route in each table; ids."""

    region: str
    services: tuple[str, ...]
    subnets: tuple[str, ...]
    tables: tuple[str, ...]


def provided(found: Iterable[Mapping[str, Any]], region: str, cluster: str = "") -> set[str]:
    """The services that these endpoints of a VPC lead to, as EC2 describes them, without those of this cluster. Pure.

    An interface endpoint without private DNS does not count: our programs use the services' usual names.
    """
    prefix = f"com.amazonaws.{region}."
    return {
        str(one["ServiceName"]).removeprefix(prefix)
        for one in found
        if str(one["State"]).lower() in ("available", "pending")
        and (one["VpcEndpointType"] == "Gateway" or one.get("PrivateDnsEnabled"))
        and (not cluster or tags_of(one).get(TAG_CLUSTER) != cluster)
    }


def one_a_zone(zones: Mapping[str, str]) -> tuple[str, ...]:
    """Of the subnets, with their zones, the first of each zone: an endpoint has one interface in a zone. Pure."""
    first: dict[str, str] = {}
    for subnet, zone in zones.items():
        first.setdefault(zone, subnet)
    return tuple(first.values())


def endpoint_resources(cluster: str, vpc: str, wanted: Endpoints) -> dict[str, Resource]:
    """The endpoints, and the security group that lets machines and functions of the cluster reach them."""
    made = {f"{name.capitalize()}Endpoint": _endpoint(cluster, vpc, wanted, name) for name in wanted.services}
    if not set(wanted.services) & set(INTERFACE_ENDPOINTS):
        return made
    group = resource(
        "EC2::SecurityGroup",
        GroupDescription="cloudJHub: endpoints of AWS services",
        VpcId=vpc,
        Tags=cluster_tags(cluster, "endpoints"),
    )
    rules = {f"EndpointsFrom{name}": _rule(name) for name in GROUPS}
    return {"EndpointGroup": group, **rules, **made}


def _endpoint(cluster: str, vpc: str, wanted: Endpoints, name: str) -> Resource:
    is_gateway = name in GATEWAYS
    ways: dict[str, Sequence[object] | bool] = (
        {"RouteTableIds": list(wanted.tables)}
        if is_gateway
        else {
            "SubnetIds": list(wanted.subnets),
            "SecurityGroupIds": [attribute("EndpointGroup", "GroupId")],
            "PrivateDnsEnabled": True,
        }
    )
    return resource(
        "EC2::VPCEndpoint",
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{wanted.region}.{name}",
        VpcEndpointType="Gateway" if is_gateway else "Interface",
        **ways,
        Tags=cluster_tags(cluster, name),
    )


def _rule(source: str) -> Resource:
    return resource(
        "EC2::SecurityGroupIngress",
        GroupId=attribute("EndpointGroup", "GroupId"),
        Description="machines and functions of the cluster",
        IpProtocol="tcp",
        FromPort=HTTPS,
        ToPort=HTTPS,
        SourceSecurityGroupId=attribute(source, "GroupId"),
    )
