"""The requests of the matrix: each action in each tag context, as AWS would ask about it, by a name."""

from collections.abc import Mapping, Sequence

from tests.iam.asking import (
    FUNCTIONS,
    INSTANCE,
    INTERFACE,
    OUR_TAGS,
    OWNERS,
    REGION,
    TAG_KEYS,
    VOLUME,
    Asked,
    Request,
    arn,
    elsewhere,
    tags,
)
from tests.iam.launches import launches
from tests.iam.simulator import ACCOUNT

MARKED = tags("ResourceTag", backup="dev")
MARK: dict[str, str | list[str]] = {**tags("RequestTag", backup="dev"), "aws:TagKeys": ["cloudjhub:backup"]}
SNAPSHOT = f"arn:aws:ec2:{REGION}::snapshot/snap-0123456789abcdef0"


def _on_instances() -> dict[str, Request]:
    actions = ("Start", "Stop", "Terminate", "Reboot")
    return {
        f"{action}Instances, {owner}": Request(f"ec2:{action}Instances", (Asked(INSTANCE, context),))
        for action in actions
        for owner, context in OWNERS.items()
    } | {
        f"{action}Instances, own worker in another region": Request(
            f"ec2:{action}Instances", (elsewhere(Asked(INSTANCE, OWNERS["own worker"])),)
        )
        for action in actions
    }


def _attaching() -> dict[str, Request]:
    own = OWNERS["own worker"]
    return {
        **{
            f"AttachVolume, volume {owner}": Request(
                "ec2:AttachVolume", (Asked(INSTANCE, own), Asked(VOLUME, context))
            )
            for owner, context in OWNERS.items()
        },
        "AttachVolume, in another region": Request(
            "ec2:AttachVolume", (elsewhere(Asked(INSTANCE, own)), elsewhere(Asked(VOLUME, own)))
        ),
        "AttachVolume, instance of the manager": Request(
            "ec2:AttachVolume", (Asked(INSTANCE, OWNERS["own manager"]), Asked(VOLUME, own))
        ),
        "DetachVolume, own": Request("ec2:DetachVolume", (Asked(INSTANCE, own), Asked(VOLUME, own))),
        **{
            f"ModifyVolume, {owner}": Request("ec2:ModifyVolume", (Asked(VOLUME, context),))
            for owner, context in OWNERS.items()
        },
        "ModifyVolume, own worker's root disk": Request(
            "ec2:ModifyVolume", (Asked(VOLUME, {**own, "ec2:ParentSnapshot": arn("ec2", "snapshot/snap-1")}),)
        ),
        "ModifyVolume, in another region": Request("ec2:ModifyVolume", (elsewhere(Asked(VOLUME, own)),)),
        "DescribeVolumes": _one("ec2:DescribeVolumes", "*"),
        "DescribeVolumesModifications": _one("ec2:DescribeVolumesModifications", "*"),
        "DeleteVolume, own": Request("ec2:DeleteVolume", (Asked(VOLUME, own),)),
        "CreateVolume, from a snapshot": Request(
            "ec2:CreateVolume", (Asked(VOLUME, OUR_TAGS), Asked(SNAPSHOT, own))
        ),
        "CreateSnapshot, of an own home": Request(
            "ec2:CreateSnapshot", (Asked(VOLUME, own), Asked(SNAPSHOT, OUR_TAGS))
        ),
        **{
            f"CreateSnapshot, marked, {owner}": Request(
                "ec2:CreateSnapshot", (Asked(VOLUME, {**context, **MARKED}), Asked(SNAPSHOT, OUR_TAGS))
            )
            for owner, context in OWNERS.items()
        },
        "CreateSnapshot, marked for the other cluster": Request(
            "ec2:CreateSnapshot",
            (Asked(VOLUME, {**own, **tags("ResourceTag", backup="other")}), Asked(SNAPSHOT)),
        ),
        "CreateSnapshot, marked, in another region": Request(
            "ec2:CreateSnapshot", (elsewhere(Asked(VOLUME, {**own, **MARKED})), elsewhere(Asked(SNAPSHOT)))
        ),
        **{
            f"DeleteSnapshot, {owner}": Request("ec2:DeleteSnapshot", (Asked(SNAPSHOT, context),))
            for owner, context in OWNERS.items()
        },
        "DeleteSnapshot, in another region": Request(
            "ec2:DeleteSnapshot", (elsewhere(Asked(SNAPSHOT, own)),)
        ),
        "DescribeSnapshots": _one("ec2:DescribeSnapshots", "*"),
        "ModifyInstanceAttribute, own": Request("ec2:ModifyInstanceAttribute", (Asked(INSTANCE, own),)),
        "ModifyInstanceMetadataOptions, own": Request(
            "ec2:ModifyInstanceMetadataOptions", (Asked(INSTANCE, own),)
        ),
        "AssociateIamInstanceProfile, own": Request(
            "ec2:AssociateIamInstanceProfile", (Asked(INSTANCE, own),)
        ),
        "GetConsoleOutput, own": Request("ec2:GetConsoleOutput", (Asked(INSTANCE, own),)),
        "CreateImage": Request("ec2:CreateImage", (Asked(INSTANCE, own),)),
    }


