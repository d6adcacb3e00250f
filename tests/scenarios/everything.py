"""Everything there is in an account, listed service by service and not by tag: what is left is seen whoever made it."""

from collections.abc import Iterator
from typing import Any

from tests.scenarios.cloud import LocalCloud

GONE = {"terminated", "shutting-down", "deleted", "deleting"}
EC2 = {
    "describe_volumes": ("Volumes", "VolumeId", "State"),
    "describe_network_interfaces": ("NetworkInterfaces", "NetworkInterfaceId", ""),
    "describe_addresses": ("Addresses", "AllocationId", ""),
    "describe_vpcs": ("Vpcs", "VpcId", ""),
    "describe_subnets": ("Subnets", "SubnetId", ""),
    "describe_security_groups": ("SecurityGroups", "GroupId", ""),
    "describe_route_tables": ("RouteTables", "RouteTableId", ""),
    "describe_internet_gateways": ("InternetGateways", "InternetGatewayId", ""),
    "describe_nat_gateways": ("NatGateways", "NatGatewayId", "State"),
    "describe_egress_only_internet_gateways": (
        "EgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayId",
        "",
    ),
    "describe_vpc_endpoints": ("VpcEndpoints", "VpcEndpointId", "State"),
}
OTHERS = (
    ("dynamodb", "list_tables", "TableNames", None),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("events", "list_rules", "Rules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("cloudformation", "describe_stacks", "Stacks", "StackName"),
)


def everything(cloud: LocalCloud) -> set[str]:
    """`kind name` of each thing that exists."""
    return {*_ec2(cloud), *_images(cloud), *_others(cloud)}


def _ec2(cloud: LocalCloud) -> Iterator[str]:
    ec2 = cloud.client("ec2")
    for reservation in ec2.describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in GONE:
                yield f"instance {instance['InstanceId']}"
    for call, (answer, key, state) in EC2.items():
        for one in getattr(ec2, call)()[answer]:
            if one.get(state, "") not in GONE:
                yield f"{answer} {one[key]}"


def _images(cloud: LocalCloud) -> Iterator[str]:
    ec2 = cloud.client("ec2")
    yield from (f"image {one['ImageId']}" for one in ec2.describe_images(Owners=["self"])["Images"])
    yield from (
        f"snapshot {one['SnapshotId']}" for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    )


def _others(cloud: LocalCloud) -> Iterator[str]:
    for service, call, answer, key in OTHERS:
        found: list[Any] = getattr(cloud.client(service), call)().get(answer, [])
        for one in found:
            if not (isinstance(one, dict) and one.get("StackStatus") == "DELETE_COMPLETE"):
                yield f"{service} {one[key] if key else one}"
