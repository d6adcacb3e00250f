"""What an account may do: its quotas, IAM's simulator and bucket policies, as far as moto lacks or misjudges them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket
from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.launching import VCPU_LIMIT
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.settings import OPERATOR_KEY
from bootstrap.local.cloud.wire import Call

TRIED_DRY = ("AllocateAddress", "CreateVpc")
VCPUS = "L-1216C47A"
QUOTAS: Mapping[tuple[str, str], float] = {
    ("ec2", VCPUS): 4096,
    ("ec2", "L-0263D0A3"): 5,  # Elastic IP addresses
    ("vpc", "L-F678F1CE"): 5,  # VPCs
}
"""As AWS gives them to an account; of vCPUs, as many as nobody needs here."""


class Account:
    """Answers for the account. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, faults: Faults) -> None:
        self._emulator = emulator
        self._faults = faults

    def handlers(self) -> Mapping[tuple[str, str], Callable[[Call], Response]]:
        return {
            ("service-quotas", "GetServiceQuota"): self._quota,
            ("service-quotas", "GetAWSDefaultServiceQuota"): self._quota,
            ("iam", "SimulatePrincipalPolicy"): self._simulate,
            **{("ec2", action): self._maybe_dry for action in TRIED_DRY},
        }

    def _quota(self, call: Call) -> Response:
        asked = wire.parameters(call)
        service, code = asked.get("ServiceCode", ""), asked.get("QuotaCode", "")
        value = QUOTAS.get((service, code))
        if value is None:
            raise AwsError("NoSuchResourceException", f"There is no quota {code} of {service}.")
        if code == VCPUS and self._faults.is_on("vcpu-limit"):
            value = VCPU_LIMIT
        return wire.answer(call, {"Quota": {"ServiceCode": service, "QuotaCode": code, "Value": value}})

    def _simulate(self, call: Call) -> Response:
        asked = wire.parameters(call)
        if self._is_forbidden(call):
            message = f"{call.principal} is not authorized to perform: iam:SimulatePrincipalPolicy"
            raise AwsError("AccessDenied", message, 403)
        policies = self._policies(asked["PolicySourceArn"])
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _decision(policies, action, resource),
            }
            for action in asked["ActionNames"]
            for resource in asked.get("ResourceArns") or ["*"]
        ]
        return wire.answer(call, {"EvaluationResults": results, "IsTruncated": False})

    def _maybe_dry(self, call: Call) -> Response:
        """moto makes the thing even when it is only tried."""
        if call.form.get("DryRun") != "true":
            return self._emulator.ask(call.service, call.request)
        if self._is_forbidden(call):
            message = "You are not authorized to perform this operation."
            raise AwsError("UnauthorizedOperation", message, 403)
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)

    def _is_forbidden(self, call: Call) -> bool:
        """Whether the policies of an IAM user are against the call; nobody else is judged by them here."""
        action, users = f"{call.service}:{call.action}", self._emulator.backend("iam").users.values()
        return any(
            user.name == call.principal and _decision(self._policies(user.arn), action, "*") != "allowed"
            for user in users
        )

    def _policies(self, arn: str) -> list[IAMPolicy] | None:
        """A user's or role's policies; None for the operator, who may do everything. Raises AwsError."""
        if arn.endswith(f":user/{OPERATOR_KEY}"):
            return None
        iam = self._emulator.backend("iam")
        for holder in (*iam.users.values(), *iam.roles.values()):
            if holder.arn == arn:
                return [
                    IAMPolicy(one) for one in (*holder.policies.values(), *holder.managed_policies.values())
                ]
        raise AwsError("NoSuchEntity", f"The entity {arn} cannot be found.", 404)


def _decision(policies: list[IAMPolicy] | None, action: str, resource: str) -> str:
    if policies is None:
        return "allowed"
    results = {policy.is_action_permitted(action, resource) for policy in policies}
    if PermissionResult.DENIED in results:
        return "explicitDeny"
    return "allowed" if PermissionResult.PERMITTED in results else "implicitDeny"


ONLY_UNENCRYPTED = {"Bool": {"aws:SecureTransport": "false"}}


def permission(bucket: Any, action: str, resource: str) -> PermissionResult:
    """What the bucket's policy says of a call. On a loopback address nobody listens: traffic counts as encrypted."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    applying = [one for one in policy["Statement"] if one.get("Condition") != ONLY_UNENCRYPTED]
    judged = IAMPolicy(json.dumps({**policy, "Statement": applying}))
    return PermissionResult(judged.is_action_permitted(action, resource))


def judge_by_bucket_policies() -> None:
    """Make moto judge by it."""
    FakeBucket.get_permission = permission