def _tagging() -> dict[str, Request]:
    at_launch = {**OUR_TAGS, "ec2:CreateAction": "RunInstances"}
    later = {**OUR_TAGS, "ec2:CreateAction": "CreateVolume"}
    foreign = {**at_launch, "aws:TagKeys": [*TAG_KEYS, "aws-backup"]}
    own = OWNERS["own worker"]
    return {
        **{
            f"CreateTags, {what} at launch{how}": Request("ec2:CreateTags", (Asked(resource, context),))
            for what, resource in (("instance", INSTANCE), ("volume", VOLUME), ("interface", INTERFACE))
            for how, context in (("", at_launch), (", with a foreign tag", foreign))
        },
        **{
            f"CreateTags, mark, {owner}": Request("ec2:CreateTags", (Asked(VOLUME, {**context, **MARK}),))
            for owner, context in OWNERS.items()
        },
        "CreateTags, mark of the other cluster": Request(
            "ec2:CreateTags", (Asked(VOLUME, {**own, **MARK, **tags("RequestTag", backup="other")}),)
        ),
        "CreateTags, mark and another tag": Request(
            "ec2:CreateTags",
            (Asked(VOLUME, {**own, **MARK, "aws:TagKeys": ["cloudjhub:backup", "cloudjhub:user"]}),),
        ),
        "CreateTags, mark in another region": Request(
            "ec2:CreateTags", (elsewhere(Asked(VOLUME, {**own, **MARK})),)
        ),
        "CreateTags, snapshot": Request("ec2:CreateTags", (Asked(SNAPSHOT, {"aws:TagKeys": ["Name"]}),)),
        "CreateTags, snapshot in another region": Request(
            "ec2:CreateTags", (elsewhere(Asked(SNAPSHOT, {"aws:TagKeys": ["Name"]})),)
        ),
        "CreateTags, subnet": Request("ec2:CreateTags", (Asked(arn("ec2", "subnet/subnet-a"), at_launch),)),
        "CreateTags, at another creation": Request("ec2:CreateTags", (Asked(VOLUME, later),)),
        "CreateTags, there already": Request("ec2:CreateTags", (Asked(INSTANCE, {**OUR_TAGS, **own}),)),
        "DeleteTags, own": Request("ec2:DeleteTags", (Asked(INSTANCE, {"aws:TagKeys": ["Name"], **own}),)),
    }


def _one(action: str, resource: str, **context: str | list[str]) -> Request:
    named = {name.replace("__", ":"): value for name, value in context.items()}
    return Request(action, (Asked(resource, named),))


def _passing() -> dict[str, Request]:
    role = f"arn:aws:iam::{ACCOUNT}:role"
    worker, manager = f"{role}/cloudjhub-dev-worker", f"{role}/cloudjhub-dev-manager"
    return {
        "PassRole, worker": _one("iam:PassRole", worker, iam__PassedToService="ec2.amazonaws.com"),
        "PassRole, worker to Lambda": _one(
            "iam:PassRole", worker, iam__PassedToService="lambda.amazonaws.com"
        ),
        "PassRole, worker to no service": _one("iam:PassRole", worker),
        "PassRole, manager": _one("iam:PassRole", manager, iam__PassedToService="ec2.amazonaws.com"),
        "PassRole, longer name": _one(
            "iam:PassRole", f"{worker}-2", iam__PassedToService="ec2.amazonaws.com"
        ),
        "PutRolePolicy, own role": _one("iam:PutRolePolicy", manager),
        "CreateRole": _one("iam:CreateRole", f"{role}/new"),
        "AssumeRole": _one("sts:AssumeRole", worker),
    }


