"""How far new instances have come, by EC2's status checks."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.session import Aws
from lifecycle_app.adapters.aws import split_refused

IDS_A_CALL = 100
"""EC2's limit."""
NOT_FOUND = "InvalidInstanceID.NotFound"


class Boot(StrEnum):
    """How far an instance has come."""

    BEGUN = "begun"
    """It is pending, its checks are under way, or EC2 does not know it yet."""
    PASSED = "passed"
    """It runs, and EC2's checks of the instance and of its host have passed."""
    FAILED = "failed"
    """It runs, and a check has failed."""
    DOWN = "down"
    """It is stopping, stopped or terminated."""


def boots(aws: Aws, ids: Sequence[str]) -> dict[str, Boot]:
    """Of each of the instances. EC2 does not know a new one for some seconds."""
    found = dict.fromkeys(ids, Boot.BEGUN)
    for start in range(0, len(ids), IDS_A_CALL):
        found.update(_boots(aws, ids[start : start + IDS_A_CALL]))
    return found


def boot_in(status: Mapping[str, Any]) -> Boot:
    """What an instance's entry in DescribeInstanceStatus says. Pure."""
    state = status["InstanceState"]["Name"]
    if state == "pending":
        return Boot.BEGUN
    if state != "running":
        return Boot.DOWN
    checks = {status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]}
    if checks == {"ok"}:
        return Boot.PASSED
    return Boot.FAILED if "impaired" in checks else Boot.BEGUN


def _boots(aws: Aws, ids: Sequence[str]) -> dict[str, Boot]:
    try:
        answer = aws.client("ec2").describe_instance_status(InstanceIds=list(ids), IncludeAllInstances=True)
    except ClientError as error:
        if code_of(error) != NOT_FOUND:
            raise
        if len(ids) == 1:
            return {ids[0]: Boot.BEGUN}
        return {
            key: boot for part in split_refused(ids, str(error)) for key, boot in _boots(aws, part).items()
        }
    return {one["InstanceId"]: boot_in(one) for one in answer["InstanceStatuses"]}
