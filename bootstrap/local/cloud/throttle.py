"""Which calls are one too many."""

from typing import TYPE_CHECKING

from bootstrap.local.cloud.buckets import CLOUDWATCH, RESOURCES, Buckets, request_rate
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.messages import AwsError

if TYPE_CHECKING:
    from bootstrap.local.cloud.wire import Call

TARGETS = ("Filter.", "InstanceId.", "VolumeId.", "MaxResults", "NextToken", "ImageId.", "SubnetId.")


class Throttle:
    """Takes the tokens of calls. Used under the emulator's lock."""

    def __init__(self, buckets: Buckets, faults: Faults) -> None:
        self._buckets = buckets
        self._faults = faults

    def judge(self, call: "Call") -> None:
        """Takes the call's tokens. Raises AwsError when there are too few."""
        if call.service == "ec2":
            self._judge_ec2(call)
        elif call.service == "cloudwatch":
            rate = CLOUDWATCH.get(call.action)
            if rate is not None and not self._buckets.take("cloudwatch", call.action, rate):
                raise AwsError("Throttling", "Rate exceeded")

    def _judge_ec2(self, call: "Call") -> None:
        is_targeted = any(name.startswith(TARGETS) for name in call.form)
        rate = request_rate(call.action, is_targeted=is_targeted)
        kind = "targeted" if is_targeted else "request"
        if self._faults.is_on("throttling") or not self._buckets.take(kind, _bucket(call.action), rate):
            raise _exceeded()
        if call.action in RESOURCES:
            count = _resources(call)
            if not self._buckets.take("resource", call.action, RESOURCES[call.action], count):
                raise _exceeded()


def _bucket(action: str) -> str:
    """Reads share a bucket, a change has its own."""
    return "reads" if action.startswith(("Describe", "Get", "List")) else action


def _resources(call: "Call") -> int:
    if call.action == "RunInstances":
        count = call.form.get("MaxCount", "1")
        return int(count) if count.isdigit() else 1
    return sum(name.startswith("InstanceId.") for name in call.form)


def _exceeded() -> AwsError:
    return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
