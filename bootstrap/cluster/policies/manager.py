"""The manager's role: its hub launches and starts this cluster's workers; it stops, changes and writes nothing.

The explicit denials hold beside any other policy: the manager's role has the one for Session Manager too.
"""

from pathlib import Path

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.dns.hosted_zones import normalized
from bootstrap.cluster.documents import filled_in
from bootstrap.cluster.policies.statements import Document, Statement, allow, document
from lifecycle_app.contract import (
    TAG_CLUSTER,
    TAG_CREATOR,
    TAG_NAME,
    TAG_OWNER,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
)

TAG_KEYS = (TAG_NAME, TAG_OWNER, TAG_CREATOR, TAG_CLUSTER, TAG_ROLE, TAG_USER, TAG_SERVER)


def manager_policy(scope: Scope) -> Document:
    """All that the manager's role may do, and what it may never do: the statements in `manager.yaml`."""
    parts = filled_in(Path(__file__).with_name("manager.yaml"), **_values(scope))
    if scope.challenge:
        parts["allowed"] += parts["validation"]
        parts["never_in_dns"] += parts["never_but_validation"]
    else:
        parts["never_in_dns"][0]["Action"].append("route53:ChangeResourceRecordSets")
    return document(*parts["allowed"], *parts["never_in_ec2"], *parts["never_in_dns"], *parts["never"])


def _values(scope: Scope) -> dict[str, object]:
    subnets = [scope.arn("ec2", f"subnet/{subnet}") for subnet in scope.subnets or ("*",)]
    groups = [scope.arn("ec2", f"security-group/{group}") for group in scope.security_groups or ("*",)]
    challenge = scope.challenge
    return {
        "cluster": scope.cluster,
        "instances": scope.arn("ec2", "instance/*"),
        "volumes": scope.arn("ec2", "volume/*"),
        "interfaces": scope.arn("ec2", "network-interface/*"),
        "subnets": subnets,
        "places": [*subnets, *groups],
        "launch_images": _launch_images(scope),
        "tag_keys": list(TAG_KEYS),
        "worker_role": scope.iam_arn(f"role/{scope.worker_role}"),
        "worker_profile": scope.iam_arn(f"instance-profile/{scope.worker_role}"),
        "ec2_service": scope.ec2_service,
        "tables": [scope.table(table) for table in names.TABLES],
        "indexes": [scope.indexes("workers"), scope.indexes("history")],
        "secrets": [scope.parameter("hub/*"), scope.parameter("lifecycle-token")],
        "event_bus": scope.arn("events", "event-bus/default"),
        "bundles": scope.bundles(),
        "log": scope.arn("logs", f"log-group:{names.log_group(scope.cluster)}"),
        "zone": scope.zone_arn(challenge.zone_id if challenge else ""),
        "record": normalized(challenge.record if challenge else ""),
        "record_changes": f"arn:{scope.partition}:route53:::change/*",
    }


def _launch_images(scope: Scope) -> Statement:
    """Those that are named, or the account's own."""
    if scope.images:
        images = [scope.public_arn(f"image/{image}") for image in scope.images]
        return allow("LaunchImages", ["ec2:RunInstances"], images)
    owned = {"StringLike": {"ec2:Owner": scope.account}}
    return allow("LaunchImages", ["ec2:RunInstances"], [scope.public_arn("image/*")], owned)
