"""The operator's policies: what building, changing and removing one cluster takes, for those who are no administrators.

Who writes the functions' roles and may pass them could write one that does anything: these policies keep an operator
from mistakes and from other clusters; one who is not trusted with the account needs a permissions boundary beside them.

Resources are named one by one: a pattern of cluster `a` would match those of a cluster `a-b`.
"""

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Conditions, Document, Statement, allow, document
from lifecycle_app.contract import TAG_CLUSTER, idle_alarm_prefix

VIA_CLOUDFORMATION: Conditions = {
    "ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}
}


def operator_policies(scope: Scope) -> dict[str, Document]:
    """By a name each: a managed policy holds 6,144 characters."""
    return {
        "stacks": document(*_stacks(scope)),
        "storage": document(*_kept(scope)),
        "roles": document(*_roles(scope), *_functions(scope)),
        "machines": document(*_looking(scope), *_machines(scope), *_watching(scope)),
    }


def _stacks(scope: Scope) -> list[Statement]:
    """Only CloudFormation may create and remove the resources of stacks, and only in stacks of our names."""
    own = [f"stack/{name}/*" for name in names.stacks(scope.cluster)]
    shared = f"stack/{names.network_stack('*')}/*"
    return [
        allow(
            "Stacks",
            [
                f"cloudformation:{action}"
                for action in (
                    "CreateChangeSet", "CreateStack", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet",
                    "DescribeStackEvents", "DescribeStackResources", "DescribeStacks", "GetTemplate", "TagResource",
                    "UntagResource", "UpdateStack", "UpdateTerminationProtection",
                )
            ],
            [scope.arn("cloudformation", stack) for stack in (*own, shared)],
        ),
        allow(
            "WhatStacksHold",
            [
                f"ec2:{action}"
                for action in (
                    "AllocateAddress", "AssociateAddress", "AssociateRouteTable", "AttachInternetGateway",
                    "AuthorizeSecurityGroupIngress", "CreateInternetGateway", "CreateNatGateway",
                    "CreateNetworkInterface", "CreateRoute", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet",
                    "CreateTags", "CreateVpc", "CreateVpcEndpoint", "DeleteInternetGateway", "DeleteNatGateway",
                    "DeleteNetworkInterface", "DeleteRoute", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet",
                    "DeleteTags", "DeleteVpc", "DeleteVpcEndpoints", "DetachInternetGateway", "DetachNetworkInterface",
                    "DisassociateAddress", "DisassociateRouteTable", "ModifyNetworkInterfaceAttribute",
                    "ModifySubnetAttribute", "ModifyVpcAttribute", "ModifyVpcEndpoint", "ReleaseAddress",
                    "ReplaceRoute", "ReplaceRouteTableAssociation", "RevokeSecurityGroupIngress",
                    "UpdateSecurityGroupRuleDescriptionsIngress",
                )
            ],
            [scope.arn("ec2", "*")],
            VIA_CLOUDFORMATION,
        ),
    ]  # fmt: skip


def _kept(scope: Scope) -> list[Statement]:
    return [
        allow(
            "Tables",
            [
                f"dynamodb:{action}"
                for action in (
                    "CreateTable", "DeleteTable", "DescribeContinuousBackups", "DescribeContributorInsights",
                    "DescribeKinesisStreamingDestination", "DescribeTable", "DescribeTimeToLive", "GetItem",
                    "GetResourcePolicy", "ListTagsOfResource", "PutItem", "Query", "Scan", "TagResource",
                    "UntagResource", "UpdateContinuousBackups", "UpdateItem", "UpdateTable", "UpdateTimeToLive",
                )
            ],
            [scope.table(table) for table in names.TABLES],
        ),
        allow(
            "Bucket",
            [
                f"s3:{action}"
                for action in (
                    "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetAccelerateConfiguration",
                    "GetAnalyticsConfiguration", "GetBucket*", "GetEncryptionConfiguration",
                    "GetIntelligentTieringConfiguration", "GetInventoryConfiguration", "GetLifecycleConfiguration",
                    "GetMetricsConfiguration", "GetReplicationConfiguration",
                    "ListBucket", "ListBucketVersions", "ListTagsForResource", "PutBucketOwnershipControls",
                    "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketTagging", "PutBucketVersioning",
                    "PutEncryptionConfiguration", "PutLifecycleConfiguration", "TagResource", "UntagResource",
                )
            ],
            [scope.bucket_arn],
        ),
        allow(
            "Bundles",
            ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"],
            [f"{scope.bucket_arn}/*"],
        ),
        allow(
            "Secrets",
            ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:GetParameter",
             "ssm:GetParameters", "ssm:PutParameter"],
            [scope.parameter("*")],
        ),
        allow("Logs", [f"logs:{action}" for action in (
            "CreateLogGroup", "DeleteLogGroup", "DescribeLogStreams", "FilterLogEvents",
            "GetDataProtectionPolicy", "GetLogEvents",
            "ListTagsForResource", "PutRetentionPolicy", "TagResource", "UntagResource",
        )], _log_groups(scope)),
    ]  # fmt: skip


