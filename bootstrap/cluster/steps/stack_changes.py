"""What would change in a stack, seen from its templates: the present one and the wanted one."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bootstrap.aws import stacks
from bootstrap.aws.stacks import Next
from bootstrap.cluster.steps.step import Change, Kind

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

IMMUTABLE: Mapping[str, frozenset[str]] = {
    "AWS::DynamoDB::Table": frozenset({"TableName", "KeySchema"}),
    "AWS::EC2::EIPAssociation": frozenset({"AllocationId", "NetworkInterfaceId"}),
    "AWS::EC2::NatGateway": frozenset({"AllocationId", "SubnetId"}),
    "AWS::EC2::NetworkInterface": frozenset({"PrivateIpAddress", "SubnetId"}),
    "AWS::EC2::Route": frozenset({"DestinationCidrBlock", "RouteTableId"}),
    "AWS::EC2::RouteTable": frozenset({"VpcId"}),
    "AWS::EC2::SecurityGroup": frozenset({"GroupDescription", "GroupName", "VpcId"}),
    "AWS::EC2::SecurityGroupIngress": frozenset(
        {"CidrIp", "FromPort", "GroupId", "IpProtocol", "SourceSecurityGroupId", "ToPort"}
    ),
    "AWS::EC2::Subnet": frozenset({"AvailabilityZone", "CidrBlock", "VpcId"}),
    "AWS::EC2::SubnetRouteTableAssociation": frozenset({"SubnetId"}),
    "AWS::EC2::VPC": frozenset({"CidrBlock"}),
    "AWS::EC2::VPCEndpoint": frozenset({"ServiceName", "VpcEndpointType", "VpcId"}),
    "AWS::IAM::InstanceProfile": frozenset({"InstanceProfileName", "Path"}),
    "AWS::IAM::Role": frozenset({"Path", "RoleName"}),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName"}),
}
"""Properties that CloudFormation can only change by making the resource anew; from its reference."""

Resources = Mapping[str, Mapping[str, Any]]


def stack_changes(
    client: "CloudFormationClient", name: str, template: Mapping[str, Any], tags: Mapping[str, str]
) -> list[Change]:
    """What `stacks.apply` would do: one change for a stack that is to be made, else one for each resource."""
    stack = stacks.current(client, name)
    follows = stacks.next_of(stack["StackStatus"] if stack else None)
    if stack is None or follows is Next.CREATE:
        return [Change(Kind.CREATE, f"stack {name}", _contents(template["Resources"]))]
    status = stack["StackStatus"]
    if follows is Next.DISCARD:
        return [Change(Kind.CREATE, f"stack {name}", f"again, for it is {status}")]
    if follows is not Next.UPDATE:
        return [Change(Kind.CHANGE, f"stack {name}", f"is {status}: goes on from there")]
    has = stacks.template_of(client, name)
    found = resource_changes(has["Resources"], template["Resources"])
    if not found and (has != template or _tags(stack.get("Tags", [])) != dict(tags)):
        return [Change(Kind.CHANGE, f"stack {name}", "its own description, outputs or tags")]
    return found


def resource_changes(before: Resources, after: Resources) -> list[Change]:
    """Resource by resource, in the order of their names."""
    return [
        change
        for logical in sorted({*before, *after})
        if (change := _change(logical, before.get(logical), after.get(logical)))
    ]


def _change(logical: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Change | None:
    if before == after:
        return None
    if before is None or after is None:
        kind, there = (Kind.CREATE, after) if before is None else (Kind.REMOVE, before)
        return Change(kind, logical, str((there or {})["Type"]))
    properties = [
        name
        for name in sorted({*before.get("Properties", {}), *after.get("Properties", {})})
        if before.get("Properties", {}).get(name) != after.get("Properties", {}).get(name)
    ]
    is_replaced = before["Type"] != after["Type"] or IMMUTABLE.get(after["Type"], frozenset()) & {*properties}
    what = ", ".join(properties) or "its policies or order"
    return Change(Kind.REPLACE if is_replaced else Kind.CHANGE, logical, f"{after['Type']}: {what}")


def _contents(resources: Resources) -> str:
    kinds = Counter(str(one["Type"]).rpartition("::")[2] for one in resources.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _tags(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