TABLES = {
    "workers": "table/cloudjhub-dev-workers",
    "history": "table/cloudjhub-dev-history",
    "settings": "table/cloudjhub-dev-settings",
    "other cluster's": "table/cloudjhub-other-workers",
    "longer name": "table/cloudjhub-dev-workers2",
    "stranger's": "table/payroll",
}
INDEXES = {
    "due": "table/cloudjhub-dev-workers/index/due",
    "instance": "table/cloudjhub-dev-workers/index/instance",
    "changed": "table/cloudjhub-dev-workers/index/changed",
    "day": "table/cloudjhub-dev-history/index/day",
    "other cluster's due": "table/cloudjhub-other-workers/index/due",
}
TABLE_ACTIONS = (
    "GetItem",
    "BatchGetItem",
    "Query",
    "Scan",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "DescribeTable",
    "DeleteTable",
)


def _records() -> dict[str, Request]:
    asked = {
        f"{action}, {name}": _one(f"dynamodb:{action}", arn("dynamodb", table))
        for action in TABLE_ACTIONS
        for name, table in TABLES.items()
    }
    indexed = {
        f"{action}, index {name}": _one(f"dynamodb:{action}", arn("dynamodb", index))
        for action in ("Query", "Scan")
        for name, index in INDEXES.items()
    }
    policies = {
        f"{action}, settings of {scope}": _one(
            f"dynamodb:{action}", arn("dynamodb", TABLES["settings"]), dynamodb__LeadingKeys=[scope]
        )
        for action in ("GetItem", "UpdateItem", "PutItem", "DeleteItem")
        for scope in ("cluster", "group/physics", "user/ada", "users", "image", "restore", "announcement")
    }
    return asked | indexed | policies


def _events() -> dict[str, Request]:
    bus, put = arn("events", "event-bus/default"), "events:PutEvents"
    return {
        "PutEvents, from the hub": _one(put, bus, events__source=["cloudjhub.hub"]),
        "PutEvents, from EC2": _one(put, bus, events__source=["aws.ec2"]),
        "PutEvents, from the hub and another": _one(put, bus, events__source=["cloudjhub.hub", "my.app"]),
        "PutEvents, without a source": _one(put, bus),
        "PutEvents, other bus": _one(put, arn("events", "event-bus/other"), events__source=["cloudjhub.hub"]),
        "PutRule": _one("events:PutRule", arn("events", "rule/cloudjhub-dev-sweep")),
        "DisableRule": _one("events:DisableRule", arn("events", "rule/cloudjhub-dev-sweep")),
        "InvokeFunction": _one("lambda:InvokeFunction", arn("lambda", "function:cloudjhub-dev-sweep")),
    }


def _metrics() -> dict[str, Request]:
    spaces = {
        "own": "cloudjhub/dev",
        "other cluster's": "cloudjhub/other",
        "longer": "cloudjhub/dev2",
        "AWS's": "AWS/EC2",
    }
    put, stop = "cloudwatch:PutMetricAlarm", f"arn:aws:automate:{REGION}:ec2:stop"
    alarm = arn("cloudwatch", "alarm:cloudjhub-dev-idle-i-0123456789abcdef0")
    any_alarm = arn("cloudwatch", "alarm:any")
    alarms = {
        "own": alarm,
        "other cluster's": alarm.replace("-dev-", "-other-"),
        "cluster named dev-idle-b": alarm.replace("-dev-idle-", "-dev-idle-b-idle-"),
        "stranger's": arn("cloudwatch", "alarm:billing"),
    }
    return {
        **{
            f"PutMetricData, {whose} namespace": _one(
                "cloudwatch:PutMetricData", "*", cloudwatch__namespace=space
            )
            for whose, space in spaces.items()
        },
        "PutMetricData, no namespace": _one("cloudwatch:PutMetricData", "*"),
        "ListMetrics": _one("cloudwatch:ListMetrics", "*"),
        "GetMetricData": _one("cloudwatch:GetMetricData", "*"),
        "DescribeAlarms": _one("cloudwatch:DescribeAlarms", any_alarm),
        "DescribeAlarms, in another region": _one(
            "cloudwatch:DescribeAlarms", any_alarm.replace(REGION, "us-east-1")
        ),
        **{f"PutMetricAlarm, {whose}": _one(put, name) for whose, name in alarms.items()},
        **{f"DeleteAlarms, {whose}": _one("cloudwatch:DeleteAlarms", name) for whose, name in alarms.items()},
        "PutMetricAlarm, own that stops": _one(put, alarm, cloudwatch__AlarmActions=[stop]),
        "SetAlarmState, own": _one("cloudwatch:SetAlarmState", alarm),
        "DisableAlarmActions, own": _one("cloudwatch:DisableAlarmActions", alarm),
    }


