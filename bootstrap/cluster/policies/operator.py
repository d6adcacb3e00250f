"""The operator's policies: what building, changing and removing one cluster takes, for those who are no administrators.

Who writes the functions' roles and may pass them could write one that does anything: these policies keep an operator
from mistakes and from other clusters; one who is not trusted with the account needs a permissions boundary beside them.

Resources are named one by one: a pattern of cluster `a` would match those of a cluster `a-b`.
"""

from pathlib import Path

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.dns.hosted_zones import normalized
from bootstrap.cluster.documents import filled_in
from bootstrap.cluster.policies.statements import Document, document
from lifecycle_app.contract import idle_alarm_prefix


def operator_policies(scope: Scope) -> dict[str, Document]:
    """By a name each: the statements in `operator.yaml`, for this cluster's own resources."""
    arns = {**_of_ec2(scope), **_of_roles(scope), **_of_dns(scope), **_of_the_rest(scope)}
    statements = filled_in(
        Path(__file__).with_name("operator.yaml"),
        cluster=scope.cluster,
        ec2_service=scope.ec2_service,
        **arns,
    )
    if not scope.domain:
        del statements["records"]
    return {name: document(*of_policy) for name, of_policy in statements.items()}


def _of_ec2(scope: Scope) -> dict[str, object]:
    return {
        "everything_in_ec2": [scope.arn("ec2", "*")],
        "instances": scope.arn("ec2", "instance/*"),
        "volumes": scope.arn("ec2", "volume/*"),
        "interfaces": scope.arn("ec2", "network-interface/*"),
        "groups": scope.arn("ec2", "security-group/*"),
        "subnets": scope.arn("ec2", "subnet/*"),
        "images": scope.public_arn("image/*"),
        "snapshots": scope.public_arn("snapshot/*"),
        "public_parameters": f"arn:{scope.partition}:ssm:{scope.region}::parameter/aws/service/*",
    }


def _of_roles(scope: Scope) -> dict[str, object]:
    machines = [names.role(scope.cluster, part) for part in names.MACHINE_ROLES]
    functions = names.functions(scope.cluster)
    return {
        "roles": [scope.iam_arn(f"role/{name}") for name in (*machines, *functions)],
        "machine_roles": [scope.iam_arn(f"role/{name}") for name in machines],
        "function_roles": [scope.iam_arn(f"role/{name}") for name in functions],
        "profiles": [scope.iam_arn(f"instance-profile/{name}") for name in machines],
    }


def _of_dns(scope: Scope) -> dict[str, object]:
    return {
        "zones": [scope.zone_arn(zone) for zone in scope.zones or ("*",)],
        "dns_changes": f"arn:{scope.partition}:route53:::change/*",
        "record_names": [normalized(name) for name in (scope.domain, f"*.{scope.domain}")],
    }


def _of_the_rest(scope: Scope) -> dict[str, object]:
    cluster, functions = scope.cluster, names.functions(scope.cluster)
    stacks = [*names.stacks(cluster), names.network_stack("*")]
    groups = [names.log_group(cluster), *map(names.function_log_group, functions)]
    alarms = [f"{idle_alarm_prefix(cluster)}i-*", names.alarm(cluster, "*")]
    dashboard = f"dashboard/{names.dashboard(cluster)}"
    return {
        "stacks": [scope.arn("cloudformation", f"stack/{name}/*") for name in stacks],
        "tables": [scope.table(table) for table in names.TABLES],
        "indexes": [scope.indexes("workers"), scope.indexes("history")],
        "bucket": [scope.bucket_arn],
        "bundles": [f"{scope.bucket_arn}/*"],
        "secrets": [scope.parameter("*")],
        "log_groups": [
            scope.arn("logs", f"log-group:{group}{end}") for group in groups for end in ("", ":*")
        ],
        "functions": [scope.arn("lambda", f"function:{name}") for name in functions],
        "rules": [scope.arn("events", f"rule/{name}*") for name in functions],
        "event_bus": scope.arn("events", "event-bus/default"),
        "queue": scope.arn("sqs", names.dead_letter_queue(cluster)),
        "topic": scope.arn("sns", names.alerts(cluster)),
        "alarms": [scope.arn("cloudwatch", f"alarm:{name}") for name in alarms],
        "dashboard": f"arn:{scope.partition}:cloudwatch::{scope.account}:{dashboard}",
    }