def _log_groups(scope: Scope) -> list[str]:
    functions = map(names.function_log_group, names.functions(scope.cluster))
    groups = (names.log_group(scope.cluster), *functions)
    return [scope.arn("logs", f"log-group:{group}{end}") for group in groups for end in ("", ":*")]


def _roles(scope: Scope) -> list[Statement]:
    """Roles of our names alone; each may be given to EC2 or to Lambda, as it is meant."""
    machines = [scope.iam_arn(f"role/{names.role(scope.cluster, part)}") for part in names.MACHINE_ROLES]
    functions = [scope.iam_arn(f"role/{name}") for name in names.functions(scope.cluster)]
    return [
        allow(
            "Roles",
            [
                f"iam:{action}"
                for action in (
                    "CreateRole", "DeleteRole", "DeleteRolePolicy", "GetRole", "GetRolePolicy",
                    "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRolePolicies", "PutRolePolicy",
                    "TagRole", "UntagRole", "UpdateAssumeRolePolicy",
                )
            ],
            [*machines, *functions],
        ),
        allow(
            "Profiles",
            [
                f"iam:{action}"
                for action in (
                    "AddRoleToInstanceProfile", "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile",
                    "RemoveRoleFromInstanceProfile",
                )
            ],
            [scope.iam_arn(f"instance-profile/{names.role(scope.cluster, part)}") for part in names.MACHINE_ROLES],
        ),
        allow("RolesOfMachines", ["iam:PassRole"], machines,
              {"StringEquals": {"iam:PassedToService": scope.ec2_service}}),
        allow("RolesOfFunctions", ["iam:PassRole"], functions,
              {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
    ]  # fmt: skip


def _looking(scope: Scope) -> list[Statement]:
    """Records by what changed, history by day; and what has no resources to ask about: lists and descriptions, which
    show the account and change nothing.
    """
    return [
        allow(
            "Look",
            [
                "cloudwatch:DescribeAlarms", "ec2:Describe*", "events:ListRules", "freetier:GetAccountPlanState",
                "iam:SimulatePrincipalPolicy", "lambda:ListFunctions", "logs:DescribeIndexPolicies",
                "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "servicequotas:GetAWSDefaultServiceQuota",
                "servicequotas:GetServiceQuota", "ssm:DescribeParameters",
            ],
            ["*"],
        ),
        allow("ReadIndexes", ["dynamodb:Query"], [scope.indexes("workers"), scope.indexes("history")]),
    ]  # fmt: skip


def _machines(scope: Scope) -> list[Statement]:
    """Whatever is launched or made carries the cluster's tag, and only what carries it is ended or removed."""
    new: Conditions = {"StringEquals": {f"aws:RequestTag/{TAG_CLUSTER}": scope.cluster}}
    ours: Conditions = {"StringEquals": {f"aws:ResourceTag/{TAG_CLUSTER}": scope.cluster}}
    instances, volumes = scope.arn("ec2", "instance/*"), scope.arn("ec2", "volume/*")
    images, snapshots = scope.public_arn("image/*"), scope.public_arn("snapshot/*")
    return [
        allow("Launch", ["ec2:RunInstances"], [instances, volumes], new),
        allow(
            "LaunchWith",
            ["ec2:RunInstances"],
            [
                images,
                snapshots,
                *(
                    scope.arn("ec2", f"{kind}/*")
                    for kind in ("network-interface", "security-group", "subnet")
                ),
            ],
        ),
        allow("Make", ["ec2:CreateVolume", "ec2:CreateImage"], [volumes, images, snapshots], new),
        allow("MakeFrom", ["ec2:CreateImage"], [instances], ours),
        allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            [instances, volumes, images, snapshots],
            {"StringEquals": {"ec2:CreateAction": ["RunInstances", "CreateVolume", "CreateImage"]}},
        ),
        allow(
            "RunAndEnd",
            [
                "ec2:AttachVolume",
                "ec2:DeleteSnapshot",
                "ec2:DeleteVolume",
                "ec2:DeregisterImage",
                "ec2:DetachVolume",
                "ec2:GetConsoleOutput",
                "ec2:StartInstances",
                "ec2:StopInstances",
                "ec2:TerminateInstances",
            ],
            [instances, volumes, images, snapshots],
            ours,
        ),
        allow(
            "BaseImages",
            ["ssm:GetParameter", "ssm:GetParameters"],
            [f"arn:{scope.partition}:ssm:{scope.region}::parameter/aws/service/*"],
        ),
    ]


def _functions(scope: Scope) -> list[Statement]:
    own = names.functions(scope.cluster)
    functions = [scope.arn("lambda", f"function:{name}") for name in own]
    rules = [
        scope.arn("events", f"rule/{name}*") for name in own
    ]  # Chalice adds a kind, or the handler's name again
    return [
        allow(
            "Functions",
            [
                f"lambda:{action}"
                for action in (
                    "AddPermission", "CreateFunction", "DeleteFunction", "DeleteFunctionConcurrency",
                    "DeleteFunctionEventInvokeConfig", "GetFunction", "GetFunctionConfiguration",
                    "GetFunctionEventInvokeConfig", "GetPolicy", "ListTags",
                    "PutFunctionEventInvokeConfig", "RemovePermission", "TagResource", "UntagResource",
                    "UpdateFunctionCode", "UpdateFunctionConfiguration",
                )
            ],
            functions,
        ),
        allow(
            "Rules",
            [
                f"events:{action}"
                for action in (
                    "DeleteRule", "DescribeRule", "ListTargetsByRule", "PutRule", "PutTargets", "RemoveTargets",
                    "TagResource",
                )
            ],
            rules,
        ),
        allow("AskForStops", ["events:PutEvents"], [scope.arn("events", "event-bus/default")]),
    ]  # fmt: skip


def _watching(scope: Scope) -> list[Statement]:
    alarms = [f"{idle_alarm_prefix(scope.cluster)}i-*", names.alarm(scope.cluster, "*")]
    dashboard = (
        f"arn:{scope.partition}:cloudwatch::{scope.account}:dashboard/{names.dashboard(scope.cluster)}"
    )
    return [
        allow(
            "Queues",
            [
                f"sqs:{action}"
                for action in (
                    "CreateQueue", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "SetQueueAttributes", "TagQueue",
                )
            ],
            [scope.arn("sqs", names.dead_letter_queue(scope.cluster))],
        ),
        allow(
            "Notices",
            [
                f"sns:{action}"
                for action in (
                    "CreateTopic", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic",
                    "SetTopicAttributes", "Subscribe", "TagResource",
                )
            ],
            [scope.arn("sns", names.alerts(scope.cluster))],
        ),
        # A subscription is ended by its own ARN, which AWS judges by its topic's account alone.
        allow("EndNotices", ["sns:Unsubscribe"], ["*"]),
        allow(
            "Alarms",
            ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
            [scope.arn("cloudwatch", f"alarm:{name}") for name in alarms],
        ),
        allow(
            "Dashboards",
            ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
            [dashboard],
        ),
    ]  # fmt: skip
