"""What the policies name: a cluster's resources as ARNs, by the names that the YAML files have for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.dns.hosted_zones import normalized
from bootstrap.cluster.documents import filled_in
from lifecycle_app.contract import (
    TAG_BACKUP,
    TAG_CLUSTER,
    TAG_CREATOR,
    TAG_NAME,
    TAG_OWNER,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
    idle_alarm_prefix,
    metric_namespace,
)

DLM = "dlm.amazonaws.com"
"""Data Lifecycle Manager's name as a principal."""

Document = dict[str, Any]
Statement = dict[str, Any]

ALARMS_ROLE = "events.amazonaws.com/AWSServiceRoleForCloudWatchEvents"
"""By which CloudWatch has EC2 act on an instance."""
TAG_KEYS = (TAG_NAME, TAG_OWNER, TAG_CREATOR, TAG_CLUSTER, TAG_ROLE, TAG_USER, TAG_SERVER)


def statements(name: str, scope: Scope, handler: str = "") -> dict[str, Any]:
    """The statements in `<name>.yaml` for this cluster, and for one of its functions where they are about one."""
    path = Path(__file__).with_name(f"{name}.yaml")
    return filled_in(
        path,
        **_in_ec2(scope),
        **_roles(scope),
        **_dns(scope),
        **_key(scope),
        **_kept(scope),
        **_running(scope, handler),
    )


def document(*of_policy: Statement) -> Document:
    """A whole policy."""
    return {"Version": "2012-10-17", "Statement": list(of_policy)}


def _in_ec2(scope: Scope) -> Mapping[str, object]:
    subnets = [scope.arn("ec2", f"subnet/{subnet}") for subnet in scope.subnets or ("*",)]
    groups = [scope.arn("ec2", f"security-group/{group}") for group in scope.security_groups or ("*",)]
    return {
        "everything_in_ec2": [scope.arn("ec2", "*")],
        "instances": scope.arn("ec2", "instance/*"),
        "volumes": scope.arn("ec2", "volume/*"),
        "interfaces": scope.arn("ec2", "network-interface/*"),
        "any_group": scope.arn("ec2", "security-group/*"),
        "any_subnet": scope.arn("ec2", "subnet/*"),
        "subnets": subnets,
        "places": [*subnets, *groups],
        "images": scope.public_arn("image/*"),
        "chosen_images": [scope.public_arn(f"image/{image}") for image in scope.images],
        "snapshots": scope.public_arn("snapshot/*"),
        "account": scope.account,
        "cluster": scope.cluster,
        "tag_keys": [*TAG_KEYS, *(key for key in scope.tag_keys if key not in TAG_KEYS)],
        "worker_tags": scope.worker_tags_of_resource,
        "marked_homes": {**scope.worker_tags_of_resource, f"aws:ResourceTag/{TAG_BACKUP}": scope.cluster},
        "homes_to_mark": {**scope.worker_tags_of_resource, f"aws:RequestTag/{TAG_BACKUP}": scope.cluster},
    }


def _roles(scope: Scope) -> Mapping[str, object]:
    machines = [names.role(scope.cluster, part, scope.role_prefix) for part in names.MACHINE_ROLES]
    backups = names.role(scope.cluster, names.BACKUPS, scope.role_prefix)
    functions = [names.function_role(scope.cluster, one, scope.role_prefix) for one in names.HANDLERS]
    return {
        "roles": [scope.role_arn(name) for name in (*machines, backups, *functions)],
        "backup_role": scope.role_arn(backups),
        "backup_policies": scope.arn("dlm", "policy/*"),
        "dlm": DLM,
        "machine_roles": [scope.role_arn(name) for name in machines],
        "function_roles": [scope.role_arn(name) for name in functions],
        "old_function_roles": [scope.iam_arn(f"role/{name}") for name in names.functions(scope.cluster)],
        "profiles": [scope.profile_arn(name) for name in machines],
        "worker_role": scope.role_arn(scope.worker_role),
        "worker_profile": scope.profile_arn(scope.worker_role),
        "alarms_role": scope.iam_arn(f"role/aws-service-role/{ALARMS_ROLE}"),
        "boundary": scope.boundary,
        "ec2_service": scope.ec2_service,
    }


