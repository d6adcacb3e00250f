"""The lifecycle app's roles, one a function: each records, and those that decide may stop; none starts anything."""

from collections.abc import Mapping
from pathlib import Path

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.documents import filled_in
from bootstrap.cluster.policies.statements import Document, document
from lifecycle_app.contract import idle_alarm_prefix

_CHANGE = ("read_workers", "write_workers", "write_history")  # read a record, decide, write it and say why
_STOP = (*_CHANGE, "ask_hub", "stop_workers")
_EVIDENCE = ("read_settings", "read_metrics")
_ALARMS = ("put_alarms", "delete_alarms")
_ALL = ("forward_failures", "never_start", "write_own_log")

POWERS: Mapping[str, tuple[str, ...]] = {
    "record_state": (*_CHANGE, "find_by_instance", "read_settings", "see_instances", *_ALARMS),
    "idle_alarm": (*_STOP, "find_by_instance", *_EVIDENCE),
    "record_activity": ("find_by_due", "write_workers", *_EVIDENCE, "ask_hub"),
    "sweep": (*_STOP, "find_by_due", *_EVIDENCE),
    "stop_requested": _STOP,
    "reconcile": (*_STOP, "find_by_changed", *_EVIDENCE, "see_instances", "see_alarms", *_ALARMS),
}
"""The statements of `lifecycle.yaml` that each handler's function has, beside those that all have."""


def lifecycle_policies(scope: Scope) -> dict[str, Document]:
    """The policy of each handler in app.py, by its name."""
    return {name: document(*_statements(scope, name, powers)) for name, powers in POWERS.items()}


def _statements(scope: Scope, handler: str, powers: tuple[str, ...]) -> list[Document]:
    group = names.function_log_group(names.function(scope.cluster, handler))
    # Up to the `i-` of the instance id, so that cluster `a` does not reach into one named `a-idle-b`.
    idle_alarms = scope.arn("cloudwatch", f"alarm:{idle_alarm_prefix(scope.cluster)}i-*")
    known = filled_in(
        Path(__file__).with_name("lifecycle.yaml"),
        **{table: scope.table(table) for table in names.TABLES},
        instances=scope.arn("ec2", "instance/*"),
        worker_tags=scope.worker_tags_of_resource,
        idle_alarms=idle_alarms,
        alarms=scope.arn("cloudwatch", "alarm:*"),
        hub_token=scope.parameter("lifecycle-token"),
        queue=scope.arn("sqs", names.dead_letter_queue(scope.cluster)),
        own_log=scope.arn("logs", f"log-group:{group}"),
    )
    return [known[power] for power in (*powers, *_ALL)]
