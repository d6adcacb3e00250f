"""The only place from which the operator's commands launch, start and terminate instances: builders, managers, workers.

Whoever terminates says of which cluster: an instance whose tag says otherwise is never touched.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Tell
from bootstrap.errors import Refused, StepFailed
from lifecycle_app.model.worker import TAG_CLUSTER, TAG_ROLE

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

GENERATIONS = 20
LOOK_EVERY = 2.0
TELL_EVERY = 10.0
GONE = ("shutting-down", "terminated")
LIVE = ("pending", "running", "stopping", "stopped")
ENDS_WITHIN = 600.0
# EC2 does not know a new instance profile for some seconds.
PROFILE_TRIES = 20
FILTER_VALUES = 200
"""EC2 takes no more values in a filter."""

MENDS = {
    "VcpuLimitExceeded": "ask AWS for more vCPUs (Service Quotas, Running On-Demand instances), or stop other machines",
    "InstanceLimitExceeded": "ask AWS for a higher quota of instances, or stop other machines",
    "InsufficientInstanceCapacity": "AWS has no such machine free there now: try again later, or name another type",
    "InsufficientFreeAddressesInSubnet": "the subnet is full: use a larger one",
    "InvalidBlockDeviceMapping": "the disk is smaller than the image's: make it larger in cluster.yaml",
    "Unsupported": "this type is not offered in that zone: name another type or another zone in cluster.yaml",
    "UnauthorizedOperation": "your AWS user may not do this: `cloudjhub doctor` lists what is missing",
}


def launch(aws: Aws, request: Mapping[str, Any]) -> str:
    """The id of the instance of a RunInstances request for one instance. The same request, run again after an
    interruption, finds the instance that it launched before, as long as that is not terminated.

    Raises Refused with the mend.
    """
    for generation in range(GENERATIONS):
        token = client_token(request, generation)
        try:
            return _run(aws, {**request, "MinCount": 1, "MaxCount": 1, "ClientToken": token})
        except ClientError as error:
            if code_of(error) == "IdempotentInstanceTerminated":
                continue
            mend = MENDS.get(code_of(error))
            if mend is None:
                raise
            raise Refused(f"AWS launched no {request['InstanceType']} ({code_of(error)}): {mend}") from error
    raise StepFailed(f"{GENERATIONS} instances of the same request were terminated: see why in EC2's console")


def start(aws: Aws, instance_id: str) -> None:
    """Start a manager that is stopped; workers are started by the hub alone."""
    aws.client("ec2").start_instances(InstanceIds=[instance_id])


def client_token(request: Mapping[str, Any], generation: int) -> str:
    """64 characters that are the same for the same request and generation."""
    content = json.dumps([request, generation], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _run(aws: Aws, request: dict[str, Any]) -> str:
    for left in range(PROFILE_TRIES - 1, -1, -1):
        try:
            return aws.client("ec2").run_instances(**request)["Instances"][0]["InstanceId"]
        except ClientError as error:
            if not left or "Invalid IAM Instance Profile" not in str(error):
                raise
            time.sleep(LOOK_EVERY)
    raise AssertionError("the last try returns or raises")


def terminate(aws: Aws, ids: Sequence[str], cluster: str, tell: Tell = lambda _: None) -> None:
    """End these instances of the cluster and wait until they are gone. Those that are gone already do not matter.

    Raises Refused, before anything is ended, if one of them is not the cluster's; StepFailed if it takes too long.
    """
    end(aws, ids, cluster)
    await_gone(aws, ids, tell)


def end(aws: Aws, ids: Sequence[str], cluster: str, *, only_in: Iterable[str] = LIVE) -> list[str]:
    """Ask EC2 to terminate these instances of the cluster, those in another state than `only_in` apart; whom it asked
    for. Does not wait. Raises Refused, before anything is ended, if one of them is not the cluster's.
    """
    found = described(aws, ids)
    strange = [one["InstanceId"] for one in found if tags_of(one).get(TAG_CLUSTER) != cluster]
    if strange:
        raise Refused(
            f"{', '.join(strange)}: not of the cluster {cluster} by their tags; nothing was terminated"
        )
    wanted = set(only_in)
    ending = [one["InstanceId"] for one in found if one["State"]["Name"] in wanted]
    if ending:
        aws.client("ec2").terminate_instances(InstanceIds=ending)
    return ending


def await_gone(aws: Aws, ids: Sequence[str], tell: Tell) -> None:
    """Wait until the instances are terminated. Raises StepFailed if that takes longer than ten minutes."""
    until = time.monotonic() + ENDS_WITHIN
    told = time.monotonic()
    while left := [one["InstanceId"] for one in described(aws, ids) if one["State"]["Name"] != "terminated"]:
        if time.monotonic() > until:
            raise StepFailed(f"still not terminated: {', '.join(left)}; look at them in EC2's console")
        if time.monotonic() - told > TELL_EVERY:
            tell(f"waiting for {len(left)} of {len(ids)} instances to end")
            told = time.monotonic()
        time.sleep(LOOK_EVERY)


def await_state(
    aws: Aws, instance_id: str, state: str, within: float, tell: Tell, say: Callable[[str, float], str]
) -> None:
    """Wait until an instance is in a state; `say` words the state that it is in after so many seconds.

    Raises StepFailed if it is terminated, or takes longer than `within` seconds.
    """
    began = time.monotonic()
    told = began
    while True:
        found = described(aws, [instance_id])
        now = found[0]["State"]["Name"] if found else "pending"  # EC2 may not know a new one yet
        waited = time.monotonic() - began
        if now == state:
            return
        if now in GONE:
            raise StepFailed(f"{instance_id} was terminated by somebody: run the command again")
        if waited > within:
            raise StepFailed(f"{instance_id} is still {now} after {within / 60:.0f} minutes, not {state}")
        if time.monotonic() - told > TELL_EVERY:
            tell(say(now, waited))
            told = time.monotonic()
        time.sleep(LOOK_EVERY)


def found_by_tags(aws: Aws, cluster: str, role: str, states: Sequence[str] = LIVE) -> "list[InstanceTypeDef]":
    """A cluster's instances of a role: worker, manager or builder."""
    pages = (
        aws.client("ec2")
        .get_paginator("describe_instances")
        .paginate(
            Filters=[
                {"Name": f"tag:{TAG_CLUSTER}", "Values": [cluster]},
                {"Name": f"tag:{TAG_ROLE}", "Values": [role]},
                {"Name": "instance-state-name", "Values": list(states)},
            ]
        )
    )
    return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]


def described(aws: Aws, ids: Sequence[str]) -> "list[InstanceTypeDef]":
    """What EC2 says of instances; those that it does not know are left out."""
    found: list[InstanceTypeDef] = []
    for start in range(0, len(ids), FILTER_VALUES):
        pages = (
            aws.client("ec2")
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": "instance-id", "Values": list(ids[start : start + FILTER_VALUES])}])
        )
        found += [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return found


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """The tags of whatever EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
