"""AWS's API rates as token buckets, per account and region, and which calls exceed them.

Sources: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html (EC2's request and resource token
buckets), the service quotas of CloudWatch and Route 53, and what stands beside each table.
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
LAMBDA: Mapping[str, Rate] = {"GetFunction": Rate(100, 100), "GetPolicy": Rate(15, 15)}
LAMBDA_REST = Rate(15, 15)
"""Of all other calls of the control plane together. Invocations have no such rate.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests
"""
INVOCATIONS = ("Invoke", "InvokeAsync", "InvokeWithResponseStream")
IAM_READS, IAM_CHANGES = Rate(20, 10), Rate(10, 5)
"""Of each action. AWS publishes that there are such buckets, not how large they are: these are our assumption.

Source: https://aws.amazon.com/blogs/security/how-to-monitor-and-query-iam-resources-at-scale-part-2/
"""
CLOUDFORMATION = Rate(10, 5)
"""Of each action. AWS publishes no figure; 5 DescribeStacks a second were reported, the size is our assumption.

Source: https://github.com/aws/aws-sam-cli/issues/2671
"""
READS = ("Describe", "Get", "List")


def request_rate(action: str, *, is_targeted: bool) -> Rate:
    """The request bucket of an EC2 action. Targeted: the call names ids, filters or a page size."""
    if action.startswith(READS):
        return DESCRIBE if is_targeted else DESCRIBE_ALL
    return REQUESTS.get(action, OTHER_CHANGES)


def bucket_of(service: str, action: str) -> tuple[str, Rate] | None:
    """The bucket's name within its service, and its rate, of a call of any service but EC2; None: no rate is known."""
    if service == "cloudwatch":
        return (action, CLOUDWATCH[action]) if action in CLOUDWATCH else None
    if service == "lambda" and action not in INVOCATIONS:
        return (action, LAMBDA[action]) if action in LAMBDA else ("", LAMBDA_REST)
    if service == "iam":
        return action, IAM_READS if action.startswith(READS) else IAM_CHANGES
    if service == "cloudformation":
        return action, CLOUDFORMATION
    return ("", ROUTE53) if service == "route53" else None


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
        elif found := bucket_of(call.service, call.action):
            name, rate = found
            if not self.buckets.take(call.service, name, rate):
                raise _exceeded(call.service)

    def _check_ec2(self, call: "Call") -> None:
        is_targeted = any(name.startswith(TARGETS) for name in call.form)
        rate = request_rate(call.action, is_targeted=is_targeted)
        kind = "targeted" if is_targeted else "request"
        if self.faults.is_on("throttling") or not self.buckets.take(kind, _bucket(call.action), rate):
            raise _exceeded(call.service)
        if call.action in RESOURCES:
            count = _resources(call)
            if not self.buckets.take("resource", call.action, RESOURCES[call.action], count):
                raise _exceeded(call.service)


def _bucket(action: str) -> str:
    """Reads share a bucket, a change has its own."""
    return "reads" if action.startswith(READS) else action


def _resources(call: "Call") -> int:
    if call.action == "RunInstances":
        count = call.form.get("MaxCount", "1")
        return int(count) if count.isdigit() else 1
    return sum(name.startswith("InstanceId.") for name in call.form)


def _exceeded(service: str) -> AwsError:
    """The service's own error."""
    if service == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
    if service == "lambda":
        return AwsError("TooManyRequestsException", "Rate exceeded", 429)
    return AwsError("Throttling", "Rate exceeded")
