"""The policies of a cluster's roles, and their trust policies.

The manager's hub launches and starts this cluster's workers; it stops, changes and writes nothing. Workers report,
builders fetch. Of the lifecycle app's functions each records, those that decide may stop, and one of its own may
terminate; none starts anything. The explicit denials hold beside any other policy: the manager's role has the one for
Session Manager too.

No aws:SourceAccount in a trust policy: neither EC2 nor Lambda is documented to send it when it hands out a role's
credentials, and a role can be given to an instance or a function only by iam:PassRole in the role's own account.
"""

from collections.abc import Mapping, Sequence

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.resources import DLM, Document, Statement, document, statements

_CHANGE = ("read_workers", "write_workers", "write_history")  # read a record, decide, write it and say why
_STOP = (*_CHANGE, "ask_hub", "stop_workers")
_EVIDENCE = ("read_settings", "read_metrics")
_ALARMS = ("put_alarms", "delete_alarms")
_NEVER = ("never_start",)
_NEVER_BUT_TAGS = ("make_nothing", "never_start_or_make")
_IN_VPC = ("never_start_in_vpc", "join_vpc", "never_join")
"""In the place of `_NEVER` where Lambda makes network interfaces by the function's role."""
_ALL = ("forward_failures", "write_own_log")

POWERS: Mapping[str, tuple[str, ...]] = {
    "record_state": (*_CHANGE, "find_by_instance", "read_settings", "see_instances", *_ALARMS),
    "idle_alarm": (*_STOP, "find_by_instance", *_EVIDENCE),
    "record_activity": ("find_by_due_and_changed", "write_workers", *_EVIDENCE, "ask_hub"),
    "sweep": (*_STOP, "find_by_due", *_EVIDENCE),
    "stop_requested": _STOP,
    "keep_requested": (*_CHANGE, "read_settings"),
    "change_policy": ("change_policies",),
    "reconcile": (
        *_STOP,
        "find_by_changed",
        *_EVIDENCE,
        "see_instances",
        "see_alarms",
        "list_metrics",
        *_ALARMS,
    ),
    "remove_stopped": (*_CHANGE, "find_by_changed", "see_instances", "ask_hub", "terminate_workers"),
    "grow_homes": ("find_by_due", "write_history", "read_metrics", "see_volumes", "grow_homes", "mark_homes"),
}
"""The statements of `lifecycle.yaml` that each handler's function has, beside those that all have."""


_WRITES = ("write_workers", "write_history")


def key_powers(powers: Sequence[str]) -> tuple[str, ...]:
    """What a function with these powers needs of the key that its tables and the hub's token are encrypted with."""
    tables = "key_for_writing" if set(powers) & set(_WRITES) else "key_for_reading"
    return ("see_key", tables, *(("key_for_hub_token",) if "ask_hub" in powers else ()))


def asks_hub(handler: str) -> bool:
    """Does this function ask the hub? In a private cluster such a function runs in the VPC."""
    return "ask_hub" in POWERS[handler]


def lifecycle_policies(scope: Scope) -> dict[str, Document]:
    """The policy of each handler in app.py, by its name."""
    found = {}
    for handler, powers in POWERS.items():
        known = statements("lifecycle", scope, handler)
        never: tuple[str, ...] = _NEVER_BUT_TAGS if "mark_homes" in powers else _NEVER
        if scope.is_private and asks_hub(handler):
            never = _IN_VPC
        of_key = key_powers(powers) if scope.key else ()
        found[handler] = document(*(known[power] for power in (*powers, *of_key, *never, *_ALL)))
    return found


def manager_policy(scope: Scope) -> Document:
    """All that the manager's role may do, and what it may never do."""
    parts = statements("manager", scope)
    if scope.challenge:
        parts["allowed"] += parts["validation"]
        parts["never_in_dns"] += parts["never_but_validation"]
    else:
        parts["never_in_dns"][0]["Action"].append("route53:ChangeResourceRecordSets")
    if scope.key:
        parts["allowed"] += parts["key"]
    images = parts["launch_chosen_images" if scope.images else "launch_own_images"]
    allowed = [*parts["launch"], *images, *parts["allowed"]]
    return document(*allowed, *parts["never_in_ec2"], *parts["never_in_dns"], *parts["never"])


def worker_policy(scope: Scope) -> Document:
    """A worker may report activity in its cluster's namespace."""
    return document(*statements("machines", scope)["worker"])


def builder_policy(scope: Scope) -> Document:
    """A builder may read the cluster's bundles."""
    return document(*statements("machines", scope)["builder_with_key" if scope.key else "builder"])


def backup_policy(scope: Scope) -> Document:
    """Data Lifecycle Manager makes snapshots of this cluster's homes, and deletes those."""
    parts = statements("machines", scope)
    if not scope.key:
        return document(*parts["backups"])
    *allowed, nothing_else = parts["backups"]
    of_key = parts["key_for_backups"]
    verbs = [action for one in of_key if one["Effect"] == "Allow" for action in one["Action"]]
    return document(*allowed, *of_key, {**nothing_else, "NotAction": [*nothing_else["NotAction"], *verbs]})


def ec2_trust(scope: Scope) -> Document:
    """The trust policy of manager and worker roles."""
    return _trust(scope.ec2_service)


def lambda_trust() -> Document:
    """The trust policy of the functions' roles."""
    return _trust("lambda.amazonaws.com")


def dlm_trust(scope: Scope) -> Document:
    """The trust policy of the role for backups. The service says for which policy it asks: one of this account's."""
    policies = {"ArnLike": {"aws:SourceArn": scope.arn("dlm", "policy/*")}}
    return document({**_trusted(DLM), "Condition": policies})


def _trust(service: str) -> Document:
    return document(_trusted(service))


def _trusted(service: str) -> Statement:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
