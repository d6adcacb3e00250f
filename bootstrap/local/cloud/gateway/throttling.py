"""EC2's, CloudWatch's and Route 53's API rates as token buckets, per account and region, and which calls exceed them.

Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html (request and resource token buckets) and
the service quotas of CloudWatch and Route 53.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket's size and what flows in per second."""

    size: float
    refill: float


@dataclass(frozen=True, slots=True)
class Level:
    """Tokens in a bucket at a moment (seconds)."""

    tokens: float
    at: float


REQUESTS: Mapping[str, Rate] = {
    "RunInstances": Rate(5, 2),
    "StartInstances": Rate(5, 2),
    "StopInstances": Rate(50, 5),
    "TerminateInstances": Rate(100, 5),
    "CreateTags": Rate(100, 10),
    "ModifyInstanceAttribute": Rate(50, 5),
}
OTHER_CHANGES = Rate(50, 5)
DESCRIBE = Rate(100, 20)
DESCRIBE_ALL = Rate(50, 10)
RESOURCES: Mapping[str, Rate] = {
    "RunInstances": Rate(1000, 2),
    "StartInstances": Rate(1000, 2),
    "StopInstances": Rate(1000, 20),
    "TerminateInstances": Rate(1000, 20),
}
CLOUDWATCH: Mapping[str, Rate] = {
    "PutMetricAlarm": Rate(3, 3),
    "DeleteAlarms": Rate(3, 3),
    "DescribeAlarms": Rate(9, 9),
    "PutMetricData": Rate(500, 500),
}
ROUTE53 = Rate(5, 5)
"""Of all calls together."""


def request_rate(action: str, *, is_targeted: bool) -> Rate:
    """The request bucket of an EC2 action. Targeted: the call names ids, filters or a page size."""
    if action.startswith(("Describe", "Get", "List")):
        return DESCRIBE if is_targeted else DESCRIBE_ALL
    return REQUESTS.get(action, OTHER_CHANGES)


def take(rate: Rate, level: Level | None, count: float, now: float) -> tuple[bool, Level]:
    """Whether `count` tokens were there, and the level left; a refusal takes nothing."""
    before = level or Level(rate.size, now)
    tokens = min(rate.size, before.tokens + max(0.0, now - before.at) * rate.refill)
    if tokens < count:
        return False, Level(tokens, now)
    return True, Level(tokens - count, now)


@dataclass(slots=True)
class Buckets:
    """The account's buckets. Not thread-safe: used under the cloud's lock."""

    clock: Callable[[], float]
    _levels: dict[tuple[str, str], Level] = field(init=False, default_factory=dict)

    def take(self, kind: str, action: str, rate: Rate, count: float = 1) -> bool:
        """Takes tokens of the bucket (kind, action); False when there are too few."""
        key = (kind, action)
        taken, self._levels[key] = take(rate, self._levels.get(key), count, self.clock())
        return taken


if TYPE_CHECKING:
    from bootstrap.local.cloud.wire import Call

TARGETS = ("Filter.", "InstanceId.", "VolumeId.", "MaxResults", "NextToken", "ImageId.", "SubnetId.")


@dataclass(slots=True)
class Throttle:
    """Takes the tokens of calls. Used under the emulator's lock."""

    buckets: Buckets
    faults: Faults

    def check(self, call: "Call") -> None:
        """Takes the call's tokens. Raises AwsError when there are too few."""
        if call.service == "ec2":
            self._check_ec2(call)
        elif call.service == "cloudwatch":
            rate = CLOUDWATCH.get(call.action)
            if rate is not None and not self.buckets.take("cloudwatch", call.action, rate):
                raise AwsError("Throttling", "Rate exceeded")

        elif call.service == "route53" and not self.buckets.take("route53", "", ROUTE53):
            raise AwsError("Throttling", "Rate exceeded")

    def _check_ec2(self, call: "Call") -> None:
        is_targeted = any(name.startswith(TARGETS) for name in call.form)
        rate = request_rate(call.action, is_targeted=is_targeted)
        kind = "targeted" if is_targeted else "request"
        if self.faults.is_on("throttling") or not self.buckets.take(kind, _bucket(call.action), rate):
            raise _exceeded()
        if call.action in RESOURCES:
            count = _resources(call)
            if not self.buckets.take("resource", call.action, RESOURCES[call.action], count):
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
