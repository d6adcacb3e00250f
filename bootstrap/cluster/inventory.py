"""What exists of a cluster, asked of AWS by tag and by name: what `down` must leave nothing of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.site import Site
from lifecycle_app.model.worker import (
    ROLE_WORKER,
    TAG_CLUSTER,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
    idle_alarm_prefix,
)

GONE_STATES = ("shutting-down", "terminated")
NOT_THERE = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404")


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One resource: what it is in AWS's words, its id or name, and whose home it holds."""

    kind: str
    name: str
    home_of: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" (home of {self.home_of})" if self.home_of else "")


def of_cluster(site: Site) -> list[Found]:
    """Everything of this cluster, sorted; the network, which clusters may share, is not part of it."""
    return sorted({one for look in LOOKS for one in look(site)})


def homes(found: Sequence[Found]) -> list[Found]:
    """The home disks among what was found."""
    return [one for one in found if one.home_of]


def without_homes(found: Sequence[Found]) -> list[Found]:
    """All but the home disks."""
    return [one for one in found if not one.home_of]


def instances(site: Site, role: str) -> list[str]:
    """Ids of the cluster's instances of this role that are not gone."""
    pages = (
        site.aws.client("ec2")
        .get_paginator("describe_instances")
        .paginate(
            Filters=[
                {"Name": f"tag:{TAG_CLUSTER}", "Values": [site.cluster]},
                {"Name": f"tag:{TAG_ROLE}", "Values": [role]},
                {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
            ]
        )
    )
    return [
        one["InstanceId"]
        for page in pages
        for reservation in page["Reservations"]
        for one in reservation["Instances"]
    ]


def _ec2(site: Site) -> Iterator[Found]:
    """Everything in EC2 that carries the cluster's tag. Instances that are gone keep their tags for an hour."""
    ec2 = site.aws.client("ec2")
    ours = [{"Name": "key", "Values": [TAG_CLUSTER]}, {"Name": "value", "Values": [site.cluster]}]
    gone = _gone_instances(site)
    volumes = {volume.name: volume for volume in _home_volumes(site)}
    for page in ec2.get_paginator("describe_tags").paginate(Filters=ours):  # type: ignore[arg-type]
        for tag in page["Tags"]:
            if tag["ResourceId"] not in gone:
                yield volumes.get(tag["ResourceId"], Found(tag["ResourceType"], tag["ResourceId"]))


def _gone_instances(site: Site) -> set[str]:
    pages = (
        site.aws.client("ec2")
        .get_paginator("describe_instances")
        .paginate(
            Filters=[
                {"Name": f"tag:{TAG_CLUSTER}", "Values": [site.cluster]},
                {"Name": "instance-state-name", "Values": list(GONE_STATES)},
            ]
        )
    )
    return {
        one["InstanceId"]
        for page in pages
        for reservation in page["Reservations"]
        for one in reservation["Instances"]
    }


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
            tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}
            server = tags.get(TAG_SERVER, "")
            whose = tags.get(TAG_USER, "") + (f"/{server}" if server else "")
            yield Found("volume", volume["VolumeId"], home_of=whose or "nobody known")


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


LOOKS: Sequence[Callable[[Site], Iterator[Found]]] = (
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
    return (Found(kind, name) for name in wanted if _is_there(ask, name))


def _is_there(ask: Callable[[str], object], name: str) -> bool:
    try:
        ask(name)
    except ClientError as error:
        told = error.response["Error"]
        if any(word in told["Code"] for word in NOT_THERE) or "does not exist" in told.get("Message", ""):
            return False
        raise
    return True