PARAMETERS = {
    "lifecycle token": "cloudjhub/dev/lifecycle-token",
    "cookie secret": "cloudjhub/dev/hub/cookie-secret",
    "other of this cluster": "cloudjhub/dev/other",
    "other cluster's token": "cloudjhub/other/lifecycle-token",
    "other cluster's secret": "cloudjhub/other/hub/cookie-secret",
}


def _parameters() -> dict[str, Request]:
    asked = {
        f"{action}, {name}": _one(f"ssm:{action}", arn("ssm", f"parameter/{path}"))
        for action in ("GetParameter", "GetParameters", "PutParameter")
        for name, path in PARAMETERS.items()
    }
    return asked | {"SendCommand": _one("ssm:SendCommand", INSTANCE)}


def _logs() -> dict[str, Request]:
    requests: dict[str, Request] = {}
    for function in FUNCTIONS:
        group = arn("logs", f"log-group:/aws/lambda/cloudjhub-dev-{function}")
        requests |= {
            f"CreateLogGroup, {function}": _one("logs:CreateLogGroup", group),
            f"CreateLogStream, {function}": _one("logs:CreateLogStream", f"{group}:log-stream:1"),
            f"PutLogEvents, {function}": _one("logs:PutLogEvents", f"{group}:log-stream:1"),
        }
    own = arn("logs", "log-group:/cloudjhub/dev/manager")
    audit = own.replace("manager", "audit")
    groups = {
        "own": own,
        "other cluster's": own.replace("/dev/", "/other/"),
        "worker's": f"{own}2",
        "audit": audit,
    }
    requests["DeleteLogGroup, audit"] = _one("logs:DeleteLogGroup", audit)
    requests["PutRetentionPolicy, audit"] = _one("logs:PutRetentionPolicy", audit)
    requests["FilterLogEvents, audit"] = _one("logs:FilterLogEvents", audit)
    for whose, group in groups.items():
        requests |= {
            f"CreateLogStream, manager, {whose}": _one("logs:CreateLogStream", f"{group}:log-stream:1"),
            f"PutLogEvents, manager, {whose}": _one("logs:PutLogEvents", f"{group}:log-stream:1"),
            f"DescribeLogStreams, manager, {whose}": _one("logs:DescribeLogStreams", f"{group}:log-stream:"),
        }
    return requests


OBJECTS = {
    "bundle": f"cloudjhub-dev-{ACCOUNT}-{REGION}/bundle/1.tar.gz",
    "backup": f"cloudjhub-dev-{ACCOUNT}-{REGION}/backup/1.sqlite.gz",
    "other cluster's backup": f"cloudjhub-other-{ACCOUNT}-{REGION}/backup/1.sqlite.gz",
    "other object": f"cloudjhub-dev-{ACCOUNT}-{REGION}/secret",
    "other cluster's bundle": f"cloudjhub-other-{ACCOUNT}-{REGION}/bundle/1.tar.gz",
    "stranger's bundle": f"cloudjhub-dev-999999999999-{REGION}/bundle/1.tar.gz",
}


def _objects() -> dict[str, Request]:
    bucket = f"arn:aws:s3:::cloudjhub-dev-{ACCOUNT}-{REGION}"
    return {
        **{
            f"{action}, {name}": _one(f"s3:{action}", f"arn:aws:s3:::{key}")
            for action in ("GetObject", "PutObject", "DeleteObject")
            for name, key in OBJECTS.items()
        },
        "DeleteObjectVersion, backup": _one("s3:DeleteObjectVersion", f"arn:aws:s3:::{OBJECTS['backup']}"),
        "ListBucket": _one("s3:ListBucket", bucket),
        "PutBucketPolicy": _one("s3:PutBucketPolicy", bucket),
    }


