"""The hub's explicit denials: they hold beside any other policy, and the manager carries Session Manager's too."""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Statement, deny

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
