"""The IAM policies: the division of power as pure functions, one policy a role."""

from bootstrap.cluster.policies.lifecycle import lifecycle_policies
from bootstrap.cluster.policies.machines import builder_policy, ec2_trust, lambda_trust, worker_policy
from bootstrap.cluster.policies.manager import manager_policy

__all__ = [
    "builder_policy",
    "ec2_trust",
    "lambda_trust",
    "lifecycle_policies",
    "manager_policy",
    "worker_policy",
]