OWN_RECORD = "_acme-challenge.hub.example.org"
OTHER_RECORDS = {
    "the hub's name": "hub.example.org",
    "every name below the hub's": "\\052.hub.example.org",
    "another challenge": "_acme-challenge.example.org",
    "a name below": "a._acme-challenge.hub.example.org",
    "a longer name": "x_acme-challenge.hub.example.org",
}
RECORD_KEYS = (
    "route53__ChangeResourceRecordSetsNormalizedRecordNames",
    "route53__ChangeResourceRecordSetsRecordTypes",
    "route53__ChangeResourceRecordSetsActions",
)


def _record(
    names: Sequence[str] = (OWN_RECORD,),
    types: Sequence[str] = ("TXT",),
    actions: Sequence[str] = ("UPSERT",),
    zone: str = "Z0OWN",
) -> Request:
    """A batch of changes of records: each key holds what occurs in it; an empty one is not sent."""
    context = {
        key: list(values) for key, values in zip(RECORD_KEYS, (names, types, actions), strict=True) if values
    }
    return _one("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone}", **context)


def _dns() -> dict[str, Request]:
    own, zone = OWN_RECORD, "arn:aws:route53:::hostedzone/Z0OWN"
    return {
        "record, own set": _record(),
        "record, own deleted": _record(actions=["DELETE"]),
        "record, own replaced": _record(actions=["DELETE", "UPSERT"]),
        "record, own created": _record(actions=["CREATE"]),
        "record, own created and deleted": _record(actions=["CREATE", "DELETE"]),
        "record, own as an address": _record(types=["A"]),
        "record, own as an address too": _record(types=["TXT", "A"]),
        "record, own in another zone": _record(zone="Z0OTHER"),
        **{f"record, {what}": _record([name]) for what, name in OTHER_RECORDS.items()},
        **{f"record, {what} beside the own": _record([own, name]) for what, name in OTHER_RECORDS.items()},
        "record, no name": _record(names=[]),
        "record, no type": _record(types=[]),
        "record, no action": _record(actions=[]),
        "GetChange": _one("route53:GetChange", "arn:aws:route53:::change/C1"),
        "GetChange, in another partition": _one("route53:GetChange", "arn:aws-cn:route53:::change/C1"),
        "ListResourceRecordSets, own zone": _one("route53:ListResourceRecordSets", zone),
        "ListHostedZones": _one("route53:ListHostedZones", "*"),
        "DeleteHostedZone, own zone": _one("route53:DeleteHostedZone", zone),
    }


CHANNELS = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
MESSAGES = (
    "AcknowledgeMessage",
    "DeleteMessage",
    "FailMessage",
    "GetEndpoint",
    "GetMessages",
    "SendReply",
)


def _sessions() -> dict[str, Request]:
    return {
        **{name: _one(f"ssmmessages:{name}", "*") for name in CHANNELS},
        **{name: _one(f"ec2messages:{name}", "*") for name in MESSAGES},
        "UpdateInstanceInformation": _one("ssm:UpdateInstanceInformation", INSTANCE),
        "UpdateInstanceInformation, in another region": _one(
            "ssm:UpdateInstanceInformation", INSTANCE.replace(REGION, "us-east-1")
        ),
        "StartSession": _one("ssm:StartSession", INSTANCE),
    }


def _queues() -> dict[str, Request]:
    own = arn("sqs", "cloudjhub-dev-dead-letters")
    return {
        "SendMessage, dead-letter queue": _one("sqs:SendMessage", own),
        "SendMessage, other cluster's": _one("sqs:SendMessage", own.replace("-dev-", "-other-")),
        "ReceiveMessage, dead-letter queue": _one("sqs:ReceiveMessage", own),
        "PurgeQueue, dead-letter queue": _one("sqs:PurgeQueue", own),
    }


def _describing() -> dict[str, Request]:
    names = ("Instances", "Volumes", "Images", "Subnets", "InstanceAttribute", "InstanceTypes")
    resources = {"InstanceAttribute": INSTANCE}
    return {f"Describe{name}": _one(f"ec2:Describe{name}", resources.get(name, "*")) for name in names}


REQUESTS: Mapping[str, Request] = {
    **launches(),
    **_on_instances(),
    **_attaching(),
    **_tagging(),
    **_passing(),
    **_records(),
    **_events(),
    **_metrics(),
    **_parameters(),
    **_logs(),
    **_queues(),
    **_objects(),
    **_sessions(),
    **_dns(),
    **_describing(),
}
