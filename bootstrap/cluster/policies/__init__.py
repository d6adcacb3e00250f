"""The IAM policies: the division of power, one policy a role. Statements are in the YAML files."""

from bootstrap.cluster.policies.roles import (
    asks_hub,
    backup_policy,
    builder_policy,
    dlm_trust,
    ec2_trust,
    lambda_trust,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)

__all__ = [
    "asks_hub",
    "backup_policy",
    "builder_policy",
    "dlm_trust",
    "ec2_trust",
    "lambda_trust",
    "lifecycle_policies",
    "manager_policy",
    "worker_policy",
]
