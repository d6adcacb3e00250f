"""Where requests come in: control and metadata by their path, everything else is a signed AWS call."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from werkzeug import Request, Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.api import forget_tags
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.gateway.authentication import Identities, Identity
from bootstrap.local.cloud.gateway.call_log import Account, CallLog, Permission, permissions_of
from bootstrap.local.cloud.gateway.control import CONTROL_PREFIX, Control
from bootstrap.local.cloud.gateway.metadata import METADATA_PREFIX, MetadataService
from bootstrap.local.cloud.gateway.throttling import Throttle
from bootstrap.local.cloud.kms import Keys
from bootstrap.local.cloud.wire import Call

log = logging.getLogger(__name__)

INSTANCE_ID = re.compile(r"InstanceId(\.\d+)?")
ASKING = ("dynamodb", "ec2", "s3", "ssm")
"""Services that ask KMS in the name of their callers."""
READS = ("Describe", "Get", "List", "Query", "Scan", "BatchGet", "Head", "Assume")


@dataclass(slots=True)
class Front:
    """Answers every request of the cloud's address."""

    host: str
    emulator: Emulator
    identities: Identities
    throttle: Throttle
    faults: Faults
    handlers: Mapping[tuple[str, str], Callable[[Call], Response]]
    metadata: MetadataService
    control: Control
    calls: CallLog
    keys: Keys
    changed: Callable[[], None]

    def answer(self, request: Request) -> Response:
        """The answer to any request; 403 to web pages, and to other host names that resolve to this address."""
        if "Origin" in request.headers or request.host != self.host:
            return Response(f"refused: this address serves programs, as {self.host}, not web pages", 403)
        if request.path.startswith(CONTROL_PREFIX):
            return self.control.answer(request)
        if request.path.startswith(METADATA_PREFIX):
            return self.metadata.answer(request)
        return self._answer_aws(request)

    def _answer_aws(self, request: Request) -> Response:
        started = time.perf_counter()
        call = wire.read_call(request)
        try:
            with self.emulator.lock:
                identity = self.identities.identify(call)
                call = replace(call, principal=identity.principal)
                self._note(call)
                response = self._carry_out(call, identity)
        except AwsError as error:
            response = wire.refuse(call, error)
        except Exception:
            log.exception("%s:%s failed in the emulator", call.service, call.action)
            message = f"The local cloud cannot do {call.action} like this; its log says why."
            response = wire.refuse(call, AwsError("InternalError", message, 500))
        self.calls.add(
            at=time.time(),
            principal=call.principal,
            service=call.service,
            action=call.action,
            error=wire.error_code(response),
            took=time.perf_counter() - started,
            instances=tuple(value for name, value in call.form.items() if INSTANCE_ID.fullmatch(name)),
        )
        return response

    def _note(self, call: Call) -> None:
        """Records the permissions that a call of a role needs; IAM users belong to the operator."""
        role, _, session = call.principal.partition("/")
        if not session:
            return
        ec2 = self.emulator.backend("ec2")
        profiles = self.emulator.backend("iam").instance_profiles.values()
        where = Account(
            self.emulator.account,
            self.emulator.region,
            tags=lambda name: ec2.tags.get(name, {}),
            iam_path=lambda name: next((one.path for one in profiles if one.name == name), "/"),
        )
        try:
            parameters = _parameters(call)
            permissions = permissions_of(call.service, call.action, parameters, where)
            if permissions is not None:
                asked = self.keys.asked(call, parameters)
                permissions += tuple(
                    Permission(action, key, tuple(sorted(of.items()))) for action, key, of in asked
                )
        except (KeyError, TypeError, ValueError):
            permissions = None
        self.calls.add_permissions(role, f"{call.service}:{call.action}", permissions)

    def _carry_out(self, call: Call, identity: Identity) -> Response:
        self.throttle.check(call)
        if (call.service, call.action) == ("sts", "GetCallerIdentity"):
            return self._caller_identity(call, identity)
        if call.service in ASKING:
            self.keys.check(call, _parameters(call))
        handler = self.handlers.get((call.service, call.action))
        response = handler(call) if handler else self.emulator.forward(call.service, call.request)
        forget_tags(self.emulator, call, response)
        if not call.action.startswith(READS) or call.action == "AssumeRole":
            self.changed()
        return response

    def _caller_identity(self, call: Call, identity: Identity) -> Response:
        account = self.emulator.account
        return wire.answer(call, {"UserId": identity.user_id, "Account": account, "Arn": identity.arn})


def _parameters(call: Call) -> Mapping[str, Any]:
    if call.service != "s3":
        return wire.parameters(call)
    bucket, _, key = call.request.path.strip("/").partition("/")
    return {"Bucket": bucket, "Key": key}
