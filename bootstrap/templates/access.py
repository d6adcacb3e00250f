"""The roles of manager and workers, with their instance profiles. The Lambda functions' roles are Chalice's."""

from typing import Any

from bootstrap.policies import Scope, ec2_trust, manager_policy, worker_policy
from bootstrap.templates.network import TEMPLATE_VERSION


def access_template(scope: Scope) -> dict[str, Any]:
    """The CloudFormation template of the two roles."""
    return {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": f"cloudJHub {scope.cluster}: roles",
        "Resources": {
            **_role("Manager", f"cloudjhub-{scope.cluster}-manager", scope, manager_policy(scope)),
            **_role("Worker", scope.worker_role, scope, worker_policy(scope)),
        },
    }


def _role(logical: str, name: str, scope: Scope, policy: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{logical}Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": name,
                "AssumeRolePolicyDocument": ec2_trust(scope),
                "Policies": [{"PolicyName": name, "PolicyDocument": policy}],
            },
        },
        f"{logical}Profile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"InstanceProfileName": name, "Roles": [{"Ref": f"{logical}Role"}]},
        },
    }
