"""The worker's role: users run their own code with it, so it holds one harmless power."""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Document, allow, document
from lifecycle_app.model.worker import metric_namespace


def worker_policy(scope: Scope) -> Document:
    """A worker reports activity in its cluster's namespace; all else is denied, whatever is attached beside this.

    Asking STS who it is needs no permission, and cannot be denied.
    """
    return document(
        allow(
            "ReportActivity",
            ["cloudwatch:PutMetricData"],
            ["*"],  # metrics have no ARNs: the namespace is all that can be asked for
            {"StringEquals": {"cloudwatch:namespace": metric_namespace(scope.cluster)}},
        ),
        {
            "Sid": "NothingElse",
            "Effect": "Deny",
            "NotAction": ["cloudwatch:PutMetricData"],
            "Resource": ["*"],
        },
    )
