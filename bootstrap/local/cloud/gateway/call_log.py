"""The record of AWS calls: who called what, how often, and which IAM permissions it needs.

Nothing is enforced here. Actions, resources and condition keys:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

from bootstrap.cluster.dns.hosted_zones import normalized, readable

Values = tuple[str, ...]
Parameters = Mapping[str, Any]
Tags = Callable[[str], Mapping[str, str]]
"""The tags of an EC2 resource by its id."""

NEW_INSTANCE, NEW_VOLUME, NEW_INTERFACE = "instance/i-0new", "volume/vol-0new", "network-interface/eni-0new"
NEEDS_NO_PERMISSION = (("sts", "GetCallerIdentity"),)
"""Any caller with credentials may."""
ANY = (
    ("ec2", "DescribeImages"),
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSubnets"),
    ("ec2", "DescribeVolumes"),
    ("cloudwatch", "GetMetricData"),
    ("cloudwatch", "ListMetrics"),
    ("route53", "ListHostedZones"),
)
"""Calls without resource-level permissions."""
TAGGED = {"i": "instance", "vol": "volume", "snap": "snapshot", "eni": "network-interface", "ami": "image"}
"""The kind of a resource, by how its id begins."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that a call needs: action, resource, and the condition keys with their values in `context`."""

    action: str
    resource: str
    context: tuple[tuple[str, Values], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Where resources are named."""

    account: str
    region: str
    tags: Tags
    iam_path: Callable[[str], str] = lambda _: "/"
    """The path of an instance profile, which its role has too, by the name of both."""

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def own(self, kind: str, resource_id: str) -> tuple[str, dict[str, Values]]:
        """An existing EC2 resource, with its tags."""
        tags: dict[str, Values] = {
            f"aws:ResourceTag/{key}": (value,) for key, value in self.tags(resource_id).items()
        }
        return self.arn("ec2", f"{kind}/{resource_id}"), tags


def permissions_of(
    service: str, action: str, parameters: Parameters, where: Account
) -> tuple[Permission, ...] | None:
    """The permissions that the call needs; None for a call that this module does not know."""
    if (service, action) in NEEDS_NO_PERMISSION:
        return ()
    name = f"{service}:{action}"
    if (service, action) in ANY:
        return (Permission(name, "*"),)
    if (service, action) == ("ec2", "RunInstances"):
        return tuple(_launch(parameters, where))
    acting = [one for one in parameters.get("AlarmActions") or () if ":automate:" in one]
    if (service, action) == ("cloudwatch", "PutMetricAlarm") and acting:
        return (*_on_instances(where), *(_permission(name, *one) for one in _alarm(parameters, where)))
    resources = RESOURCES.get((service, action))
    if resources is None:
        return None
    return tuple(_permission(name, resource, context) for resource, context in resources(parameters, where))


def _permission(action: str, resource: str, context: Mapping[str, Values]) -> Permission:
    return Permission(action, resource, tuple(sorted(context.items())))


Found = Iterator[tuple[str, Mapping[str, Values]]]


def _table(parameters: Parameters, where: Account) -> Found:
    index = f"/index/{parameters['IndexName']}" if parameters.get("IndexName") else ""
    yield where.arn("dynamodb", f"table/{parameters['TableName']}{index}"), _leading_keys(parameters)


def _leading_keys(parameters: Parameters) -> Mapping[str, Values]:
    """Of what is in the settings table: there a policy may depend on it. Other tables have too many keys to keep."""
    scope = parameters.get("Key", {}).get("scope", {}).get("S", "")
    return {"dynamodb:LeadingKeys": (scope,)} if scope else {}


def _tables(parameters: Parameters, where: Account) -> Found:
    for name in parameters["RequestItems"]:
        yield where.arn("dynamodb", f"table/{name}"), {}


def _instances(parameters: Parameters, where: Account) -> Found:
    for instance_id in parameters["InstanceIds"]:
        yield where.own("instance", instance_id)


def _attached(parameters: Parameters, where: Account) -> Found:
    yield where.own("instance", parameters["InstanceId"])
    yield where.own("volume", parameters["VolumeId"])


def _volume(parameters: Parameters, where: Account) -> Found:
    yield where.own("volume", parameters["VolumeId"])


def _tagged(parameters: Parameters, where: Account) -> Found:
    for resource_id in parameters["Resources"]:
        prefix = resource_id.partition("-")[0]
        resource, known = where.own(TAGGED.get(prefix, prefix), resource_id)
        yield resource, {**known, **_given(parameters["Tags"])}


def _alarm(parameters: Parameters, where: Account) -> Found:
    actions = tuple(parameters.get("AlarmActions") or ())
    context = {"cloudwatch:AlarmActions": actions} if actions else {}
    yield where.arn("cloudwatch", f"alarm:{parameters['AlarmName']}"), context


def _on_instances(where: Account) -> Iterator[Permission]:
    """What an alarm needs beside its own permission if EC2 acts on it: CloudWatch makes a role at the first one."""
    role = "role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents"
    context: dict[str, Values] = {"iam:AWSServiceName": ("events.amazonaws.com",)}
    yield _permission("iam:CreateServiceLinkedRole", f"arn:aws:iam::{where.account}:{role}", context)
    yield _permission("ec2:DescribeInstances", "*", {})
    yield _permission("ec2:DescribeInstanceStatus", "*", {})


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


def _records(parameters: Parameters, _: Account) -> Found:
    changes = parameters["ChangeBatch"]["Changes"]
    records = [one["ResourceRecordSet"] for one in changes]
    key = "route53:ChangeResourceRecordSets"
    yield (
        _zone(parameters["HostedZoneId"]),
        {
            f"{key}NormalizedRecordNames": tuple(
                sorted({normalized(readable(one["Name"]).lower()) for one in records})
            ),
            f"{key}RecordTypes": tuple(sorted({one["Type"] for one in records})),
            f"{key}Actions": tuple(sorted({one["Action"] for one in changes})),
        },
    )


def _listed_zone(parameters: Parameters, _: Account) -> Found:
    yield _zone(parameters.get("HostedZoneId") or parameters["Id"]), {}


def _zone(zone_id: str) -> str:
    return f"arn:aws:route53:::hostedzone/{zone_id.rpartition('/')[2]}"


def _dns_change(parameters: Parameters, _: Account) -> Found:
    yield f"arn:aws:route53:::change/{parameters['Id'].rpartition('/')[2]}", {}


RESOURCES: Mapping[tuple[str, str], Callable[[Parameters, Account], Found]] = {
    **{
        ("dynamodb", name): _table
        for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan")
    },
    ("dynamodb", "BatchGetItem"): _tables,
    **{("ec2", f"{verb}Instances"): _instances for verb in ("Start", "Stop", "Terminate", "Reboot")},
    ("ec2", "AttachVolume"): _attached,
    ("ec2", "ModifyVolume"): _volume,
    ("ec2", "CreateTags"): _tagged,
    ("cloudwatch", "PutMetricAlarm"): _alarm,
    ("cloudwatch", "DeleteAlarms"): _alarms,
    ("cloudwatch", "DescribeAlarms"): _alarms,
    ("cloudwatch", "PutMetricData"): _namespace,
    ("ssm", "GetParameter"): _parameters,
    ("ssm", "GetParameters"): _parameters,
    ("route53", "ChangeResourceRecordSets"): _records,
    ("route53", "ListResourceRecordSets"): _listed_zone,
    ("route53", "GetHostedZone"): _listed_zone,
    ("route53", "GetChange"): _dns_change,
    ("s3", "GetObject"): _object,
    ("s3", "HeadObject"): _object,
}


def _launch(parameters: Parameters, where: Account) -> Iterator[Permission]:
    """EC2 checks each part of a launch, its tags, and the role that the instance gets."""
    created = {
        "instance": where.arn("ec2", NEW_INSTANCE),
        "volume": where.arn("ec2", NEW_VOLUME),
        "network-interface": where.arn("ec2", NEW_INTERFACE),
    }
    tags = {kind: _request_tags(parameters, kind) for kind in created}
    profile = parameters.get("IamInstanceProfile", {}).get("Name")
    yield _permission(
        "ec2:RunInstances",
        created["instance"],
        {**tags["instance"], **_options(parameters, profile, where)},
    )
    for disk in parameters.get("BlockDeviceMappings", ()):
        encrypted = str(bool(disk.get("Ebs", {}).get("Encrypted"))).lower()
        yield _permission(
            "ec2:RunInstances", created["volume"], {**tags["volume"], "ec2:Encrypted": (encrypted,)}
        )
        if snapshot := disk.get("Ebs", {}).get("SnapshotId"):
            _, own_tags = where.own("snapshot", snapshot)
            yield _permission(
                "ec2:RunInstances", f"arn:aws:ec2:{where.region}::snapshot/{snapshot}", own_tags
            )
    yield from _place(parameters, where, tags["network-interface"])
    for kind, resource in created.items():
        if tags[kind]:
            yield _permission(
                "ec2:CreateTags", resource, {**tags[kind], "ec2:CreateAction": ("RunInstances",)}
            )
    if profile:
        role = f"arn:aws:iam::{where.account}:role{where.iam_path(profile)}{profile}"
        yield _permission("iam:PassRole", role, {"iam:PassedToService": ("ec2.amazonaws.com",)})


def _place(
    parameters: Parameters, where: Account, interface_tags: Mapping[str, Values]
) -> Iterator[Permission]:
    subnet = where.arn("ec2", f"subnet/{parameters['SubnetId']}")
    yield _permission("ec2:RunInstances", subnet, {})
    interface = {**interface_tags, "ec2:Subnet": (subnet,)}
    yield _permission("ec2:RunInstances", where.arn("ec2", NEW_INTERFACE), interface)
    for group in parameters.get("SecurityGroupIds", ()):
        yield _permission("ec2:RunInstances", where.arn("ec2", f"security-group/{group}"), {})
    image = f"arn:aws:ec2:{where.region}::image/{parameters['ImageId']}"
    yield _permission("ec2:RunInstances", image, {"ec2:Owner": (where.account,)})


def _request_tags(parameters: Parameters, kind: str) -> dict[str, Values]:
    tags = [
        tag
        for one in parameters.get("TagSpecifications", ())
        if one["ResourceType"] == kind
        for tag in one["Tags"]
    ]
    return _given(tags) if tags else {}


def _given(tags: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    by_key = {f"aws:RequestTag/{tag['Key']}": (str(tag.get("Value", "")),) for tag in tags}
    return {**by_key, "aws:TagKeys": tuple(sorted(tag["Key"] for tag in tags))}


def _options(parameters: Parameters, profile: str | None, where: Account) -> dict[str, Values]:
    metadata = parameters.get("MetadataOptions", {})
    context: dict[str, Values] = {"ec2:InstanceType": (str(parameters["InstanceType"]),)}
    if "HttpTokens" in metadata:
        context["ec2:MetadataHttpTokens"] = (str(metadata["HttpTokens"]),)
    if "HttpPutResponseHopLimit" in metadata:
        context["ec2:MetadataHttpPutResponseHopLimit"] = (str(metadata["HttpPutResponseHopLimit"]),)
    if profile:
        kind = f"instance-profile{where.iam_path(profile)}"
        context["ec2:InstanceProfile"] = (f"arn:aws:iam::{where.account}:{kind}{profile}",)
    return context


KEPT = 5000
PERMISSIONS_KEPT = 20_000


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


@dataclass(slots=True)
class CallLog:
    """The newest calls and the counts of all calls since the start."""

    _lock: Lock = field(init=False, default_factory=Lock)
    _records: deque[CallRecord] = field(init=False, default_factory=lambda: deque(maxlen=KEPT))
    _actions: Counter[str] = field(init=False, default_factory=Counter)
    _principals: dict[str, Counter[str]] = field(init=False, default_factory=dict)
    _permissions: dict[tuple[str, Permission | str], None] = field(init=False, default_factory=dict)
    _number: int = field(init=False, default=0)

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
        """Records a call."""
        name = f"{service}:{action}"
        with self._lock:
            self._number += 1
            self._records.append(
                CallRecord(self._number, at, principal, service, action, error, took, instances)
            )
            self._actions[name] += 1
            self._principals.setdefault(principal, Counter())[name] += 1

    def add_permissions(self, role: str, call: str, needed: tuple[Permission, ...] | None) -> None:
        """Records the permissions that a call of the role needs, each once; the call's name if unknown."""
        with self._lock:
            for permission in (call,) if needed is None else needed:
                if len(self._permissions) < PERMISSIONS_KEPT:
                    self._permissions[role, permission] = None

    def permissions(self) -> list[dict[str, object]]:
        """The permissions that each role's calls since the start needed, or `unknown` calls."""
        with self._lock:
            return [
                {"role": role, "unknown": permission}
                if isinstance(permission, str)
                else {"role": role, **asdict(permission)}
                for role, permission in self._permissions
            ]

    def since(self, number: int) -> list[dict[str, object]]:
        """The kept calls after the one of this number, oldest first."""
        with self._lock:
            return [asdict(record) for record in self._records if record.number > number]

    def counts(self) -> dict[str, object]:
        """How many calls there were: in all, by action, and by principal and action."""
        with self._lock:
            return {
                "total": self._number,
                "actions": dict(self._actions),
                "principals": {name: dict(counts) for name, counts in self._principals.items()},
            }
