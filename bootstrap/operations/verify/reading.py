"""The evidence of each check, as JSON can hold it, from calls that change nothing. `judging.py` says what it shows."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import names, secrets
from bootstrap.aws.errors import code_of, if_exists, message_of
from bootstrap.aws.instances import tags_of
from bootstrap.aws.site import Site
from bootstrap.cluster import building
from bootstrap.cluster.monitoring import dead_letters
from bootstrap.machines.base_images import PARAMETERS
from bootstrap.machines.hub_backups import backups
from bootstrap.machines.image.images import current
from bootstrap.operations.audit import STREAM
from bootstrap.operations.health import facts
from bootstrap.operations.verify.scene import DAY, HOUR, Scene
from bootstrap.preflight.quotas import ADDRESSES, STANDARD, VPCS
from lifecycle_app.adapters.cloudwatch import IdleAlarm, alarm_request
from lifecycle_app.contract import BACKUP_DEVICE, TAG_CLUSTER, Level, idle_alarm_prefix

ABSENT = "i-0123456789abcdef0"
"""An id of an instance that no account has."""
QUOTAS = ((STANDARD, "ec2", "Standard"), (ADDRESSES, "ec2", "Elastic IP"), (VPCS, "vpc", "VPCs"))
"""Code, service, and a part of the quota's name."""
PAGE = 100
"""Lines of a log that are counted at most."""


def changes(scene: Scene) -> dict[str, Any]:
    """What `up` would do; without details, which may name users."""
    found = building.changes(scene.site)
    lines = {step: [f"{one.kind} {one.what}" for one in of_step] for step, of_step in found.items()}
    return {"changes": lines, "built": scene.built}


def idle_alarms(scene: Scene) -> dict[str, Any]:
    """Each idle alarm as the lifecycle app puts it, and as CloudWatch has it."""
    prefix = idle_alarm_prefix(scene.site.cluster)
    pages = scene.site.aws.client("cloudwatch").get_paginator("describe_alarms")
    found = {}
    for page in pages.paginate(AlarmNamePrefix=f"{prefix}i-"):
        for alarm in page["MetricAlarms"]:
            name = alarm["AlarmName"]
            asked = IdleAlarm(
                timedelta(seconds=alarm["Period"]), alarm["EvaluationPeriods"], Level(int(alarm["Threshold"]))
            )
            wanted = alarm_request(scene.site.cluster, name.removeprefix(prefix), asked)
            wanted |= {"AlarmActions": [], "OKActions": [], "InsufficientDataActions": []}
            found[name] = {"wanted": wanted, "found": {key: alarm.get(key) for key in wanted}}
    return found


def rules(scene: Scene) -> dict[str, Any]:
    """Each function's rule."""
    events, found = scene.site.aws.client("events"), {}
    for function in names.functions(scene.site.cluster):
        name = names.rule(function)
        rule = if_exists(partial(events.describe_rule, Name=name))
        targets = if_exists(partial(events.list_targets_by_rule, Rule=name)) if rule else None
        found[function] = {
            "state": rule["State"] if rule else "",
            "targets": [one["Arn"] for one in targets["Targets"]] if targets else [],
        }
    return found


def functions(scene: Scene) -> dict[str, Any]:
    """Each function as it was deployed, and as Lambda has it."""
    return {
        name: {"wanted": wanted, "found": {key: scene.functions.get(name, {}).get(key) for key in wanted}}
        for name, wanted in scene.deployed.items()
    }


def async_settings(scene: Scene) -> dict[str, Any]:
    """What differs of queue, retries and destinations, a name each."""
    return dict.fromkeys(dead_letters.differences(scene.site))


def disks(scene: Scene) -> dict[str, Any]:
    """The disks of workers that have an instance."""
    mapped = {one["InstanceId"]: one for one in scene.workers}
    ids = [disk["Ebs"]["VolumeId"] for one in mapped.values() for disk in one.get("BlockDeviceMappings", [])]
    if not ids:
        return {}
    filters: Any = [{"Name": "volume-id", "Values": ids[:200]}]
    answer = scene.site.aws.client("ec2").describe_volumes(Filters=filters)
    encrypted = {one["VolumeId"]: one["Encrypted"] for one in answer["Volumes"]}
    return {
        instance: [
            {
                "root": disk["DeviceName"] == one.get("RootDeviceName"),
                "goes_with_it": disk["Ebs"]["DeleteOnTermination"],
                "encrypted": encrypted[disk["Ebs"]["VolumeId"]],
            }
            for disk in one["BlockDeviceMappings"]
            if disk["Ebs"]["VolumeId"] in encrypted and disk["DeviceName"] != BACKUP_DEVICE
        ]
        for instance, one in mapped.items()
    }


