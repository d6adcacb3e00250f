"""The network of a cluster: one VPC, worker subnets in two zones, security groups without cycles."""

from ipaddress import IPv4Network
from typing import Any

TEMPLATE_VERSION = "2010-09-09"
# The manager's subnet holds a handful of addresses; a worker subnet holds one for every registered
# user of its zone, for stopped instances keep their addresses.
MANAGER_PREFIX, WORKER_PREFIX = 24, 20
HUB_PORT, WORKER_PORT = 8081, 8888


def subnet_ranges(vpc: IPv4Network, zones: int) -> tuple[IPv4Network, list[IPv4Network]]:
    """The manager's subnet and one worker subnet a zone, within `vpc`; ValueError where they do not fit."""
    manager = next(vpc.subnets(new_prefix=MANAGER_PREFIX))
    workers = [block for block in vpc.subnets(new_prefix=WORKER_PREFIX) if not block.overlaps(manager)]
    if len(workers) < zones:
        raise ValueError(f"the network {vpc} is too small for {zones} worker subnets: take a /16")
    return manager, workers[:zones]


def network_template(cluster: str, vpc: IPv4Network, zones: list[str]) -> dict[str, Any]:
    """The CloudFormation template of the network; outputs the ids that the other parts need."""
    manager, workers = subnet_ranges(vpc, len(zones))
    resources: dict[str, Any] = {
        "Vpc": _resource("VPC", cluster, "network", CidrBlock=str(vpc), EnableDnsHostnames=True),
        "ManagerSubnet": _subnet(cluster, "manager", manager, zones[0]),
        **{
            f"WorkerSubnet{n}": _subnet(cluster, "worker", block, zone)
            for n, (block, zone) in enumerate(zip(workers, zones, strict=True), start=1)
        },
        **_security_groups(cluster),
    }
    return {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": f"cloudJHub {cluster}: network",
        "Resources": resources,
        "Outputs": {name: {"Value": {"Ref": name}} for name in resources if "Subnet" in name or name == "Vpc"}
        | {name: {"Value": {"Fn::GetAtt": [name, "GroupId"]}} for name in ("ManagerGroup", "WorkerGroup")},
    }


def _resource(kind: str, cluster: str, name: str, **properties: Any) -> dict[str, Any]:
    tags = [
        {"Key": "Name", "Value": f"cloudjhub-{cluster}-{name}"},
        {"Key": "cloudjhub:cluster", "Value": cluster},
    ]
    return {"Type": f"AWS::EC2::{kind}", "Properties": {**properties, "Tags": tags}}


def _subnet(cluster: str, role: str, block: IPv4Network, zone: str) -> dict[str, Any]:
    return _resource(
        "Subnet", cluster, f"{role}-{zone}", VpcId={"Ref": "Vpc"}, CidrBlock=str(block), AvailabilityZone=zone
    )


def _security_groups(cluster: str) -> dict[str, Any]:
    """Groups refer to each other in one direction only, manager -> worker by rules apart, so that both can go."""

    def group(role: str, purpose: str) -> dict[str, Any]:
        return _resource("SecurityGroup", cluster, role, GroupDescription=purpose, VpcId={"Ref": "Vpc"})

    def ingress(target: str, source: str, port: int, why: str) -> dict[str, Any]:
        return {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Fn::GetAtt": [target, "GroupId"]},
                "SourceSecurityGroupId": {"Fn::GetAtt": [source, "GroupId"]},
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "Description": why,
            },
        }

    return {
        "ManagerGroup": group("manager", "JupyterHub and its proxy"),
        "WorkerGroup": group("worker", "Workers, reached by the manager only"),
        "HubFromWorkers": ingress("ManagerGroup", "WorkerGroup", HUB_PORT, "workers ask the hub"),
        "WorkersFromHub": ingress("WorkerGroup", "ManagerGroup", WORKER_PORT, "the proxy reaches workers"),
    }
