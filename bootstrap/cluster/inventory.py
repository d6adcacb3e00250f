"""What exists of a cluster in AWS, found by tag and by name: `down` must leave nothing of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.instances import GONE, found_by_tags, tags_of
from bootstrap.aws.site import Site
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER, idle_alarm_prefix


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One resource: AWS's term for it, its id or name, and the user whose home it holds."""

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
    return [one for one in found if one.home_of]


def without_homes(found: Sequence[Found]) -> list[Found]:
    """All but the home disks."""
    return [one for one in found if not one.home_of]


def instances(site: Site, role: str) -> list[str]:
    """Ids of the cluster's instances of this role that are not terminated."""
    return [one["InstanceId"] for one in found_by_tags(site.aws, site.cluster, role)]


def _ec2(site: Site) -> Iterator[Found]:
    """Everything in EC2 that carries the cluster's tag. Terminated instances keep their tags for an hour."""
    ec2 = site.aws.client("ec2")
    ours = [{"Name": "key", "Values": [TAG_CLUSTER]}, {"Name": "value", "Values": [site.cluster]}]
    gone = {one["InstanceId"] for one in found_by_tags(site.aws, site.cluster, states=GONE)}
    volumes = {volume.name: volume for volume in _home_volumes(site)}
    for page in ec2.get_paginator("describe_tags").paginate(Filters=ours):  # type: ignore[arg-type]
        for tag in page["Tags"]:
            if tag["ResourceId"] not in gone:
                yield volumes.get(tag["ResourceId"], Found(tag["ResourceType"], tag["ResourceId"]))


def _home_volumes(site: Site) -> Iterator[Found]:
    pages = (
        site.aws.client("ec2")
        .get_paginator("describe_volumes")
        .paginate(
            Filters=[
                {"Name": f"tag:{TAG_CLUSTER}", "Values": [site.cluster]},
                {"Name": f"tag:{TAG_ROLE}", "Values": [ROLE_WORKER]},
            ]
        )
    )
    for page in pages:
        for volume in page["Volumes"]:
            tags = tags_of(volume)
            server = tags.get(TAG_SERVER, "")
            whose = tags.get(TAG_USER, "") + (f"/{server}" if server else "")
            yield Found("volume", volume["VolumeId"], home_of=whose or "an unknown user")


def _stacks(site: Site) -> Iterator[Found]:
    client = site.aws.client("cloudformation")
    wanted = [names.stack(site.cluster, part) for part in names.STACKS]
    return _there("stack", wanted, lambda name: client.describe_stacks(StackName=name))


def _tables(site: Site) -> Iterator[Found]:
    client = site.aws.client("dynamodb")
    wanted = [names.table(site.cluster, part) for part in names.TABLES]
    return _there("table", wanted, lambda name: client.describe_table(TableName=name))


def _bucket(site: Site) -> Iterator[Found]:
    client = site.aws.client("s3")
    return _there(
        "bucket", [names.bucket(site.cluster, site.aws)], lambda name: client.head_bucket(Bucket=name)
    )


def _roles(site: Site) -> Iterator[Found]:
    client = site.aws.client("iam")
    wanted = [
        *(names.role(site.cluster, part) for part in names.MACHINE_ROLES),
        *names.functions(site.cluster),
    ]
    return _there("role", wanted, lambda name: client.get_role(RoleName=name))


def _functions(site: Site) -> Iterator[Found]:
    client = site.aws.client("lambda")
    return _there(
        "function", names.functions(site.cluster), lambda name: client.get_function(FunctionName=name)
    )


def _queue(site: Site) -> Iterator[Found]:
    client = site.aws.client("sqs")
    return _there(
        "queue", [names.dead_letter_queue(site.cluster)], lambda name: client.get_queue_url(QueueName=name)
    )


def _rules(site: Site) -> Iterator[Found]:
    prefix = names.function(site.cluster, "")
    for page in site.aws.client("events").get_paginator("list_rules").paginate(NamePrefix=prefix):
        for rule in page["Rules"]:
            name = rule["Name"].removeprefix(prefix)
            if any(name.startswith(function) for function in names.HANDLERS):
                yield Found("rule", rule["Name"])


def _alarms(site: Site) -> Iterator[Found]:
    pages = site.aws.client("cloudwatch").get_paginator("describe_alarms")
    for page in pages.paginate(AlarmNamePrefix=idle_alarm_prefix(site.cluster) + "i-"):
        yield from (Found("alarm", alarm["AlarmName"]) for alarm in page["MetricAlarms"])


def _log_groups(site: Site) -> Iterator[Found]:
    functions = map(names.function_log_group, names.functions(site.cluster))
    logs = site.aws.client("logs")
    for name in [names.log_group(site.cluster), *functions]:
        found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in found):
            yield Found("log group", name)


def _parameters(site: Site) -> Iterator[Found]:
    pages = (
        site.aws.client("ssm")
        .get_paginator("describe_parameters")
        .paginate(
            ParameterFilters=[
                {"Key": "Path", "Option": "Recursive", "Values": [f"/cloudjhub/{site.cluster}"]}
            ]
        )
    )
    for page in pages:
        yield from (Found("parameter", parameter["Name"]) for parameter in page["Parameters"])


SCANS: Sequence[Callable[[Site], Iterator[Found]]] = (
    _ec2,
    _stacks,
    _tables,
    _bucket,
    _roles,
    _functions,
    _rules,
    _alarms,
    _log_groups,
    _queue,
    _parameters,
)


def _there(kind: str, wanted: Sequence[str], ask: Callable[[str], object]) -> Iterator[Found]:
    """Those of the names for which AWS does not say that there is none."""
    return (Found(kind, name) for name in wanted if if_exists(partial(ask, name)) is not None)
