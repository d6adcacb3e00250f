"""A cluster's place in its network: security groups without cycles, the address that its manager keeps, and the DNS
records that lead there.
"""

from dataclasses import asdict, dataclass

from bootstrap.cluster.templates.network import ANYWHERE, HUB_PORT, WORKER_PORT
from bootstrap.cluster.templates.parts import Resource, Template, attribute, constant_parts, ref, resource

FORWARDING = ("WorkerDefault", "ForwardedFromWorkers")
"""What is there only while the manager forwards the workers' traffic."""
RECORD_SECONDS = "300"
"""How long resolvers keep an answer. The address stays for the cluster's lifetime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a cluster is put; ids."""

    cluster: str
    vpc: str
    subnet: str
    """The manager's."""
    ports: tuple[int, ...]
    """Those that the manager serves to the internet."""
    private_address: str = ""
    """The manager's; empty: the first free one."""
    forwards_for: str = ""
    """The route table of the workers whose traffic the manager forwards; empty: it forwards none."""
    has_ipv6: bool = False
    """Have workers IPv6 too?"""
    zone: str = ""
    """The hosted zone of `names`; empty: their records are not ours."""
    names: tuple[str, ...] = ()
    """The manager's names in the DNS whose records are made here, with a wildcard as `*.`."""


def place_template(position: Position) -> Template:
    """The template of a place.

    Outputs: PublicGroup, ManagerGroup, WorkerGroup, ManagerInterface, ManagerAddress (private) and PublicAddress.
    """
    place = constant_parts("place", **asdict(position), hub_port=HUB_PORT, worker_port=WORKER_PORT)
    interface = place["Resources"]["ManagerInterface"]["Properties"]
    interface["SourceDestCheck"] = not position.forwards_for
    if not position.private_address:
        del interface["PrivateIpAddress"]
    if not position.has_ipv6:
        del place["Resources"]["WorkerGroup"]["Properties"]["SecurityGroupEgress"]
    for port in position.ports:
        place["Resources"][f"PublicPort{port}"] = _from_browsers(port)
    for name in position.names:
        logical = "WildcardRecord" if name.startswith("*.") else "HubRecord"
        place["Resources"][logical] = _record(position.zone, name)
    return place if position.forwards_for else without_forwarding(place)


def without_forwarding(place: Template) -> Template:
    """The same place, forwarding nothing: what must be so before the network gives the workers another way out."""
    kept = {name: one for name, one in place["Resources"].items() if name not in FORWARDING}
    return {**place, "Resources": kept}


def _from_browsers(port: int) -> Resource:
    return resource(
        "EC2::SecurityGroupIngress",
        GroupId=attribute("PublicGroup", "GroupId"),
        Description="browsers",
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        CidrIp=ANYWHERE,
    )


def _record(zone: str, name: str) -> Resource:
    return resource(
        "Route53::RecordSet",
        HostedZoneId=zone,
        Name=name,
        Type="A",
        TTL=RECORD_SECONDS,
        ResourceRecords=[ref("PublicAddress")],
    )
