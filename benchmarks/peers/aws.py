"""A substitute for EC2, CloudWatch and STS, as far as the peers use them.

`python -m benchmarks.peers.aws USERS RUNNING DUE STOP_SECONDS` prints its port. It returns fewer attributes of an
instance than EC2, and answers at once except for stops: both are in the peers' favour.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from tornado.web import RequestHandler

from benchmarks.peers.fleet import IDLE_FOR, Fleet, Routes, Seen, instance_id, number_of, serve, user_name

LARGEST_PAGE = 1_000
"""Of DescribeInstances."""
IDLE_PERCENT, BUSY_PERCENT = 0.5, 40.0
SERVICES = {
    "DescribeInstances": "ec2",
    "StopInstances": "ec2",
    "GetMetricStatistics": "cloudwatch",
    "GetCallerIdentity": "sts",
}
EC2_SCHEMA = "http://ec2.amazonaws.com/doc/2016-11-15/"

Form = Mapping[str, str]


def describe_instances(fleet: Fleet, form: Form, now: datetime) -> str:
    """A page of the running instances, or the one with the requested id, running or not."""
    if one := form.get("InstanceId.1"):
        return _described([_instance(fleet, number_of(one), now)], None)
    begin, size = int(form.get("NextToken", "0")), int(form.get("MaxResults", LARGEST_PAGE))
    end = min(begin + min(size, LARGEST_PAGE), fleet.running)
    found = [_instance(fleet, number, now) for number in range(begin, end)]
    return _described(found, str(end) if end < fleet.running else None)


def _described(instances: Sequence[str], token: str | None) -> str:
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return _xml("DescribeInstances", f"<reservationSet>{''.join(instances)}</reservationSet>{more}")


def _instance(fleet: Fleet, number: int, now: datetime) -> str:
    code, state = (16, "running") if fleet.runs(number) else (80, "stopped")
    name, since = user_name(number), (now - IDLE_FOR).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    tags = {"Name": f"JUPYTER_HUB_WORKER_{name}", "Owner": "course", "User": name}
    tag_set = "".join(f"<item><key>{key}</key><value>{value}</value></item>" for key, value in tags.items())
    return (
        f"<item><reservationId>r-{number:017x}</reservationId><ownerId>123456789012</ownerId><groupSet/>"
        f"<instancesSet><item><instanceId>{instance_id(number)}</instanceId>"
        "<imageId>ami-0123456789abcdef0</imageId>"
        f"<instanceState><code>{code}</code><name>{state}</name></instanceState>"
        f"<privateDnsName>ip-10-0-0-{number}.ec2.internal</privateDnsName><dnsName/><reason/>"
        f"<amiLaunchIndex>0</amiLaunchIndex><productCodes/><instanceType>t3.medium</instanceType>"
        f"<launchTime>{since}</launchTime>"
        "<placement><availabilityZone>us-east-1a</availabilityZone><tenancy>default</tenancy></placement>"
        "<monitoring><state>disabled</state></monitoring><subnetId>subnet-0000000a</subnetId>"
        "<vpcId>vpc-0000000a</vpcId><privateIpAddress>10.0.0.1</privateIpAddress>"
        "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>"
        "<rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/sda1</deviceName>"
        f"<ebs><volumeId>vol-{number:017x}</volumeId><status>attached</status>"
        "<deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>"
        f"<virtualizationType>hvm</virtualizationType><tagSet>{tag_set}</tagSet>"
        "<hypervisor>xen</hypervisor><ebsOptimized>false</ebsOptimized></item></instancesSet></item>"
    )


def stop_instances(numbers: Sequence[int]) -> str:
    """The answer: all are stopping."""
    items = "".join(
        f"<item><instanceId>{instance_id(number)}</instanceId>"
        "<currentState><code>64</code><name>stopping</name></currentState>"
        "<previousState><code>16</code><name>running</name></previousState></item>"
        for number in numbers
    )
    return _xml("StopInstances", f"<instancesSet>{items}</instancesSet>")


def get_metric_statistics(fleet: Fleet, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The average CPU of the requested instance: low if it is due."""
    [dimension] = asked["Dimensions"]
    percent = IDLE_PERCENT if fleet.is_due(number_of(dimension["Value"])) else BUSY_PERCENT
    point = {"Timestamp": int((now - IDLE_FOR).timestamp()), "Average": percent, "Unit": "Percent"}
    return {"Label": asked["MetricName"], "Datapoints": [point]}


def get_caller_identity() -> str:
    """A user of an account."""
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        "<Arn>arn:aws:iam::123456789012:user/culler</Arn><UserId>AIDAEXAMPLE</UserId>"
        "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )


def _xml(action: str, content: str) -> str:
    return f'<{action}Response xmlns="{EC2_SCHEMA}"><requestId>1</requestId>{content}</{action}Response>'


class _Endpoint(RequestHandler):
    """All three services. CloudWatch requests are JSON, with the action in a header, the others are forms."""

    def initialize(self, fleet: Fleet, stop_seconds: float, seen: Seen) -> None:
        self._fleet, self._stop_seconds, self._seen = fleet, stop_seconds, seen

    async def post(self) -> None:
        if target := self.request.headers.get("X-Amz-Target"):
            action, asked = target.partition(".")[2], json.loads(self.request.body)
        else:
            asked = dict(parse_qsl(self.request.body.decode()))
            action = asked["Action"]
        self._seen.calls[f"{SERVICES.get(action, 'unknown')}:{action}"] += 1
        self.set_header("Content-Type", "application/x-amz-json-1.0" if target else "text/xml")
        match action:
            case "DescribeInstances":
                self.finish(describe_instances(self._fleet, asked, datetime.now(UTC)))
            case "GetMetricStatistics":
                self.finish(json.dumps(get_metric_statistics(self._fleet, asked, datetime.now(UTC))))
            case "StopInstances":
                numbers = [number_of(one) for name, one in asked.items() if name.startswith("InstanceId.")]
                await asyncio.sleep(self._stop_seconds)
                self._seen.stopped += numbers
                self.finish(stop_instances(numbers))
            case "GetCallerIdentity":
                self.finish(get_caller_identity())
            case _:
                self.send_error(400)


def routes(fleet: Fleet, stop_seconds: float, seen: Seen) -> Routes:
    """One endpoint for all services."""
    return [("/", _Endpoint, {"fleet": fleet, "stop_seconds": stop_seconds, "seen": seen})]


if __name__ == "__main__":
    serve(routes)
