"""The policies of workers and image builders, and the trust policies of all roles.

No aws:SourceAccount in a trust policy: neither EC2 nor Lambda is documented to send it when it hands out a role's
credentials, and a role can be given to an instance or a function only by iam:PassRole in the role's own account.
"""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Document, allow, document
from lifecycle_app.contract import metric_namespace


def ec2_trust(scope: Scope) -> Document:
    """The trust policy of manager and worker roles."""
    return _trust(scope.ec2_service)


def lambda_trust() -> Document:
    """The trust policy of the functions' roles."""
    return _trust("lambda.amazonaws.com")


def _trust(service: str) -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }


def worker_policy(scope: Scope) -> Document:
    """A worker reports activity in its cluster's namespace; all else is denied, whatever is attached beside this.

    Asking STS who it is needs no permission, and cannot be denied.
    """
    return document(
        allow(
            "ReportActivity",
            ["cloudwatch:PutMetricData"],
            ["*"],  # metrics have no ARNs: only the namespace can be restricted
            {"StringEquals": {"cloudwatch:namespace": metric_namespace(scope.cluster)}},
        ),
        {
            "Sid": "NothingElse",
            "Effect": "Deny",
            "NotAction": ["cloudwatch:PutMetricData"],
            "Resource": ["*"],
        },
    )


def builder_policy(scope: Scope) -> Document:
    """A builder reads the cluster's bundles; all else is denied, whatever is attached beside this."""
    return document(
        allow("ReadBundles", ["s3:GetObject"], [scope.bundles()]),
        {
            "Sid": "NothingElse",
            "Effect": "Deny",
            "NotAction": ["s3:GetObject"],
            "Resource": ["*"],
        },
        {
            "Sid": "NoOtherObjects",
            "Effect": "Deny",
            "Action": ["s3:GetObject"],
            "NotResource": [scope.bundles()],
        },
    )
