"""What exists of a cluster in AWS, found by tag and by name: `down` must leave nothing of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.aws import names, secrets
from bootstrap.aws.errors import if_exists
from bootstrap.aws.instances import (
    GONE,
    found_by_tags,
    snapshots_by_tags,
    tags_of,
    volumes_by_tags,
    worker_of,
)
from bootstrap.aws.site import Site
from bootstrap.cluster.functions import has_log_group
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, idle_alarm_prefix

VOLUME, SNAPSHOT = "volume", "snapshot"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One resource: AWS's term for it, its id or name, and the user whose home it holds, or a backup of it."""

    kind: str
    name: str
    home_of: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" (home of {self.home_of})" if self.home_of else "")


def of_cluster(site: Site) -> list[Found]:
    """Everything of this cluster, sorted; the network, which clusters may share, is not part of it."""
    return sorted({one for scan in SCANS for one in scan(site)})


def homes(found: Sequence[Found]) -> list[Found]:
    """The home disks among what was found."""
    return [one for one in found if one.home_of and one.kind == VOLUME]


def backups(found: Sequence[Found]) -> list[Found]:
    """The backups of home disks among what was found."""
    return [one for one in found if one.home_of and one.kind == SNAPSHOT]


def without_homes(found: Sequence[Found]) -> list[Found]:
    """All but the home disks and their backups."""
    return [one for one in found if not one.home_of]


def instances(site: Site, role: str) -> list[str]:
    """Ids of the cluster's instances of this role that are not terminated."""
    return [one["InstanceId"] for one in found_by_tags(site.aws, site.cluster, role)]


def _ec2(site: Site) -> Iterator[Found]:
    """Everything in EC2 that carries the cluster's tag. Terminated instances keep their tags for an hour."""
    ec2 = site.aws.client("ec2")
    ours = [{"Name": "key", "Values": [TAG_CLUSTER]}, {"Name": "value", "Values": [site.cluster]}]
    gone = {one["InstanceId"] for one in found_by_tags(site.aws, site.cluster, states=GONE)}
    kept = {one.name: one for one in (*home_volumes(site), *_home_snapshots(site))}
    for page in ec2.get_paginator("describe_tags").paginate(Filters=ours):  # type: ignore[arg-type]
        for tag in page["Tags"]:
            if tag["ResourceId"] not in gone:
                yield kept.get(tag["ResourceId"], Found(tag["ResourceType"], tag["ResourceId"]))


def home_volumes(site: Site) -> Iterator[Found]:
    """The users' home disks."""
    for volume in volumes_by_tags(site.aws, site.cluster, ROLE_WORKER):
        yield Found(VOLUME, volume["VolumeId"], home_of=_owner(volume))


def _home_snapshots(site: Site) -> Iterator[Found]:
    for snapshot in snapshots_by_tags(site.aws, site.cluster, ROLE_WORKER):
        yield Found(SNAPSHOT, snapshot["SnapshotId"], home_of=_owner(snapshot))


def _owner(described: Mapping[str, Any]) -> str:
    """The user in the tags, with the server's name where it has one."""
    return worker_of(tags_of(described)) or "an unknown user"


def _named(site: Site) -> Iterator[Found]:
    """Those of our names that AWS knows."""
    client, cluster = site.aws.client, site.cluster
    functions = names.functions(cluster)
    roles = [*names.roles(cluster, site.settings.role_prefix), *functions]
    kinds: Sequence[tuple[str, Callable[..., object], str, list[str]]] = (
        ("stack", client("cloudformation").describe_stacks, "StackName", names.stacks(cluster)),
        ("table", client("dynamodb").describe_table, "TableName", names.tables(cluster)),
        ("bucket", client("s3").head_bucket, "Bucket", [names.bucket(cluster, site.aws)]),
        ("role", client("iam").get_role, "RoleName", roles),
        ("function", client("lambda").get_function, "FunctionName", functions),
        ("queue", client("sqs").get_queue_url, "QueueName", [names.dead_letter_queue(cluster)]),
    )
    for kind, describe, argument, wanted in kinds:
        for name in wanted:
            if if_exists(partial(describe, **{argument: name})) is not None:
                yield Found(kind, name)


def _rules(site: Site) -> Iterator[Found]:
    prefix = names.function(site.cluster, "")
    for page in site.aws.client("events").get_paginator("list_rules").paginate(NamePrefix=prefix):
        for rule in page["Rules"]:
            name = rule["Name"].removeprefix(prefix)
            if any(name.startswith(function) for function in names.HANDLERS):
                yield Found("rule", rule["Name"])


def idle_alarms(site: Site) -> list[str]:
    """The names of the workers' idle alarms. With the `i-`: another cluster's name may continue like this one's."""
    pages = site.aws.client("cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(AlarmNamePrefix=f"{idle_alarm_prefix(site.cluster)}i-")
    return [alarm["AlarmName"] for page in found for alarm in page["MetricAlarms"]]


def _others(site: Site) -> Iterator[Found]:
    """Idle alarms, log groups and parameters."""
    yield from (Found("alarm", name) for name in idle_alarms(site))
    functions = map(names.function_log_group, names.functions(site.cluster))
    for group in [names.log_group(site.cluster), names.audit_log_group(site.cluster), *functions]:
        if has_log_group(site.aws, group):
            yield Found("log group", group)
    yield from (Found("parameter", name) for name in secrets.names(site.aws.client("ssm"), site.cluster))


SCANS: Sequence[Callable[[Site], Iterator[Found]]] = (_ec2, _named, _rules, _others)
