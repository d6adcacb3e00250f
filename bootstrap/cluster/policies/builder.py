"""The image builder's role: it installs from the internet, so it reads what it installs and nothing else."""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.statements import Document, allow, document


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
