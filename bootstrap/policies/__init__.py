"""The IAM policies: the division of power as pure functions, one policy a role."""

from bootstrap.policies.builder import builder_policy
from bootstrap.policies.lifecycle import lifecycle_policies
from bootstrap.policies.manager import manager_policy
from bootstrap.policies.scope import Scope
from bootstrap.policies.trust import ec2_trust, lambda_trust
from bootstrap.policies.worker import worker_policy

__all__ = [
    "Scope",
    "builder_policy",
    "ec2_trust",
    "lambda_trust",
    "lifecycle_policies",
    "manager_policy",
    "worker_policy",
]
