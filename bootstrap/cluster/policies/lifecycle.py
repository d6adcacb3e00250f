"""The lifecycle app's roles, one a function: each records, and those that decide may stop; none starts anything."""

from collections.abc import Callable, Mapping

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Document, Statement, allow, deny, document
from lifecycle_app.contract import idle_alarm_prefix

Power = Callable[[Scope], Statement]


def read_workers(scope: Scope) -> Statement:
    return allow("ReadWorkers", ["dynamodb:GetItem"], [scope.table("workers")])


def find_by(index: str) -> Power:
    def find_workers(scope: Scope) -> Statement:
        return allow("FindWorkers", ["dynamodb:Query"], [f"{scope.table('workers')}/index/{index}"])

    return find_workers


def write_workers(scope: Scope) -> Statement:
    return allow("WriteWorkers", ["dynamodb:UpdateItem"], [scope.table("workers")])


def write_history(scope: Scope) -> Statement:
    return allow("WriteHistory", ["dynamodb:PutItem"], [scope.table("history")])


def read_settings(scope: Scope) -> Statement:
    return allow("ReadSettings", ["dynamodb:BatchGetItem"], [scope.table("settings")])


def see_instances(_: Scope) -> Statement:
    return allow("SeeInstances", ["ec2:DescribeInstances"], ["*"])  # EC2 knows no resources for Describe


def stop_workers(scope: Scope) -> Statement:
    return allow(
        "StopWorkers",
        ["ec2:StopInstances"],
        [scope.arn("ec2", "instance/*")],
        {"StringEquals": scope.worker_tags_of_resource},
    )


def put_alarms(scope: Scope) -> Statement:
    """Idle alarms that only send events: an alarm with an action could stop, reboot or terminate by itself."""
    return allow(
        "PutIdleAlarms",
        ["cloudwatch:PutMetricAlarm"],
        [_idle_alarms(scope)],
        {"Null": {"cloudwatch:AlarmActions": "true"}},
    )


def delete_alarms(scope: Scope) -> Statement:
    return allow("DeleteIdleAlarms", ["cloudwatch:DeleteAlarms"], [_idle_alarms(scope)])


def see_alarms(scope: Scope) -> Statement:
    return allow("SeeAlarms", ["cloudwatch:DescribeAlarms"], [scope.arn("cloudwatch", "alarm:*")])


def read_metrics(_: Scope) -> Statement:
    return allow("ReadMetrics", ["cloudwatch:GetMetricData"], ["*"])  # metrics have no ARNs


def ask_hub(scope: Scope) -> Statement:
    """The token for the hub's drain handler and user list. The aws/ssm key's own policy lets SSM decrypt it."""
    return allow("ReadHubToken", ["ssm:GetParameter"], [scope.parameter("lifecycle-token")])


def never_start(_: Scope) -> Statement:
    """Holds beside any other policy."""
    return deny(
        "NeverStart", ["ec2:Create*", "ec2:Request*", "ec2:Run*", "ec2:Start*", "iam:*", "sts:AssumeRole*"]
    )


_CHANGE = (read_workers, write_workers, write_history)  # read a record, decide, write it and say why
_STOP = (*_CHANGE, ask_hub, stop_workers)

POWERS: Mapping[str, tuple[Power, ...]] = {
    "record_state": (*_CHANGE, find_by("instance"), read_settings, see_instances, put_alarms, delete_alarms),
    "idle_alarm": (*_STOP, find_by("instance"), read_settings, read_metrics),
    "record_activity": (find_by("due"), write_workers, read_settings, read_metrics, ask_hub),
    "sweep": (*_STOP, find_by("due"), read_settings, read_metrics),
    "stop_requested": _STOP,
    "reconcile": (
        *_STOP,
        find_by("changed"),
        read_settings,
        read_metrics,
        see_instances,
        see_alarms,
        put_alarms,
        delete_alarms,
    ),
}


def lifecycle_policies(scope: Scope) -> dict[str, Document]:
    """The policy of each handler in app.py, by its name."""
    return {
        name: document(
            *(power(scope) for power in (*powers, _forward_failures, never_start)), _own_log(scope, name)
        )
        for name, powers in POWERS.items()
    }


def _idle_alarms(scope: Scope) -> str:
    """Up to the `i-` of the instance id, so that cluster `a` does not reach into one named `a-idle-b`."""
    return scope.arn("cloudwatch", f"alarm:{idle_alarm_prefix(scope.cluster)}i-*")


def _forward_failures(scope: Scope) -> Statement:
    """Lambda sends what failed for good to the dead-letter queue by the function's own role."""
    queue = scope.arn("sqs", names.dead_letter_queue(scope.cluster))
    return allow("ForwardFailures", ["sqs:SendMessage"], [queue])


def _own_log(scope: Scope, function: str) -> Statement:
    """Chalice makes the log group, with its retention, so that no function needs to."""
    group = scope.arn(
        "logs", f"log-group:{names.function_log_group(names.function(scope.cluster, function))}"
    )
    return allow("WriteOwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{group}:*"])
