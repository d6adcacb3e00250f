"""A cluster's own: what it keeps (tables, bucket, logs), and the roles of its machines and functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies import (
    backup_policy,
    builder_policy,
    dlm_trust,
    ec2_trust,
    lambda_trust,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)
from bootstrap.cluster.policies.resources import Document
from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    attribute,
    cluster_tags,
    constant_parts,
    ref,
    resource,
    template,
)
from hub.database.archive import KEPT, PREFIX
from lifecycle_app.contract import TAG_BACKUP, TAG_CLUSTER

BACKUPS_AT = "03:00"
"""UTC; Data Lifecycle Manager begins within the hour after it."""


def data_template(cluster: str, bucket: str, audit_days: int, key: str = "") -> Template:
    """The template of what a cluster keeps, `bucket` being its bucket's name, `key` the ARN of the KMS key that all of
    it is encrypted with, "" for AWS's own. Outputs: Bucket, LogGroup.
    """
    tables = {name: names.table(cluster, name) for name in names.TABLES}
    groups = {"log_group": names.log_group(cluster), "audit_log_group": names.audit_log_group(cluster)}
    backups = {"backup_prefix": PREFIX, "backup_days": KEPT.days}
    made = constant_parts(
        "data", cluster=cluster, bucket=bucket, audit_days=audit_days, **backups, **groups, **tables
    )
    return {**made, "Resources": _encrypted(made["Resources"], key)} if key else made


def _encrypted(resources: Mapping[str, Resource], key: str) -> dict[str, Resource]:
    """The resources with the key on each that can have one. A bucket key asks KMS once for many objects."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    properties: Mapping[str, Mapping[str, Any]] = {
        "AWS::DynamoDB::Table": {
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
        },
        "AWS::S3::Bucket": {"BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}},
        "AWS::Logs::LogGroup": {"KmsKeyId": key},
    }
    return {
        name: {**one, "Properties": {**one["Properties"], **properties.get(one["Type"], {})}}
        for name, one in resources.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class BillAlarm:
    """Whom AWS Budgets writes to, and at how many US dollars a month."""

    address: str
    dollars: float


def access_template(scope: Scope, backup_days: int = 0, bill_alarm: BillAlarm | None = None) -> Template:
    """The template of all roles: three of machines with their instance profiles, one of each function, and one for the
    daily backups of homes, which are kept for so many days; 0: none are made. And of the alarm about the bill.
    """
    cluster, prefix = scope.cluster, scope.role_prefix
    machines = {
        names.role(cluster, "manager", prefix): ("Manager", manager_policy(scope)),
        scope.worker_role: ("Worker", worker_policy(scope)),
        names.role(cluster, "builder", prefix): ("Builder", builder_policy(scope)),
    }
    resources = {}
    for name, (logical, policy) in machines.items():
        resources[f"{logical}Role"] = _role(name, scope, ec2_trust(scope), policy)
        resources[f"{logical}Profile"] = _profile(name, scope, f"{logical}Role")
    for handler, policy in lifecycle_policies(scope).items():
        logical = "".join(map(str.capitalize, handler.split("_")))
        name = names.function_role(cluster, handler, prefix)
        resources[f"{logical}Role"] = _role(name, scope, lambda_trust(), policy)
    backups = names.role(cluster, names.BACKUPS, prefix)
    resources["BackupsRole"] = _role(backups, scope, dlm_trust(scope), backup_policy(scope))
    if backup_days:
        resources["HomeBackups"] = _home_backups(cluster, backup_days)
    if bill_alarm:
        resources["BillAlarm"] = _bill_alarm(scope, bill_alarm)
    return template(f"cloudJHub {cluster}: roles", resources, {})


def _home_backups(cluster: str, days: int) -> Resource:
    """Daily snapshots of the disks that are marked for them, with all their tags, kept for so many days.

    By age: Data Lifecycle Manager deletes old ones of a disk that is gone, too, except for its last one. A schedule
    with another name would no longer delete the snapshots of the old one.
    """
    schedule = {
        "Name": "daily",
        "CopyTags": True,
        "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": [BACKUPS_AT]},
        "RetainRule": {"Interval": days, "IntervalUnit": "DAYS"},
    }
    return resource(
        "DLM::LifecyclePolicy",
        Description=f"cloudJHub {cluster} - daily backups of homes",
        State="ENABLED",
        ExecutionRoleArn=attribute("BackupsRole", "Arn"),
        PolicyDetails={
            "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
            "ResourceTypes": ["VOLUME"],
            # A policy takes what has one of its tags: one is all that a cluster's homes may have in common.
            "TargetTags": [{"Key": TAG_BACKUP, "Value": cluster}],
            "Schedules": [schedule],
        },
        Tags=cluster_tags(cluster),
    )


def _bill_alarm(scope: Scope, alarm: BillAlarm) -> Resource:
    """A budget of all that carries the cluster's tag, which Cost Explorer knows once it is activated for allocation.

    Its name says what it is: with another address CloudFormation replaces it, making the new one first.
    """
    made_of = sha256(f"{alarm.address} {alarm.dollars}".encode()).hexdigest()[:8]
    subscriber = {"SubscriptionType": "EMAIL", "Address": alarm.address}
    return resource(
        "Budgets::Budget",
        Budget={
            "BudgetName": f"{names.budgets(scope.cluster, scope.region)}{made_of}",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": alarm.dollars, "Unit": "USD"},
            "CostFilters": {"TagKeyValue": [f"user:{TAG_CLUSTER}${scope.cluster}"]},
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": "ACTUAL",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": percent,
                    "ThresholdType": "PERCENTAGE",
                },
                "Subscribers": [subscriber],
            }
            for percent in (80, 100)
        ],
        ResourceTags=cluster_tags(scope.cluster),
    )


def _role(name: str, scope: Scope, trust: Document, policy: Document) -> Resource:
    boundary = {"PermissionsBoundary": scope.boundary} if scope.boundary else {}
    return resource(
        "IAM::Role",
        RoleName=name,
        **_path(scope),
        **boundary,
        AssumeRolePolicyDocument=trust,
        Policies=[{"PolicyName": name, "PolicyDocument": policy}],
        Tags=cluster_tags(scope.cluster),
    )


def _profile(name: str, scope: Scope, role: str) -> Resource:
    return resource("IAM::InstanceProfile", InstanceProfileName=name, **_path(scope), Roles=[ref(role)])


def _path(scope: Scope) -> dict[str, str]:
    return {"Path": scope.role_path} if scope.role_path != "/" else {}
