"""The names of a cluster's parts in AWS. Everything is found by these names and by the cluster's tag."""

import hashlib
from typing import Protocol

from lifecycle_app import contract

TABLES = contract.TABLES

STACKS = ("data", "place", "access")
"""The stacks of a cluster, in the order in which they are created; the network's stack may be shared."""
MACHINE_ROLES = ("manager", "worker", "builder")
"""The roles of instances, each with an instance profile."""
BACKUPS = "backups"
"""The role of AWS's Data Lifecycle Manager."""
WATCHED = ("record_state", "idle_alarm", "record_activity", "sweep", "stop_requested", "reconcile")
"""The functions with alarms of their own, and on the dashboard."""
HANDLERS = (*WATCHED, "keep_requested", "change_policy", "remove_stopped", "grow_homes")
"""The functions in app.py, each with a role. What is not watched by itself is not retried: a failure goes to the
dead-letter queue at once, whose alarm costs nothing more."""
ROLE_SUFFIX = "-role"
"""Follows a function's name in that of its role. Until now Chalice made a role with the function's own name."""

LONGEST_BUCKET = 63
"""Characters: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


class Location(Protocol):
    """Where a cluster is."""

    @property
    def account(self) -> str:
        """The account's number, or "*" in a policy."""

    @property
    def region(self) -> str:
        """Like eu-central-1, or "*" in a policy."""


def network_stack(network: str) -> str:
    """The CloudFormation stack of a network, which several clusters may share."""
    return f"cloudjhub-network-{network}"


def stack(cluster: str, part: str) -> str:
    """The CloudFormation stack of one of `STACKS`."""
    return f"cloudjhub-{cluster}-{part}"


def stacks(cluster: str) -> list[str]:
    """All stacks of a cluster."""
    return [stack(cluster, part) for part in STACKS]


def table(cluster: str, name: str) -> str:
    """One of `TABLES`."""
    return contract.table_name(cluster, name)


def tables(cluster: str) -> list[str]:
    """All tables of a cluster."""
    return [table(cluster, name) for name in TABLES]


def bucket(cluster: str, location: Location) -> str:
    """Account and region make it unique: bucket names are global.

    Of a cluster whose name is too long, the name's beginning and a hash of the whole.
    """
    suffix = f"-{location.account}-{location.region}"
    room = LONGEST_BUCKET - len("cloudjhub-") - len(suffix)
    if len(cluster) > room:
        digest = hashlib.sha256(cluster.encode()).hexdigest()[:8]
        cluster = f"{cluster[: room - len(digest) - 1]}-{digest}"
    return f"cloudjhub-{cluster}{suffix}"


def log_group(cluster: str) -> str:
    """The log group of the manager's journal."""
    return f"/cloudjhub/{cluster}/manager"


def audit_log_group(cluster: str) -> str:
    """The log group of the audit log: who did what, from where."""
    return f"/cloudjhub/{cluster}/audit"


def role(cluster: str, part: str, prefix: str = "") -> str:
    """Role and instance profile of one of `MACHINE_ROLES`, or the role of `BACKUPS`; `prefix` is the institution's."""
    return f"{prefix}cloudjhub-{cluster}-{part}"


def function_role(cluster: str, handler: str, prefix: str = "") -> str:
    """The role of a Lambda function."""
    return f"{prefix}{function(cluster, handler)}{ROLE_SUFFIX}"


def roles(cluster: str, prefix: str = "") -> list[str]:
    """All roles of a cluster."""
    services = [role(cluster, part, prefix) for part in (*MACHINE_ROLES, BACKUPS)]
    return services + [function_role(cluster, handler, prefix) for handler in HANDLERS]


def function(cluster: str, handler: str) -> str:
    """A Lambda function, as Chalice names it."""
    return f"cloudjhub-{cluster}-{handler}"


def functions(cluster: str) -> list[str]:
    """All Lambda functions of a cluster."""
    return [function(cluster, handler) for handler in HANDLERS]


def rule(function: str) -> str:
    """A function's EventBridge rule, as Chalice names it."""
    return f"{function}-event"


def function_log_group(function: str) -> str:
    """The log group that Lambda gives a function."""
    return f"/aws/lambda/{function}"


def log_groups(cluster: str) -> list[str]:
    """All log groups of a cluster."""
    own = [log_group(cluster), audit_log_group(cluster)]
    return [*own, *map(function_log_group, functions(cluster))]


def dead_letter_queue(cluster: str) -> str:
    """The queue of events that no function could handle."""
    return f"cloudjhub-{cluster}-dead-letters"


def alerts(cluster: str) -> str:
    """The topic that notifies the administrator of alarms."""
    return f"cloudjhub-{cluster}-alerts"


def budgets(cluster: str, region: str) -> str:
    """What the names of the cluster's budgets in AWS Budgets begin with. They are the account's, for all regions; with
    dots, which no name of ours has, so that cluster `a` does not reach into one named `a-b`.
    """
    return f"cloudjhub.{region}.{cluster}."


def alarm(cluster: str, what: str) -> str:
    """An alarm about the lifecycle app. Not `idle-`: those are the workers', and their events start a function."""
    return f"cloudjhub-{cluster}-watch-{what}"


def dashboard(cluster: str) -> str:
    """The CloudWatch dashboard."""
    return f"cloudjhub-{cluster}"


def image(cluster: str) -> str:
    """The prefix of a worker image's name; a time follows."""
    return f"cloudjhub-{cluster}-worker"