def retention(scene: Scene) -> dict[str, int | None]:
    """Days of each of the cluster's log groups."""
    cluster, logs = scene.site.cluster, scene.site.aws.client("logs")
    groups = [names.log_group(cluster), names.audit_log_group(cluster)]
    groups += [names.function_log_group(function) for function in names.functions(cluster)]
    found = {}
    for group in groups:
        for one in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            if one["logGroupName"] == group:
                found[group] = one.get("retentionInDays")
    return found


def secret_types(scene: Scene) -> dict[str, Any]:
    """Type and key of the cluster's parameters; no value is read."""
    prefix = secrets.parameter(scene.site.cluster, "").rstrip("/")
    pages = scene.site.aws.client("ssm").get_paginator("describe_parameters")
    found = pages.paginate(ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [prefix]}])
    return {
        one["Name"]: {"type": one["Type"], "key": one.get("KeyId", ""), "own": scene.site.settings.kms_key}
        for page in found
        for one in page["Parameters"]
    }


def stops(scene: Scene) -> Mapping[str, int]:
    """See `Scene.stops`."""
    return dict(scene.stops)


def sample_counts(scene: Scene) -> dict[str, Any]:
    """See `Scene.sample_counts`, of some workers."""
    return {one["InstanceId"]: scene.sample_counts(one["InstanceId"]) for one in scene.workers[:5]}


def idle_cpu(scene: Scene) -> dict[str, Any]:
    """What each running worker reported, and its CPU by EC2."""
    return {
        one: {"levels": [int(report.level) for report in found.reports], "cpu": list(found.cpu)}
        for one, found in scene.evidence.items()
    }


def unknown_instance(scene: Scene) -> dict[str, Any]:
    """EC2's answer about an instance that is there and one that is not."""
    known = [one["InstanceId"] for one in [*scene.workers, *scene.managers]][:1]
    if not known:
        return {}
    asked = {"known": known[0], "unknown": ABSENT}
    try:
        scene.site.aws.client("ec2").describe_instance_status(
            InstanceIds=list(asked.values()), IncludeAllInstances=True
        )
    except ClientError as error:
        return {**asked, "code": code_of(error), "message": message_of(error)}
    return {**asked, "code": "", "message": ""}


def metadata_options(scene: Scene) -> dict[str, Any]:
    """How running workers reach the metadata service, and how often they have reported."""
    return {
        one["InstanceId"]: {
            "tokens": one.get("MetadataOptions", {}).get("HttpTokens", ""),
            "hops": one.get("MetadataOptions", {}).get("HttpPutResponseHopLimit", 0),
            "reports": len(scene.evidence[one["InstanceId"]].reports),
        }
        for one in scene.workers
        if one["InstanceId"] in scene.evidence
    }


def tags(scene: Scene) -> dict[str, str | None]:
    """The cluster's tag on roles, tables, bucket and functions."""
    site, client = scene.site, scene.site.aws.client
    found: dict[str, str | None] = {}
    for role in names.roles(site.cluster, site.settings.role_prefix):
        answer = if_exists(partial(client("iam").get_role, RoleName=role))
        if answer:
            found[f"role {role}"] = tags_of(answer["Role"]).get(TAG_CLUSTER)
    for name in names.TABLES:
        listed = if_exists(
            partial(client("dynamodb").list_tags_of_resource, ResourceArn=site.scope.table(name))
        )
        if listed:
            found[f"table {name}"] = tags_of(listed).get(TAG_CLUSTER)
    bucket = names.bucket(site.cluster, site.aws)
    of_bucket = if_exists(lambda: client("s3").get_bucket_tagging(Bucket=bucket))
    found["bucket"] = tags_of({"Tags": of_bucket["TagSet"]}).get(TAG_CLUSTER) if of_bucket else None
    for function, one in scene.functions.items():
        of_it = client("lambda").list_tags(Resource=one["FunctionArn"])["Tags"]
        found[f"function {function}"] = of_it.get(TAG_CLUSTER)
    return found


def log_groups_first(scene: Scene) -> dict[str, Any]:
    """Of each function its log group's retention, and whether it has logged."""
    days = retention(scene)
    return {
        name: {
            "days": days.get(names.function_log_group(name)),
            "ran": facts.last_run(scene.site, name) is not None,
        }
        for name in scene.functions
    }


