"""A cluster's place in its network: security groups without cycles, and the address that its manager keeps."""

from dataclasses import dataclass
from typing import Any

from bootstrap.cluster.templates.network import ANYWHERE, HUB_PORT, WORKER_PORT
from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    attribute,
    cluster_tags,
    ref,
    resource,
    template,
)

FORWARDING = ("WorkerDefault", "ForwardedFromWorkers")
"""What is there only while the manager forwards the workers' traffic."""


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


def place_template(position: Position) -> Template:
    """The template of a place.

    Outputs: PublicGroup, ManagerGroup, WorkerGroup, ManagerInterface, ManagerAddress (private) and PublicAddress.
    """
    resources = {
        **_groups(position),
        **_rules(position),
        **_address(position),
        **(_forwarding(position) if position.forwards_for else {}),
    }
    outputs: dict[str, Any] = {
        **{name: attribute(name, "GroupId") for name in ("PublicGroup", "ManagerGroup", "WorkerGroup")},
        "ManagerInterface": ref("ManagerInterface"),
        "ManagerAddress": attribute("ManagerInterface", "PrimaryPrivateIpAddress"),
        "PublicAddress": ref("PublicAddress"),
    }
    return template(f"cloudJHub {position.cluster}: place", resources, outputs)


def without_forwarding(place: Template) -> Template:
    """The same place, forwarding nothing: what must be so before the network gives the workers another way out."""
    kept = {name: one for name, one in place["Resources"].items() if name not in FORWARDING}
    return {**place, "Resources": kept}


def _groups(position: Position) -> dict[str, Resource]:
    """Rules are resources of their own: groups that name each other in their own rules could not be created."""

    def group(role: str, purpose: str) -> Resource:
        return resource(
            "EC2::SecurityGroup",
            GroupDescription=purpose,
            VpcId=position.vpc,
            Tags=cluster_tags(position.cluster, role),
        )

    return {
        "PublicGroup": group("public", "cloudJHub: what the internet reaches"),
        "ManagerGroup": group("manager", "cloudJHub: JupyterHub and its proxy"),
        "WorkerGroup": group("worker", "cloudJHub: workers, reached by their manager only"),
    }


def _rules(position: Position) -> dict[str, Resource]:
    return {
        **{
            f"PublicPort{port}": _ingress("PublicGroup", port, "browsers", CidrIp=ANYWHERE)
            for port in position.ports
        },
        "HubFromWorkers": _ingress("ManagerGroup", HUB_PORT, "workers ask the hub", **_source("WorkerGroup")),
        "WorkersFromHub": _ingress(
            "WorkerGroup", WORKER_PORT, "the manager reaches workers", **_source("ManagerGroup")
        ),
    }


def _address(position: Position) -> dict[str, Resource]:
    fixed = {"PrivateIpAddress": position.private_address} if position.private_address else {}
    tags = cluster_tags(position.cluster, "manager")
    return {
        "ManagerInterface": resource(
            "EC2::NetworkInterface",
            Description=f"cloudJHub {position.cluster}: manager",
            SubnetId=position.subnet,
            GroupSet=[attribute(name, "GroupId") for name in ("PublicGroup", "ManagerGroup")],
            SourceDestCheck=not position.forwards_for,
            Tags=tags,
            **fixed,
        ),
        "PublicAddress": resource("EC2::EIP", Domain="vpc", Tags=tags),
        "PublicAddressOfManager": resource(
            "EC2::EIPAssociation",
            AllocationId=attribute("PublicAddress", "AllocationId"),
            NetworkInterfaceId=ref("ManagerInterface"),
        ),
    }


def _forwarding(position: Position) -> dict[str, Resource]:
    return {
        # A group filters packets where they enter, whatever their destination: this rule also lets workers reach
        # the manager's other ports. What listens there beside the hub listens on the loopback interface.
        "ForwardedFromWorkers": _ingress(
            "ManagerGroup", -1, "traffic of the workers to the internet", **_source("WorkerGroup")
        ),
        "WorkerDefault": resource(
            "EC2::Route",
            RouteTableId=position.forwards_for,
            DestinationCidrBlock=ANYWHERE,
            NetworkInterfaceId=ref("ManagerInterface"),
        ),
    }


def _source(group: str) -> dict[str, Any]:
    return {"SourceSecurityGroupId": attribute(group, "GroupId")}


def _ingress(group: str, port: int, why: str, **source: Any) -> Resource:
    """TCP to one port; all traffic where the port is -1."""
    ports = {"IpProtocol": "-1"} if port == -1 else {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return resource(
        "EC2::SecurityGroupIngress", GroupId=attribute(group, "GroupId"), Description=why, **ports, **source
    )
