"""AWS as botocore's own clients meet it: they check the requests, and raise the errors, as on AWS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.session import get_session

from lifecycle_app.adapters.aws import compare_clocks
from lifecycle_app.contract import TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.model.worker import split
from tests.lifecycle.examples import MINUTE, NOON

Asked = Mapping[str, Any]
Spoil = Callable[[Asked, dict[str, Any]], dict[str, Any]]
"""Makes another answer of a good one, or raises what botocore raises."""
Points = list[tuple[datetime, float]]

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=1, read_timeout=1)


@dataclass
class Wire:
    """One account. What happens to calls is changed by operation in `spoilt`."""

    activity: dict[str, Points] = field(default_factory=dict)
    cpu: dict[str, Points] = field(default_factory=dict)
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    ours: Callable[[], datetime] = lambda: NOON
    """This machine's clock."""
    theirs: Callable[[], datetime] = lambda: NOON
    """AWS's clock."""
    spoilt: dict[str, Spoil] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    """Every instance of which a stop reached EC2."""
    calls: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A client of botocore's, whose requests come here."""
        client, holder = _client(service)
        holder["wire"] = self
        return client

    def add(self, instance_id: str, key: str, state: str = "running", **changes: Any) -> None:
        """A worker's instance, launched two hours before noon."""
        self.instances[instance_id] = described(instance_id, key, state) | changes

    def answer(self, operation: str, asked: Asked) -> dict[str, Any]:
        self.calls.append(operation)
        answers: dict[str, Callable[[Asked], dict[str, Any]]] = {
            "StopInstances": self._stop,
            "DescribeInstances": self._describe,
            "DescribeAlarms": lambda _: {"MetricAlarms": []},
            "GetMetricData": self._figures,
        }
        good = answers[operation](asked) if operation in answers else {}
        spoil = self.spoilt.get(operation)
        return spoil(asked, good) if spoil else good

    def _stop(self, asked: Asked) -> dict[str, Any]:
        self.stops += asked["InstanceIds"]
        for instance_id in asked["InstanceIds"]:
            self.instances[instance_id]["State"] = {"Name": "stopping"}
        return {"StoppingInstances": []}

    def _describe(self, asked: Asked) -> dict[str, Any]:
        wanted = {one["Name"]: one["Values"] for one in asked["Filters"]}
        found = [one for one in self.instances.values() if _matches(one, wanted)]
        return {"Reservations": [{"Instances": [one]} for one in found]}

    def _figures(self, asked: Asked) -> dict[str, Any]:
        return {"MetricDataResults": [self._result(query, asked) for query in asked["MetricDataQueries"]]}

    def _result(self, query: Asked, asked: Asked) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        named = {"Activity": self.activity, "CPUUtilization": self.cpu}.get(metric["MetricName"], {})
        points = named.get(metric["Dimensions"][0]["Value"], [])
        seen = [(at, value) for at, value in points if asked["StartTime"] <= at < asked["EndTime"]]
        return {
            "Id": query["Id"],
            "Label": metric["MetricName"],
            "StatusCode": "Complete",
            "Timestamps": [at for at, _ in seen],
            "Values": [value for _, value in seen],
        }


def described(instance_id: str, key: str, state: str = "running") -> dict[str, Any]:
    """An instance as DescribeInstances returns it."""
    user, server = split(key)
    tags = {TAG_CLUSTER: "test", TAG_ROLE: "worker", TAG_USER: user, TAG_SERVER: server}
    return {
        "InstanceId": instance_id,
        "State": {"Name": state},
        "LaunchTime": NOON - timedelta(hours=2),
        "InstanceType": "t3.medium",
        "PrivateIpAddress": "10.0.1.5",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
    }


def tagged(one: Mapping[str, Any], **changes: str | None) -> list[dict[str, str]]:
    """Its tags, changed (named by their last part); None takes one away."""
    tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
    new = tags | {f"cloudjhub:{name}": value for name, value in changes.items()}
    return [{"Key": name, "Value": value} for name, value in new.items() if value is not None]


def every(minutes: int, value: float, since: datetime, until: datetime) -> Points:
    """The same figure again and again."""
    count = int((until - since) / (minutes * MINUTE))
    return [(since + n * minutes * MINUTE, value) for n in range(count)]


def watched(query: Asked) -> tuple[str, str]:
    """Which metric of which instance a query asks for."""
    metric = query["MetricStat"]["Metric"]
    return metric["MetricName"], metric["Dimensions"][0]["Value"]


def _matches(one: Mapping[str, Any], wanted: Mapping[str, list[str]]) -> bool:
    tags = {f"tag:{tag['Key']}": tag["Value"] for tag in one.get("Tags", ())}
    has = tags | {"instance-id": one["InstanceId"]}
    return all(has.get(name) in values for name, values in wanted.items())


@cache
def _client(service: str) -> tuple[Any, dict[str, Wire]]:
    """Making a client takes a second: one for all."""
    holder: dict[str, Wire] = {}
    client = get_session().create_client(
        service,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=ONCE,
    )

    def remember(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context["asked"] = dict(params)

    def reply(model: Any, context: Mapping[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        wire = holder["wire"]
        answer = wire.answer(model.name, context["asked"])
        status = answer.pop("status", 400 if "Error" in answer else 200)
        headers = HTTPHeaders.from_dict({"date": format_datetime(wire.theirs(), usegmt=True)})
        answer["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": dict(headers)}
        return AWSResponse("https://aws.test/", status, headers, None), answer

    hooks: Any = client.meta.events  # its type knows of no hook that answers
    hooks.register("before-parameter-build", remember)
    hooks.register("before-call", reply)
    if service == "cloudwatch":
        compare_clocks(client, lambda: holder["wire"].ours())
    return client, holder
