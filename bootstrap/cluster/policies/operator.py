"""The operator's policies: what building, changing and removing one cluster takes, for those who are no administrators.

Who writes the functions' roles and may pass them could write one that does anything: these policies keep an operator
from mistakes and from other clusters; one who is not trusted with the account needs a permissions boundary beside them.

Resources are named one by one: a pattern of cluster `a` would match those of a cluster `a-b`.
"""

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies.resources import Document, document, statements


def operator_policies(scope: Scope) -> dict[str, Document]:
    """By a name each, as in `operator.yaml`; that of the DNS records only for a cluster with a domain, that of the
    permissions boundary only for one whose roles have it, that of the KMS key only for one with a key.
    """
    parts = statements("operator", scope)
    if not scope.domain:
        del parts["records"]
    if not scope.boundary:
        del parts["boundary"]
    if not scope.key:
        del parts["key"]
    return {name: document(*of_policy) for name, of_policy in parts.items()}
