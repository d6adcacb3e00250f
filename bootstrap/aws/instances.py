"""The only module from which the operator launches, starts and terminates instances: builders, managers, workers.

Whoever terminates names the cluster: an instance with another cluster's tag is never touched.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of, if_exists
from bootstrap.aws.session import Aws
from bootstrap.aws.waiting import Report, polls, repeated, sparing
from bootstrap.errors import Refused, StepFailed
from lifecycle_app.contract import TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef, SnapshotTypeDef, VolumeTypeDef

GENERATIONS = 20
# Only Nitro instances return the newest console output.
NOT_LATEST = frozenset({"UnsupportedOperation", "InvalidParameterCombination"})
GONE = ("shutting-down", "terminated")
LIVE = ("pending", "running", "stopping", "stopped")
ENDS_WITHIN = 600.0
PROFILE_WITHIN = 40.0
"""Seconds in which EC2 learns of a new instance profile."""
DETACHED_WITHIN = 300.0
"""Seconds until the disk of a terminated instance is free."""
FILTER_VALUES = 200
"""EC2 takes no more values in a filter."""

FIXES = {
    "VcpuLimitExceeded": "ask AWS for more vCPUs (Service Quotas, Running On-Demand instances), or stop some",
    "InstanceLimitExceeded": "ask AWS for a higher quota of instances, or stop other instances",
    "InsufficientInstanceCapacity": "AWS has no capacity for this type there: try again later, or name another type",
    "InsufficientFreeAddressesInSubnet": "the subnet is full: use a larger one",
    "InvalidBlockDeviceMapping": "the disk is smaller than the image's: make it larger in cluster.yaml",
    "Unsupported": "this type is not offered in that zone: name another type or another zone in cluster.yaml",
    "UnauthorizedOperation": "your AWS user may not do this: `cloudjhub doctor` lists what is missing",
}


def launch(aws: Aws, request: Mapping[str, Any]) -> str:
    """The id of the instance of a RunInstances request for one instance. The same request, run again after an
    interruption, finds the instance that it launched before, unless that is terminated.

    Raises Refused, which says what to do.
    """
    for generation in range(GENERATIONS):
        token = client_token(request, generation)
        try:
            found = repeated(
                partial(
                    aws.client("ec2").run_instances,
                    **{**request, "MinCount": 1, "MaxCount": 1, "ClientToken": token},
                ),
                ("InvalidParameterValue",),
                PROFILE_WITHIN,
                "Invalid IAM Instance Profile",
            )
            return found["Instances"][0]["InstanceId"]
        except ClientError as error:
            if code_of(error) == "IdempotentInstanceTerminated":
                continue
            fix = FIXES.get(code_of(error))
            if fix is None:
                raise
            raise Refused(f"AWS launched no {request['InstanceType']} ({code_of(error)}): {fix}") from error
    raise StepFailed(f"{GENERATIONS} instances of the same request were terminated: see why in EC2's console")


def start(aws: Aws, instance_id: str) -> None:
    """Start a manager that is stopped; workers are started by the hub alone."""
    aws.client("ec2").start_instances(InstanceIds=[instance_id])


def client_token(request: Mapping[str, Any], generation: int) -> str:
    """64 characters that are the same for the same request and generation."""
    content = json.dumps([request, generation], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def terminate(aws: Aws, ids: Sequence[str], cluster: str, report: Report = lambda _: None) -> None:
    """Terminate these instances of the cluster and wait until they are. Those that already are do not matter.

    Raises Refused, before anything is ended, if one of them is not the cluster's; StepFailed if it takes too long.
    """
    end(aws, ids, cluster)
    await_gone(aws, ids, report)


def end(aws: Aws, ids: Sequence[str], cluster: str, *, only_in: Iterable[str] = LIVE) -> list[str]:
    """Ask EC2 to terminate those of these instances of the cluster that are in one of these states; their ids.
    Does not wait. Raises Refused, before anything is ended, if one of them is not the cluster's.
    """
    found = described(aws, ids)
    foreign = [one["InstanceId"] for one in found if tags_of(one).get(TAG_CLUSTER) != cluster]
    if foreign:
        raise Refused(
            f"{', '.join(foreign)}: not of the cluster {cluster} by their tags; nothing was terminated"
        )
    wanted = set(only_in)
    ending = [one["InstanceId"] for one in found if one["State"]["Name"] in wanted]
    if ending:
        aws.client("ec2").terminate_instances(InstanceIds=ending)
    return ending


def await_gone(aws: Aws, ids: Sequence[str], report: Report) -> None:
    """Wait until the instances are terminated. Raises StepFailed if that takes longer than ten minutes."""
    left, progress = list(ids), sparing(report)
    for _ in polls(ENDS_WITHIN):
        left = [one["InstanceId"] for one in described(aws, ids) if one["State"]["Name"] != "terminated"]
        if not left:
            return
        progress(f"waiting for {len(left)} of {len(ids)} instances to terminate")
    raise StepFailed(f"still not terminated: {', '.join(left)}; check them in EC2's console")


def await_state(
    aws: Aws,
    instance_id: str,
    state: str,
    within: float,
    report: Report,
    describe: Callable[[str, float], str],
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Wait until an instance is in a state; `describe` gives the line for its present state after so many seconds.
    `meanwhile` is called at each poll until then.

    Raises StepFailed if it is terminated, or takes longer than `within` seconds.
    """
    now, progress = "pending", sparing(report)
    for waited in polls(within):
        found = described(aws, [instance_id])
        now = found[0]["State"]["Name"] if found else "pending"  # EC2 may not know a new one yet
        if now == state:
            return
        if now in GONE:
            raise StepFailed(f"{instance_id} was terminated meanwhile: run the command again")
        meanwhile()
        progress(describe(now, waited))
    raise StepFailed(f"{instance_id} is still {now} after {within / 60:.0f} minutes, not {state}")


