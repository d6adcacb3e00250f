"""A cluster's place in its network: security groups without cycles, the address that its manager keeps, and the DNS
records that lead there.
"""

from dataclasses import asdict, dataclass

from bootstrap.cluster.templates.endpoints import Endpoints, endpoint_resources
from bootstrap.cluster.templates.network import ANYWHERE, HUB_PORT, WORKER_PORT
from bootstrap.cluster.templates.parts import Resource, Template, attribute, constant_parts, ref, resource

FORWARDING = ("WorkerDefault", "ForwardedFromWorkers")
"""What is there only while the manager forwards the workers' traffic."""
PUBLIC = ("PublicAddress", "PublicAddressOfManager")
"""What a private cluster does without."""
PRIVATE = ("FunctionGroup", "HubFromFunctions")
"""What only a private cluster has: its functions run in the VPC."""
PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Where browsers come from that reach a private address, unless the settings say it: those of RFC 1918."""
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
    is_private: bool = False
    """Has it no public address at all?"""
    sources: tuple[str, ...] = (ANYWHERE,)
    """The ranges that its ports for browsers are open to."""
    port: int = 443
    """The one that the hub answers at."""
    endpoints: Endpoints | None = None
    """Those of AWS's services that are made with it."""


def place_template(position: Position) -> Template:
    """The template of a place.

    Outputs: PublicGroup, ManagerGroup, WorkerGroup, ManagerInterface, ManagerAddress (private), and PublicAddress or,
    of a private cluster, FunctionGroup.
    """
    reached = "browsers in private networks reach" if position.is_private else "the internet reaches"
    place = constant_parts(
        "place", **asdict(position), reached=reached, hub_port=HUB_PORT, worker_port=WORKER_PORT
    )
    for name in PUBLIC if position.is_private else PRIVATE:
        del place["Resources"][name]
        place["Outputs"].pop(name, None)
    interface = place["Resources"]["ManagerInterface"]["Properties"]
    interface["SourceDestCheck"] = not position.forwards_for
    if not position.private_address:
        del interface["PrivateIpAddress"]
    if not position.has_ipv6:
        del place["Resources"]["WorkerGroup"]["Properties"]["SecurityGroupEgress"]
    place["Resources"] |= _rules(position)
    for name in position.names:
        logical = "WildcardRecord" if name.startswith("*.") else "HubRecord"
        place["Resources"][logical] = _record(position.zone, name)
    if position.endpoints:
        place["Resources"] |= endpoint_resources(position.cluster, position.vpc, position.endpoints)
    return place if position.forwards_for else without_forwarding(place)


def without_forwarding(place: Template) -> Template:
    """The same place, forwarding nothing: what must be so before the network gives the workers another way out."""
    kept = {name: one for name, one in place["Resources"].items() if name not in FORWARDING}
    return {**place, "Resources": kept}


def _rules(position: Position) -> dict[str, Resource]:
    """The rules for browsers, one for each port and range. The range is a part of a name where there are several: in
    another order of the settings, no rule would be made while the same one is still there.
    """
    return {
        f"PublicPort{port}{'' if source == ANYWHERE else _alphanumeric(source)}": _from_browsers(port, source)
        for port in position.ports
        for source in position.sources
    }


def _alphanumeric(source: str) -> str:
    """A range as a part of a logical name, like From10x0x0x0by8."""
    return f"From{source.replace('.', 'x').replace('/', 'by')}"


def _from_browsers(port: int, source: str) -> Resource:
    return resource(
        "EC2::SecurityGroupIngress",
        GroupId=attribute("PublicGroup", "GroupId"),
        Description="browsers",
        IpProtocol="tcp",
        FromPort=port,
        ToPort=port,
        CidrIp=source,
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
