"""Who may wear a role.

No aws:SourceAccount: neither EC2 nor Lambda is documented to send it when it hands out a role's credentials, and a
role can be given to an instance or a function only by iam:PassRole in the role's own account.
"""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Document


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