def console(aws: Aws, instance_id: str) -> str:
    """An instance's console output, as new as its type allows; "" while there is none.

    Printable: its users can write there.
    """
    read = partial(aws.client("ec2").get_console_output, InstanceId=instance_id)
    try:
        answer = read(Latest=True)
    except ClientError as error:
        if code_of(error) not in NOT_LATEST:
            raise
        answer = read()
    return printable(answer.get("Output", ""))


def delete_volume(aws: Aws, volume: str) -> None:
    """Delete a disk, if it is there, as soon as it is detached. Raises StepFailed if it stays in use."""
    delete = partial(aws.client("ec2").delete_volume, VolumeId=volume)
    try:
        if_exists(lambda: repeated(delete, ("VolumeInUse",), DETACHED_WITHIN))
    except ClientError as error:
        if code_of(error) != "VolumeInUse":
            raise
        raise StepFailed(f"the disk {volume} is still attached: detach it in EC2's console") from error


def found_by_tags(
    aws: Aws, cluster: str, role: str = "", states: Sequence[str] = LIVE
) -> "list[InstanceTypeDef]":
    """A cluster's instances of a role (worker, manager or builder); of every role without one."""
    of_role = {f"tag:{TAG_ROLE}": [role]} if role else {}
    return matching(aws, {f"tag:{TAG_CLUSTER}": [cluster], **of_role, "instance-state-name": states})


def described(aws: Aws, ids: Sequence[str]) -> "list[InstanceTypeDef]":
    """EC2's descriptions of instances; those that it does not know are left out."""
    chunks = (ids[start : start + FILTER_VALUES] for start in range(0, len(ids), FILTER_VALUES))
    return [one for chunk in chunks for one in matching(aws, {"instance-id": chunk})]


def matching(aws: Aws, filters: Mapping[str, Sequence[str]]) -> "list[InstanceTypeDef]":
    """The account's instances that pass EC2's filters."""
    pages = (
        aws.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=[{"Name": name, "Values": list(values)} for name, values in filters.items()])
    )
    return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]


def volumes_by_tags(aws: Aws, cluster: str, role: str) -> "list[VolumeTypeDef]":
    """A cluster's disks of a role, those that are being deleted apart."""
    filters = {f"tag:{TAG_CLUSTER}": cluster, f"tag:{TAG_ROLE}": role}
    pages = (
        aws.client("ec2")
        .get_paginator("describe_volumes")
        .paginate(Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()])
    )
    return [one for page in pages for one in page["Volumes"] if one["State"] not in ("deleting", "deleted")]


def snapshots_by_tags(aws: Aws, cluster: str, role: str) -> "list[SnapshotTypeDef]":
    """A cluster's snapshots of a role: with a worker's tags they are backups of homes."""
    filters = {f"tag:{TAG_CLUSTER}": cluster, f"tag:{TAG_ROLE}": role}
    pages = (
        aws.client("ec2")
        .get_paginator("describe_snapshots")
        .paginate(
            OwnerIds=["self"], Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()]
        )
    )
    return [one for page in pages for one in page["Snapshots"]]


def delete_snapshot(aws: Aws, snapshot: str) -> None:
    """Delete a snapshot, if it is there."""
    if_exists(lambda: aws.client("ec2").delete_snapshot(SnapshotId=snapshot))


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """The tags of whatever EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}


def worker_of(tags: Mapping[str, str]) -> str:
    """The worker whose tags these are; "" for none."""
    user, server = tags.get(TAG_USER, ""), tags.get(TAG_SERVER, "")
    return f"{user}/{server}" if server else user