def _dns(scope: Scope) -> Mapping[str, object]:
    challenge = scope.challenge
    return {
        "domain_zones": [scope.zone_arn(zone) for zone in scope.zones or ("*",)],
        "record_names": [normalized(name) for name in (scope.domain, f"*.{scope.domain}")],
        "record_changes": f"arn:{scope.partition}:route53:::change/*",
        "zone": scope.zone_arn(challenge.zone_id if challenge else ""),
        "record": normalized(challenge.record if challenge else ""),
    }


def _key(scope: Scope) -> Mapping[str, object]:
    """The key, and the services by which it is used, as KMS names them: in the region that the key's ARN has."""
    region = scope.key.split(":")[3] if scope.key else scope.region
    return {
        "key": scope.key,
        "ec2_in_region": f"ec2.{region}.amazonaws.com",
        "key_services": [f"{service}.{region}.amazonaws.com" for service in ("dynamodb", "ec2", "s3", "ssm")],
        "table_names": [names.table(scope.cluster, table) for table in names.TABLES],
    }


def _kept(scope: Scope) -> Mapping[str, object]:
    stacks = [*names.stacks(scope.cluster), names.network_stack("*")]
    tables = {table: scope.table(table) for table in names.TABLES}
    of_account = f"arn:{scope.partition}:{{}}::{scope.account}:"
    indexes = [scope.indexes("workers"), scope.indexes("history")]
    return {
        "budgets": f"{of_account.format('budgets')}budget/{names.budgets(scope.cluster, scope.region)}*",
        "billing_view": f"{of_account.format('billing')}billingview/primary",
        "stacks": [scope.arn("cloudformation", f"stack/{name}/*") for name in stacks],
        **tables,
        "tables": list(tables.values()),
        "indexes": indexes,
        "tables_and_indexes": [*tables.values(), *indexes],
        "bucket": [scope.bucket_arn],
        "bucket_objects": [f"{scope.bucket_arn}/*"],
        "bundles": scope.bundles(),
        "backups": scope.backups(),
        "parameters": [scope.parameter("*")],
        "secrets": [scope.parameter("hub/*"), scope.parameter("lifecycle-token")],
        "hub_token": scope.parameter("lifecycle-token"),
        "public_parameters": f"arn:{scope.partition}:ssm:{scope.region}::parameter/aws/service/*",
    }


def _running(scope: Scope, handler: str) -> Mapping[str, object]:
    cluster, functions = scope.cluster, names.functions(scope.cluster)
    groups = names.log_groups(cluster)
    own_log = names.function_log_group(names.function(cluster, handler))
    # Up to the `i-` of the instance id, so that cluster `a` does not reach into one named `a-idle-b`.
    idle_alarms = scope.arn("cloudwatch", f"alarm:{idle_alarm_prefix(cluster)}i-*")
    dashboard = f"dashboard/{names.dashboard(cluster)}"
    return {
        "log": scope.arn("logs", f"log-group:{names.log_group(cluster)}"),
        "audit_log": scope.arn("logs", f"log-group:{names.audit_log_group(cluster)}"),
        "own_log": scope.arn("logs", f"log-group:{own_log}"),
        "log_groups": [
            scope.arn("logs", f"log-group:{group}{end}") for group in groups for end in ("", ":*")
        ],
        "own_function": scope.arn("lambda", f"function:{names.function(cluster, handler)}"),
        "functions": [scope.arn("lambda", f"function:{name}") for name in functions],
        "rules": [scope.arn("events", f"rule/{name}*") for name in functions],
        "event_bus": scope.arn("events", "event-bus/default"),
        "queue": scope.arn("sqs", names.dead_letter_queue(cluster)),
        "topic": scope.arn("sns", names.alerts(cluster)),
        "every_alarm": scope.arn("cloudwatch", "alarm:*"),
        "idle_alarms": idle_alarms,
        "own_alarms": [idle_alarms, scope.arn("cloudwatch", f"alarm:{names.alarm(cluster, '*')}")],
        "dashboard": f"arn:{scope.partition}:cloudwatch::{scope.account}:{dashboard}",
        "namespace": metric_namespace(cluster),
    }
