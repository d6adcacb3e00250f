"""What holds a network, or a cluster's place in it, that is to be removed, and is not ours: AWS deletes no subnet or
security group that something is in.

Such are the network interfaces of other services and people, endpoints (GuardDuty makes one by itself in the VPC of an
instance), and security groups that were made by hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootstrap.aws.instances import tags_of
from bootstrap.aws.session import Aws
from bootstrap.cluster.templates.parts import TAG_NETWORK
from lifecycle_app.contract import TAG_CLUSTER

Facts = Mapping[str, Any]
"""As EC2 describes it."""
Filters = Mapping[str, Sequence[str]]
DEFAULT_GROUP = "default"
"""The name of the security group that each VPC has, and that goes with it."""


def in_vpc(aws: Aws, vpc: str) -> list[str]:
    """What is in a VPC of ours and not in a stack of ours, each with what AWS says it is; sorted."""
    here = {"vpc-id": [vpc]}
    # An endpoint's own interfaces go with it.
    interfaces = [one for one in _interfaces(aws, here) if one.get("InterfaceType") != "vpc_endpoint"]
    groups = [one for one in _groups(aws, here) if one["GroupName"] != DEFAULT_GROUP]
    return sorted(
        {*map(_endpoint, _endpoints(aws, here)), *map(_interface, interfaces), *map(_group, groups)}
    )


def of_groups(aws: Aws, groups: Sequence[str]) -> list[str]:
    """What is not ours and uses these security groups of ours, or names one in a rule; sorted."""
    interfaces = [one for group in groups for one in _interfaces(aws, {"group-id": [group]})]
    naming = [
        one
        for group in groups
        for rule in ("ip-permission.group-id", "egress.ip-permission.group-id")
        for one in _groups(aws, {rule: [group]})
    ]
    return sorted({*map(_interface, interfaces), *map(_group, naming)})


def _endpoint(found: Facts) -> str:
    return f"the endpoint {found['VpcEndpointId']} of {found['ServiceName']}"


def _interface(found: Facts) -> str:
    what = found.get("Description") or found.get("RequesterId") or "without a description"
    return f"the network interface {found['NetworkInterfaceId']} ({what})"


def _group(found: Facts) -> str:
    return f"the security group {found['GroupId']} ({found['GroupName']})"


def _endpoints(aws: Aws, filters: Filters) -> list[Facts]:
    found = _not_ours(aws, "describe_vpc_endpoints", "VpcEndpoints", filters)
    return [one for one in found if str(one["State"]).lower() != "deleted"]


def _interfaces(aws: Aws, filters: Filters) -> list[Facts]:
    return list(_not_ours(aws, "describe_network_interfaces", "NetworkInterfaces", filters))


def _groups(aws: Aws, filters: Filters) -> list[Facts]:
    return list(_not_ours(aws, "describe_security_groups", "SecurityGroups", filters))


def _not_ours(aws: Aws, call: str, key: str, filters: Filters) -> Iterator[Facts]:
    """What carries neither a cluster's tag nor a network's."""
    client: Any = aws.client("ec2")
    wanted = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
    for page in client.get_paginator(call).paginate(Filters=wanted):
        for one in page[key]:
            tags = {**tags_of(one), **tags_of({"Tags": one.get("TagSet", [])})}
            if TAG_CLUSTER not in tags and TAG_NETWORK not in tags:
                yield one