def public_parameters(scene: Scene) -> dict[str, str | None]:
    """The newest image of each system and architecture."""
    wanted = [name for of_base in PARAMETERS.values() for name in of_base.values()]
    answer = scene.site.aws.client("ssm").get_parameters(Names=wanted)
    values = {one["Name"]: one["Value"] for one in answer["Parameters"]}
    return {name: values.get(name) for name in wanted}


def image_encryption(scene: Scene) -> list[bool]:
    """Whether each disk of the image that the hub launches is encrypted; [] for an image that `up` has not built."""
    image = None if scene.site.settings.workers.image else current(scene.site.aws, scene.site.cluster)
    if not image:
        return []
    found = scene.site.aws.client("ec2").describe_images(ImageIds=[image])["Images"]
    disks = [disk["Ebs"] for one in found for disk in one["BlockDeviceMappings"] if "Ebs" in disk]
    return [bool(disk.get("Encrypted")) for disk in disks]


def hub(scene: Scene) -> dict[str, str]:
    """The hub's version, or why it does not answer."""
    found = facts.asked_hub(scene.site)
    return {"version": found.version, "trouble": found.trouble}


def journal(scene: Scene) -> dict[str, int]:
    """Lines of the manager's journal in the last hour: how many, and nothing of them."""
    since = int((scene.now - HOUR).timestamp() * 1000)
    found = if_exists(
        lambda: scene.site.aws.client("logs").filter_log_events(
            logGroupName=names.log_group(scene.site.cluster), startTime=since, limit=PAGE
        )
    )
    return {"count": len(found["events"]) if found else 0}


def audit(scene: Scene) -> dict[str, int]:
    """Lines of the audit log of the last day that the hub wrote: how many, and nothing of them."""
    since = int((scene.now - DAY).timestamp() * 1000)
    found = if_exists(
        lambda: scene.site.aws.client("logs").filter_log_events(
            logGroupName=names.audit_log_group(scene.site.cluster), startTime=since, limit=PAGE
        )
    )
    streams = [event.get("logStreamName") for event in found["events"]] if found else []
    return {"count": sum(stream != STREAM for stream in streams)}


def backup_count(scene: Scene) -> dict[str, int]:
    """Backups of JupyterHub's database."""
    return {"count": len(backups(scene.site))}


def backup_ages(scene: Scene) -> dict[str, str]:
    """The oldest backup, and since when the manager is there."""
    found = backups(scene.site)
    since = [one["LaunchTime"].isoformat() for one in scene.managers]
    oldest = found[-1].at.isoformat() if found else ""
    return {"oldest": oldest, "since": max(since, default=""), "now": scene.now.isoformat()}


def recovery(scene: Scene) -> dict[str, str]:
    """Automatic recovery of the manager."""
    return {
        one["InstanceId"]: one.get("MaintenanceOptions", {}).get("AutoRecovery", "") for one in scene.managers
    }


def quotas(scene: Scene) -> dict[str, Any]:
    """The names of the quotas that `plan` reads."""
    client, found = scene.site.aws.client("service-quotas"), {}
    for code, service, part in QUOTAS:
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=code)
        found[code] = {"wanted": part, "name": answer["Quota"].get("QuotaName", "")}
    return found


def bucket(scene: Scene) -> dict[str, str | None]:
    """The cluster's bucket."""
    name = names.bucket(scene.site.cluster, scene.site.aws)
    found = if_exists(lambda: scene.site.aws.client("s3").head_bucket(Bucket=name))
    return {name: "exists" if found else None}


def limits(scene: Scene) -> dict[str, Any]:
    """Of each function the longest run of the last day, and the most memory."""
    return {
        name: {
            "timeout": one["Timeout"],
            "runs": len(runs := scene.runs(name)),
            "seconds": max((run["seconds"] for run in runs), default=0.0),
            "memory": max((run["memory"] for run in runs), default=0.0),
        }
        for name, one in scene.functions.items()
    }


def imports(scene: Scene) -> dict[str, Any]:
    """Of each function the processor, its runs of the last day, and what it could not import."""
    return {
        name: {
            "architecture": ", ".join(one.get("Architectures", [])),
            "runs": len(scene.runs(name)),
            "failed": [line[:200] for line in scene.failed_imports[name][:3]],
        }
        for name, one in scene.functions.items()
    }


def of_site(site: Site) -> str:
    """The host that EC2 is asked at."""
    return str(site.aws.client("ec2").meta.endpoint_url)
