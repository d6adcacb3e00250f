"""What an account may do: its quotas, IAM's simulator and bucket policies, where moto differs from AWS."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

WITH_DRY_RUN = ("AllocateAddress", "CreateVpc")
VCPUS = "L-1216C47A"
QUOTAS: Mapping[tuple[str, str], float] = {
    ("ec2", VCPUS): 4096,
    ("ec2", "L-0263D0A3"): 5,  # Elastic IP addresses
    ("vpc", "L-F678F1CE"): 5,  # VPCs
    ("lambda", "L-B99A9384"): 1000,  # functions that run at the same time
}
"""AWS's defaults; of vCPUs, more than anything here needs."""


@dataclass(slots=True)
class Account:
    """Answers for the account. Used under the emulator's lock."""

    emulator: Emulator
    faults: Faults

    def handlers(self) -> Mapping[tuple[str, str], Callable[[Call], Response]]:
        """What answers each call, by service and action."""
        return {
            ("service-quotas", "GetServiceQuota"): self._quota,
            ("service-quotas", "GetAWSDefaultServiceQuota"): self._quota,
            ("freetier", "GetAccountPlanState"): self._plan,
            ("iam", "SimulatePrincipalPolicy"): self._simulate,
            **{("ec2", action): self._dry_run for action in WITH_DRY_RUN},
        }

    def _quota(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        service, code = parameters.get("ServiceCode", ""), parameters.get("QuotaCode", "")
        value = QUOTAS.get((service, code))
        if value is None:
            raise AwsError("NoSuchResourceException", f"There is no quota {code} of {service}.")
        if code == VCPUS and self.faults.is_on("vcpu-limit"):
            value = VCPU_LIMIT
        return wire.answer(call, {"Quota": {"ServiceCode": service, "QuotaCode": code, "Value": value}})

    def _plan(self, call: Call) -> Response:
        plan = "FREE" if self.faults.is_on("free-plan") else "PAID"
        return wire.answer(
            call,
            {
                "accountId": self.emulator.account,
                "accountPlanType": plan,
                "accountPlanStatus": "ACTIVE",
            },
        )

    def _simulate(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        if self._is_forbidden(call):
            message = f"{call.principal} is not authorized to perform: iam:SimulatePrincipalPolicy"
            raise AwsError("AccessDenied", message, 403)
        policies = self._policies(parameters["PolicySourceArn"])
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _decision(policies, action, resource),
            }
            for action in parameters["ActionNames"]
            for resource in parameters.get("ResourceArns") or ["*"]
        ]
        return wire.answer(call, {"EvaluationResults": results, "IsTruncated": False})

    def _dry_run(self, call: Call) -> Response:
        """moto creates the resource even in a dry run."""
        if call.form.get("DryRun") != "true":
            return self.emulator.forward(call.service, call.request)
        if self._is_forbidden(call):
            message = "You are not authorized to perform this operation."
            raise AwsError("UnauthorizedOperation", message, 403)
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)

    def _is_forbidden(self, call: Call) -> bool:
        """Whether the policies of an IAM user forbid the call; other callers are not checked here."""
        action, users = f"{call.service}:{call.action}", self.emulator.backend("iam").users.values()
        return any(
            user.name == call.principal and _decision(self._policies(user.arn), action, "*") != "allowed"
            for user in users
        )

    def _policies(self, arn: str) -> list[IAMPolicy] | None:
        """A user's or role's policies; None for the operator, who may do everything. Raises AwsError."""
        if arn.endswith(f":user/{OPERATOR_KEY}"):
            return None
        iam = self.emulator.backend("iam")
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
    """What the bucket's policy says of a call. Traffic on a loopback address counts as encrypted."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    applying = [one for one in policy["Statement"] if one.get("Condition") != ONLY_UNENCRYPTED]
    evaluated = IAMPolicy(json.dumps({**policy, "Statement": applying}))
    return PermissionResult(evaluated.is_action_permitted(action, resource))


def apply_bucket_policies() -> None:
    """Make moto evaluate bucket policies this way: it takes a denial's unfulfilled condition for a denial."""
    FakeBucket.get_permission = permission
