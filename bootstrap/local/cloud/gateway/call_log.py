"""The record of AWS calls: who called what, how often, and what AWS would have asked IAM about it.

Nothing is enforced here. Actions, resources and condition keys:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

Values = tuple[str, ...]
Parameters = Mapping[str, Any]
Tags = Callable[[str], Mapping[str, str]]
"""The tags of an EC2 resource by its id."""

NEW_INSTANCE, NEW_VOLUME, NEW_INTERFACE = "instance/i-0new", "volume/vol-0new", "network-interface/eni-0new"
NOT_ASKED = (("sts", "GetCallerIdentity"),)
"""Whoever has credentials may."""
ANY = (
    ("ec2", "DescribeImages"),
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSubnets"),
    ("cloudwatch", "GetMetricData"),
)
"""They know no resources."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to IAM. `context` holds what is told beside the action and the resource, by its key."""

    action: str
    resource: str
    context: tuple[tuple[str, Values], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Where resources are named."""

    account: str
    region: str
    tags: Tags

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def own(self, kind: str, resource_id: str) -> tuple[str, dict[str, Values]]:
        """An EC2 resource that there is, with its tags."""
        tags: dict[str, Values] = {
            f"aws:ResourceTag/{key}": (value,) for key, value in self.tags(resource_id).items()
        }
        return self.arn("ec2", f"{kind}/{resource_id}"), tags


def asked(service: str, action: str, parameters: Parameters, where: Account) -> tuple[Asked, ...] | None:
    """What IAM is asked about the call; None if that is not written down here."""
    if (service, action) in NOT_ASKED:
        return ()
    name = f"{service}:{action}"
    if (service, action) in ANY:
        return (Asked(name, "*"),)
    if (service, action) == ("ec2", "RunInstances"):
        return tuple(_launch(parameters, where))
    resources = RESOURCES.get((service, action))
    if resources is None:
        return None
    return tuple(_asked(name, resource, context) for resource, context in resources(parameters, where))


def _asked(action: str, resource: str, context: Mapping[str, Values]) -> Asked:
    return Asked(action, resource, tuple(sorted(context.items())))


Found = Iterator[tuple[str, Mapping[str, Values]]]


def _table(parameters: Parameters, where: Account) -> Found:
    index = f"/index/{parameters['IndexName']}" if parameters.get("IndexName") else ""
    yield where.arn("dynamodb", f"table/{parameters['TableName']}{index}"), {}


def _tables(parameters: Parameters, where: Account) -> Found:
    for name in parameters["RequestItems"]:
        yield where.arn("dynamodb", f"table/{name}"), {}


def _instances(parameters: Parameters, where: Account) -> Found:
    for instance_id in parameters["InstanceIds"]:
        yield where.own("instance", instance_id)


def _attached(parameters: Parameters, where: Account) -> Found:
    yield where.own("instance", parameters["InstanceId"])
    yield where.own("volume", parameters["VolumeId"])


def _alarm(parameters: Parameters, where: Account) -> Found:
    actions = tuple(parameters.get("AlarmActions") or ())
    told = {"cloudwatch:AlarmActions": actions} if actions else {}
    yield where.arn("cloudwatch", f"alarm:{parameters['AlarmName']}"), told


def _alarms(parameters: Parameters, where: Account) -> Found:
    for name in parameters.get("AlarmNames") or ("*",):
        yield where.arn("cloudwatch", f"alarm:{name}"), {}


def _namespace(parameters: Parameters, _: Account) -> Found:
    yield "*", {"cloudwatch:namespace": (parameters["Namespace"],)}


def _parameters(parameters: Parameters, where: Account) -> Found:
    for name in parameters.get("Names") or (parameters["Name"],):
        yield where.arn("ssm", f"parameter/{name.lstrip('/')}"), {}


def _object(parameters: Parameters, _: Account) -> Found:
    yield f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}", {}


RESOURCES: Mapping[tuple[str, str], Callable[[Parameters, Account], Found]] = {
    **{
        ("dynamodb", name): _table
        for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan")
    },
    ("dynamodb", "BatchGetItem"): _tables,
    **{("ec2", f"{verb}Instances"): _instances for verb in ("Start", "Stop", "Terminate", "Reboot")},
    ("ec2", "AttachVolume"): _attached,
    ("cloudwatch", "PutMetricAlarm"): _alarm,
    ("cloudwatch", "DeleteAlarms"): _alarms,
    ("cloudwatch", "DescribeAlarms"): _alarms,
    ("cloudwatch", "PutMetricData"): _namespace,
    ("ssm", "GetParameter"): _parameters,
    ("ssm", "GetParameters"): _parameters,
    ("s3", "GetObject"): _object,
    ("s3", "HeadObject"): _object,
}


def _launch(parameters: Parameters, where: Account) -> Iterator[Asked]:
    """EC2 asks about each part of a launch, about its tags, and about the role that the instance gets."""
    instance, volume = where.arn("ec2", NEW_INSTANCE), where.arn("ec2", NEW_VOLUME)
    tags = {kind: _request_tags(parameters, kind) for kind in ("instance", "volume")}
    profile = parameters.get("IamInstanceProfile", {}).get("Name")
    yield _asked("ec2:RunInstances", instance, {**tags["instance"], **_options(parameters, profile, where)})
    for disk in parameters.get("BlockDeviceMappings", ()):
        encrypted = str(bool(disk.get("Ebs", {}).get("Encrypted"))).lower()
        yield _asked("ec2:RunInstances", volume, {**tags["volume"], "ec2:Encrypted": (encrypted,)})
    yield from _place(parameters, where)
    for kind, resource in (("instance", instance), ("volume", volume)):
        if tags[kind]:
            yield _asked("ec2:CreateTags", resource, {**tags[kind], "ec2:CreateAction": ("RunInstances",)})
    if profile:
        role = f"arn:aws:iam::{where.account}:role/{profile}"
        yield _asked("iam:PassRole", role, {"iam:PassedToService": ("ec2.amazonaws.com",)})


def _place(parameters: Parameters, where: Account) -> Iterator[Asked]:
    subnet = where.arn("ec2", f"subnet/{parameters['SubnetId']}")
    yield _asked("ec2:RunInstances", subnet, {})
    yield _asked("ec2:RunInstances", where.arn("ec2", NEW_INTERFACE), {"ec2:Subnet": (subnet,)})
    for group in parameters.get("SecurityGroupIds", ()):
        yield _asked("ec2:RunInstances", where.arn("ec2", f"security-group/{group}"), {})
    image = f"arn:aws:ec2:{where.region}::image/{parameters['ImageId']}"
    yield _asked("ec2:RunInstances", image, {"ec2:Owner": (where.account,)})


def _request_tags(parameters: Parameters, kind: str) -> dict[str, Values]:
    tags = [
        tag
        for one in parameters.get("TagSpecifications", ())
        if one["ResourceType"] == kind
        for tag in one["Tags"]
    ]
    if not tags:
        return {}
    by_key = {f"aws:RequestTag/{tag['Key']}": (str(tag.get("Value", "")),) for tag in tags}
    return {**by_key, "aws:TagKeys": tuple(sorted(tag["Key"] for tag in tags))}


def _options(parameters: Parameters, profile: str | None, where: Account) -> dict[str, Values]:
    metadata = parameters.get("MetadataOptions", {})
    told: dict[str, Values] = {"ec2:InstanceType": (str(parameters["InstanceType"]),)}
    if "HttpTokens" in metadata:
        told["ec2:MetadataHttpTokens"] = (str(metadata["HttpTokens"]),)
    if "HttpPutResponseHopLimit" in metadata:
        told["ec2:MetadataHttpPutResponseHopLimit"] = (str(metadata["HttpPutResponseHopLimit"]),)
    if profile:
        told["ec2:InstanceProfile"] = (f"arn:aws:iam::{where.account}:instance-profile/{profile}",)
    return told


KEPT = 5000
QUESTIONS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One AWS call; `at` in epoch seconds, `error` is AWS's code, `took` in seconds, `instances` those it names."""

    number: int
    at: float
    principal: str
    service: str
    action: str
    error: str | None
    took: float
    instances: tuple[str, ...] = ()


class CallLog:
    """The newest calls and the counts of all calls since the start."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._records: deque[CallRecord] = deque(maxlen=KEPT)
        self._actions: Counter[str] = Counter()
        self._principals: dict[str, Counter[str]] = {}
        self._questions: dict[tuple[str, Asked | str], None] = {}
        self._number = 0

    def add(
        self,
        *,
        at: float,
        principal: str,
        service: str,
        action: str,
        error: str | None,
        took: float,
        instances: tuple[str, ...] = (),
    ) -> None:
        name = f"{service}:{action}"
        with self._lock:
            self._number += 1
            self._records.append(
                CallRecord(self._number, at, principal, service, action, error, took, instances)
            )
            self._actions[name] += 1
            self._principals.setdefault(principal, Counter())[name] += 1

    def add_asked(self, role: str, call: str, asked: tuple[Asked, ...] | None) -> None:
        """Keeps what IAM would have been asked about a call of the role, each question once; its name if unknown."""
        with self._lock:
            for question in (call,) if asked is None else asked:
                if len(self._questions) < QUESTIONS_KEPT:
                    self._questions[role, question] = None

    def questions(self) -> list[dict[str, object]]:
        """The roles, and what IAM would have been asked about their calls since the start, or `unknown` calls."""
        with self._lock:
            return [
                {"role": role, "unknown": question}
                if isinstance(question, str)
                else {"role": role, **asdict(question)}
                for role, question in self._questions
            ]

    def since(self, number: int) -> list[dict[str, object]]:
        """The kept calls after the one of this number, oldest first."""
        with self._lock:
            return [asdict(record) for record in self._records if record.number > number]

    def counts(self) -> dict[str, object]:
        with self._lock:
            return {
                "total": self._number,
                "actions": dict(self._actions),
                "principals": {name: dict(counts) for name, counts in self._principals.items()},
            }
