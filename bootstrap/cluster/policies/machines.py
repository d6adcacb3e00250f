"""The policies of workers and image builders, and the trust policies of all roles.

No aws:SourceAccount in a trust policy: neither EC2 nor Lambda is documented to send it when it hands out a role's
credentials, and a role can be given to an instance or a function only by iam:PassRole in the role's own account.
"""

from pathlib import Path
from typing import Any

from bootstrap.aws.scope import Scope
from bootstrap.cluster.documents import filled_in
from bootstrap.cluster.policies.statements import Document, document
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
    """A worker may report activity in its cluster's namespace."""
    return document(*_statements(scope)["worker"])


def builder_policy(scope: Scope) -> Document:
    """A builder may read the cluster's bundles."""
    return document(*_statements(scope)["builder"])


def _statements(scope: Scope) -> dict[str, Any]:
    return filled_in(
        Path(__file__).with_name("machines.yaml"),
        namespace=metric_namespace(scope.cluster),
        bundles=scope.bundles(),
    )
