"""The manager's role: its hub launches and starts this cluster's workers; it stops, changes and writes nothing.

The explicit denials hold beside any other policy: the manager's role has the one for Session Manager too.
"""

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.dns.hosted_zones import normalized
from bootstrap.cluster.policies.statements import Conditions, Document, Statement, allow, deny, document
from lifecycle_app.contract import (
    TAG_CLUSTER,
    TAG_CREATOR,
    TAG_NAME,
    TAG_OWNER,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
)

TAG_KEYS = (TAG_NAME, TAG_OWNER, TAG_CREATOR, TAG_CLUSTER, TAG_ROLE, TAG_USER, TAG_SERVER)

# Of AWS's own AmazonSSMManagedInstanceCore: what its agent needs for sessions, and nothing that reads parameters.
SESSION_ACTIONS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
)


def manager_policy(scope: Scope) -> Document:
    """All that the manager's role may do, and what it may never do, whatever is attached beside this."""
    return document(
        *_launching(scope),
        *_starting(scope),
        *_reading(scope),
        *_speaking(scope),
        *_running(scope),
        *_validation(scope),
        *denials(scope, _secrets(scope)),
    )


def _launching(scope: Scope) -> list[Statement]:
    """EC2 asks about each resource of a launch; one refusal refuses it all.

    No key pair, launch template, snapshot, placement group or spot request is listed, so none can be used.
    """
    profile = scope.iam_arn(f"instance-profile/{scope.worker_role}")
    return [
        allow(
            "LaunchWorkers",
            ["ec2:RunInstances"],
            [scope.arn("ec2", "instance/*")],
            {
                "StringEquals": {**scope.worker_tags_of_request, "ec2:MetadataHttpTokens": "required"},
                "NumericEquals": {"ec2:MetadataHttpPutResponseHopLimit": "1"},
                "ArnLike": {"ec2:InstanceProfile": profile},
                **_known_tags_only(),
            },
        ),
        allow(
            "LaunchWithEncryptedDisks",
            ["ec2:RunInstances"],
            [scope.arn("ec2", "volume/*")],
            {
                "StringEquals": scope.worker_tags_of_request,
                "Bool": {"ec2:Encrypted": "true"},
                **_known_tags_only(),
            },
        ),
        *_launch_places(scope),
        _launch_images(scope),
        allow(
            "TagWhatIsLaunched",
            ["ec2:CreateTags"],
            [scope.arn("ec2", "instance/*"), scope.arn("ec2", "volume/*")],
            {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        allow(
            "GiveWorkersTheirRole",
            ["iam:PassRole"],
            [scope.iam_arn(f"role/{scope.worker_role}")],
            {"StringEquals": {"iam:PassedToService": scope.ec2_service}},
        ),
    ]


def _launch_places(scope: Scope) -> list[Statement]:
    subnets = [scope.arn("ec2", f"subnet/{subnet}") for subnet in scope.subnets or ("*",)]
    groups = [scope.arn("ec2", f"security-group/{group}") for group in scope.security_groups or ("*",)]
    return [
        allow("LaunchInPlace", ["ec2:RunInstances"], [*subnets, *groups]),
        allow(
            "LaunchWithNetworkInterface",
            ["ec2:RunInstances"],
            [scope.arn("ec2", "network-interface/*")],
            {"ArnLike": {"ec2:Subnet": subnets}},
        ),
    ]


def _launch_images(scope: Scope) -> Statement:
    if scope.images:
        return allow(
            "LaunchImages",
            ["ec2:RunInstances"],
            [scope.public_arn(f"image/{image}") for image in scope.images],
        )
    owned = {"StringLike": {"ec2:Owner": scope.account}}
    return allow("LaunchImages", ["ec2:RunInstances"], [scope.public_arn("image/*")], owned)


def _known_tags_only() -> Conditions:
    return {"ForAllValues:StringEquals": {"aws:TagKeys": list(TAG_KEYS)}}


def _starting(scope: Scope) -> list[Statement]:
    ours: Conditions = {"StringEquals": scope.worker_tags_of_resource}
    instances, volumes = scope.arn("ec2", "instance/*"), scope.arn("ec2", "volume/*")
    return [
        allow("StartWorkers", ["ec2:StartInstances"], [instances], ours),
        allow("AttachHomes", ["ec2:AttachVolume"], [instances, volumes], ours),
    ]


def _reading(scope: Scope) -> list[Statement]:
    tables = ("workers", "history", "settings")
    return [
        allow(
            "SeeInstances",
            ["ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeSubnets"],
            ["*"],  # EC2 knows no resources for Describe
        ),
        allow(
            "ReadRecords",
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"],
            [scope.table(table) for table in tables],
        ),
        allow("ReadIndexes", ["dynamodb:Query"], [scope.indexes("workers"), scope.indexes("history")]),
        # No kms:Decrypt: the key policy of AWS's own aws/ssm key lets the account's roles use it through SSM.
        allow("ReadOwnSecrets", ["ssm:GetParameter", "ssm:GetParameters"], _secrets(scope)),
    ]


def _speaking(scope: Scope) -> list[Statement]:
    """Null beside ForAllValues: a set condition holds for an empty set too."""
    return [
        allow(
            "AskForStops",
            ["events:PutEvents"],
            [scope.arn("events", "event-bus/default")],
            {
                "ForAllValues:StringEquals": {"events:source": ["cloudjhub.hub"]},
                "Null": {"events:source": "false"},
            },
        )
    ]


def _running(scope: Scope) -> list[Statement]:
    """What the instance itself needs: its bundle, its log, and Session Manager instead of SSH."""
    log = scope.arn("logs", f"log-group:{names.log_group(scope.cluster)}")
    return [
        allow("ReadBundles", ["s3:GetObject"], [scope.bundles()]),
        allow(
            "WriteOwnLog",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [f"{log}:*"],
        ),
        allow("BeKnownToSessionManager", ["ssm:UpdateInstanceInformation"], [scope.arn("ec2", "instance/*")]),
        allow("TalkToSessionManager", SESSION_ACTIONS, ["*"]),  # channels have no ARNs
    ]


RECORD_KEY = "route53:ChangeResourceRecordSets"
"""Also the beginning of the condition keys that say what each change of a batch is about."""


def _validation(scope: Scope) -> list[Statement]:
    """The TXT record by which Let's Encrypt validates the domain, and no other; nothing where it needs none.

    Null beside ForAllValues: a set condition holds for an empty set too.
    """
    if not scope.challenge:
        return []
    only = {
        f"{RECORD_KEY}NormalizedRecordNames": [normalized(scope.challenge.record)],
        f"{RECORD_KEY}RecordTypes": ["TXT"],
        f"{RECORD_KEY}Actions": ["DELETE", "UPSERT"],
    }
    return [
        allow(
            "ValidateDomain",
            [RECORD_KEY],
            [scope.zone_arn(scope.challenge.zone_id)],
            {"ForAllValues:StringEquals": only, "Null": dict.fromkeys(only, "false")},
        ),
        allow("AwaitRecord", ["route53:GetChange"], [f"arn:{scope.partition}:route53:::change/*"]),
    ]


def _secrets(scope: Scope) -> list[str]:
    return [scope.parameter("hub/*"), scope.parameter("lifecycle-token")]


def _record_denials(scope: Scope) -> list[Statement]:
    if not scope.challenge:
        return [deny("NeverChangeDns", DNS_WRITES)]
    others = [write for write in DNS_WRITES if write != RECORD_KEY]
    return [
        deny("NeverChangeDns", others),
        {
            "Sid": "NeverChangeAnotherZone",
            "Effect": "Deny",
            "Action": [RECORD_KEY],
            "NotResource": [scope.zone_arn(scope.challenge.zone_id)],
        },
        *(
            deny(
                f"NeverChangeAnother{what}",
                [RECORD_KEY],
                conditions={"ForAnyValue:StringNotEquals": {f"{RECORD_KEY}{key}": [only]}},
            )
            for what, key, only in (
                ("Name", "NormalizedRecordNames", normalized(scope.challenge.record)),
                ("RecordType", "RecordTypes", "TXT"),
            )
        ),
    ]


# EC2's verbs that stop, change or take away something that is there.
CHANGING_VERBS = (
    "Associate", "Authorize", "Cancel", "Delete", "Deregister", "Detach", "Disassociate", "Modify", "Reboot",
    "Release", "Replace", "Reset", "Revoke", "Stop", "Terminate", "Unassign", "Update",
)  # fmt: skip
# Everything that DynamoDB calls a write.
RECORD_WRITES = (
    "Associate*", "BatchWriteItem", "Create*", "Delete*", "Disable*", "Enable*", "Export*", "Import*",
    "Inject*", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate", "Purchase*", "Put*", "Replicate*", "Restore*",
    "Start*", "TagResource", "UntagResource", "Update*", "WriteDataForReplication",
)  # fmt: skip
# Everything that Route 53 calls a write.
DNS_WRITES = (
    *(f"route53:{verb}*" for verb in (
        "Activate", "Associate", "ChangeCidrCollection", "ChangeTags", "Create", "Deactivate", "Delete", "Disable",
        "Disassociate", "Enable", "Update",
    )),
    RECORD_KEY,
)  # fmt: skip
# Everything that IAM calls a write, but for PassRole.
POWER_VERBS = (
    "Accept", "Add", "Associate", "Attach", "Change", "Create", "Deactivate", "Delete", "Detach",
    "Disable", "Enable", "Put", "Reject", "Remove", "Reset", "Resync", "Send", "Set", "Tag", "Untag", "Update",
    "Upload",
)  # fmt: skip


def denials(scope: Scope, secrets: list[str]) -> list[Statement]:
    """What the manager's role may never do; of the parameters, it reads `secrets` (ARNs) alone."""
    return [
        deny("NeverStopOrChange", [f"ec2:{verb}*" for verb in CHANGING_VERBS]),
        deny(
            "NeverRetag",
            ["ec2:CreateTags"],
            conditions={"StringNotEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        *_record_denials(scope),
        deny("NeverWriteRecords", [f"dynamodb:{write}" for write in RECORD_WRITES]),
        deny("NeverGrantPower", [*(f"iam:{verb}*" for verb in POWER_VERBS), "sts:AssumeRole*"]),
        {
            "Sid": "NeverPassAnotherRole",
            "Effect": "Deny",
            "Action": ["iam:PassRole"],
            "NotResource": [scope.iam_arn(f"role/{scope.worker_role}")],
        },
        {
            "Sid": "NeverReadAnotherSecret",
            "Effect": "Deny",
            "Action": ["ssm:GetParameter*"],
            "NotResource": secrets,
        },
        deny(
            "NeverActForTheLifecycle",
            [
                "cloudwatch:Delete*",
                "cloudwatch:Disable*",
                "cloudwatch:Put*",
                "cloudwatch:Set*",
                "events:Delete*",
                "events:Disable*",
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
                "lambda:*",
                "ssm:DeleteParameter*",
                "ssm:PutParameter",
                "ssm:SendCommand",
                "ssm:StartAutomationExecution",
                "ssm:StartSession",
            ],
        ),
    ]
