"""Builds the cluster in the local cloud: network, tables, roles, secrets, image, policy, users."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from bootstrap import secrets, stacks
from bootstrap.local.settings import ACCOUNT, REGION, LocalSettings
from bootstrap.policies import Scope
from bootstrap.templates import access_template, data_template, network_template

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

USERS = {"alice": False, "bob": False, "carol": True}
IMAGE_NAME = "cloudjhub-{cluster}-worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built, as the other parts need it."""

    outputs: dict[str, str]
    image: str
    scope: Scope


def scope_of(settings: LocalSettings) -> Scope:
    """Whose policies are written: account, region and cluster."""
    return Scope(
        account=ACCOUNT,
        region=REGION,
        cluster=settings.cluster,
    )


def build(settings: LocalSettings) -> Built:
    """Create what is missing and change what differs; run again, it changes nothing."""
    cloudformation, ssm, ec2 = boto3.client("cloudformation"), boto3.client("ssm"), boto3.client("ec2")
    scope, prefix = scope_of(settings), f"cloudjhub-{settings.cluster}"
    network = network_template(settings.cluster, settings.vpc, settings.zones)
    outputs = stacks.apply(cloudformation, f"{prefix}-network", network)
    stacks.apply(cloudformation, f"{prefix}-data", data_template(settings.cluster))
    stacks.apply(cloudformation, f"{prefix}-access", access_template(scope))
    secrets.ensure(ssm, settings.cluster)
    boto3.client("dynamodb").put_item(
        TableName=f"{prefix}-settings",
        Item={"scope": {"S": "cluster"}, "policy": {"S": json.dumps(settings.policy_document())}},
    )
    write_users(settings)
    return Built(outputs=outputs, image=_image(ec2, IMAGE_NAME.format(cluster=settings.cluster)), scope=scope)


def write_users(settings: LocalSettings) -> None:
    """The `users` file; one that exists is the operator's and stays."""
    path = settings.state_dir / "users"
    if not path.exists():
        path.write_text("".join(f"{name}{' admin' * is_admin}\n" for name, is_admin in USERS.items()))


def _image(ec2: "EC2Client", name: str) -> str:
    found = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])["Images"]
    if found:
        return found[0]["ImageId"]
    return ec2.register_image(
        Name=name,
        Description="A worker: JupyterLab, the boot client and the activity reporter",
        Architecture="x86_64",
        RootDeviceName="/dev/xvda",
        VirtualizationType="hvm",
    )["ImageId"]
