"""Who signed a request, and whether rightly: signature version 4 as AWS checks it, calculated by botocore's signer.

Callers are the operator, functions by their roles, IAM users, and the sessions of assumed roles.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug import Request

from bootstrap.aws import names
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.settings import OPERATOR_KEY
from bootstrap.local.cloud.wire import Authorization, Call

ALLOWED_SKEW = timedelta(minutes=15)
UNHASHED = ("UNSIGNED-PAYLOAD", "STREAMING-")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who holds an access key. `token` and `expires_at` only for temporary credentials."""

    principal: str
    user_id: str
    arn: str
    key: str
    secret: str
    token: str | None = None
    expires_at: datetime | None = None


def verify(
    request: Request, authorization: Authorization, identity: Identity | None, now: datetime
) -> Identity:
    """The identity, if the request is signed with its credentials at about now. Raises AwsError."""
    if identity is None:
        raise unknown_key(authorization.service)
    if identity.token != request.headers.get("x-amz-security-token") and (
        identity.token or request.headers.get("x-amz-security-token")
    ):
        raise unknown_key(authorization.service)
    if identity.expires_at is not None and identity.expires_at <= now:
        raise expired(authorization.service)
    timestamp = request.headers.get("x-amz-date", "")
    _check_date(timestamp, authorization, now)
    _check_payload(request)
    expected = _signature(request, authorization, identity, timestamp)
    if not hmac.compare_digest(expected, authorization.signature):
        raise mismatch(
            authorization.service,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )
    return identity


def unsigned(service: str) -> AwsError:
    """The service's error for a request without a signature."""
    if service == "s3":
        return AwsError("AccessDenied", "Access Denied", 403)
    return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)


def unknown_key(service: str) -> AwsError:
    """Each service has its own name for an unknown access key."""
    if service == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    if service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    if service in ("dynamodb", "ssm"):
        return AwsError("UnrecognizedClientException", message)
    return AwsError("InvalidClientTokenId", message, 403)


def mismatch(service: str, message: str) -> AwsError:
    """The service's error for a wrong signature."""
    code = "InvalidSignatureException" if service in ("dynamodb", "ssm") else "SignatureDoesNotMatch"
    if service == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    return AwsError(code, message, 403)


def expired(service: str) -> AwsError:
    """Each service has its own name for expired credentials."""
    if service == "ec2":
        return AwsError("RequestExpired", "Request has expired.")
    code = "ExpiredTokenException" if service in ("dynamodb", "ssm") else "ExpiredToken"
    return AwsError(code, "The security token included in the request is expired", 403)


def _check_date(timestamp: str, authorization: Authorization, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(timestamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise mismatch(
            authorization.service, "Date must be in ISO-8601 'basic format'. Got '" + timestamp + "'."
        ) from error
    if authorization.day != timestamp[:8]:
        raise mismatch(
            authorization.service, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version."
        )
    now_text = now.strftime(SIGV4_TIMESTAMP)
    if signed_at < now - ALLOWED_SKEW:
        limit = (now - ALLOWED_SKEW).strftime(SIGV4_TIMESTAMP)
        message = f"Signature expired: {timestamp} is now earlier than {limit} ({now_text} - 15 min.)"
        raise mismatch(authorization.service, message)
    if signed_at > now + ALLOWED_SKEW:
        limit = (now + ALLOWED_SKEW).strftime(SIGV4_TIMESTAMP)
        message = f"Signature not yet current: {timestamp} is still later than {limit} ({now_text} + 15 min.)"
        raise mismatch(authorization.service, message)


def _check_payload(request: Request) -> None:
    stated = request.headers.get("x-amz-content-sha256")
    if stated is None or stated.startswith(UNHASHED):
        return
    if stated != sha256(request.get_data()).hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", message)


def _signature(request: Request, authorization: Authorization, identity: Identity, timestamp: str) -> str:
    signer_class = S3SigV4Auth if authorization.service == "s3" else SigV4Auth
    signer = signer_class(
        Credentials(identity.key, identity.secret), authorization.service, authorization.region
    )
    headers = {name: request.headers.get(name, "") for name in authorization.signed_headers}
    url = f"http://{request.headers.get('host', '')}{request.environ['RAW_URI']}"
    signed = AWSRequest(method=request.method, url=url, headers=headers, data=request.get_data())
    signed.context["timestamp"] = timestamp
    canonical = signer.canonical_request(signed)
    signature: str = signer.signature(signer.string_to_sign(signed, canonical), signed)
    return signature


GLOBAL_REGION = "us-east-1"
"""Every account has it; the global services are signed for it."""

FUNCTION_KEY = "function."
"""What the access key of a function begins with, as `emulate_lambda.py` makes it; its name follows."""


@dataclass(frozen=True, slots=True)
class SessionCredentials:
    """Temporary credentials of a role's session, as the instance metadata service returns them."""

    key: str
    secret: str
    token: str
    issued_at: datetime
    expires_at: datetime


class Identities:
    """Finds the holder of an access key and issues sessions of roles. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, operator_secret: str, faults: Faults) -> None:
        self._emulator = emulator
        self._faults = faults
        self._operator_secret = operator_secret
        self._fixed = {
            OPERATOR_KEY: _user(OPERATOR_KEY, OPERATOR_KEY, emulator.account, operator_secret),
        }

    def identify(self, call: Call) -> Identity:
        """Who made the call. Raises the call's service's own AwsError where the signature is wrong."""
        if call.authorization is None:
            raise unsigned(call.service)
        service, region = call.authorization.service, call.authorization.region
        if region not in (self._emulator.region, GLOBAL_REGION):
            raise unknown_key(service)  # as in a region that the account has not enabled
        if self._faults.is_on("expired-credentials"):
            raise expired(service)
        identity = self.find(call.authorization.key)
        return verify(call.request, call.authorization, identity, datetime.now(UTC))

    def find(self, key: str) -> Identity | None:
        """The holder of the key, expired sessions included."""
        if fixed := self._fixed.get(key):
            return fixed
        if key.startswith(FUNCTION_KEY):
            return self._function(key)
        session = self._session(key)
        if session is not None:
            return _session_identity(session)
        return self._iam_user(key)

    def assume(self, role_name: str, session_name: str, lifetime: timedelta) -> SessionCredentials | None:
        """Credentials of a new session of the role; None if there is no such role."""
        role = self._role(role_name)
        if role is None:
            return None
        sts = self._emulator.backend("sts")
        session = sts.assume_role(
            region_name=self._emulator.region,
            role_session_name=session_name,
            role_arn=role.arn,
            policy=None,
            duration=int(lifetime.total_seconds()),
            external_id=None,
        )
        expires_at = _aware(session.expiration)
        return SessionCredentials(
            session.access_key_id,
            session.secret_access_key,
            session.session_token,
            expires_at - lifetime,
            expires_at,
        )

    def forget_expired(self, now: datetime) -> None:
        """Drops sessions a day after they expired: until then their calls are refused as expired."""
        sts = self._emulator.backend("sts")
        kept = [role for role in sts.assumed_roles if _aware(role.expiration) > now - timedelta(days=1)]
        sts.assumed_roles[:] = kept

    def _function(self, key: str) -> Identity | None:
        """A function as the session of its role, whose name may begin with a prefix of the institution's."""
        name = key.removeprefix(FUNCTION_KEY)
        roles = self._emulator.backend("iam").roles.values()
        role = next((one for one in roles if one.name.removesuffix(names.ROLE_SUFFIX).endswith(name)), None)
        if role is None:
            return None
        arn = f"arn:aws:sts::{self._emulator.account}:assumed-role/{role.name}/{name}"
        secret = function_secret(self._operator_secret, key)
        return Identity(f"{role.name}/{name}", f"{role.id}:{name}", arn, key, secret)

    def _role(self, name: str) -> Any:
        iam = self._emulator.backend("iam")
        return next((role for role in iam.roles.values() if role.name == name), None)

    def _session(self, key: str) -> Any:
        return self._emulator.backend("sts").get_assumed_role_from_access_key(key)

    def _iam_user(self, key: str) -> Identity | None:
        for user in self._emulator.backend("iam").users.values():
            for held in user.access_keys:
                if held.access_key_id == key and held.status == "Active":
                    return Identity(user.name, user.id, user.arn, key, held.secret_access_key)
        return None


def function_secret(operator_secret: str, key: str) -> str:
    """The secret of a function's access key: worthless at the control API, and for every other key."""
    return hmac.new(operator_secret.encode(), key.encode(), "sha256").hexdigest()


def _user(name: str, key: str, account: str, secret: str) -> Identity:
    return Identity(name, "AIDALOCALCLOUD", f"arn:aws:iam::{account}:user/{name}", key, secret)


def _session_identity(session: Any) -> Identity:
    role = session.role_arn.rpartition("/")[2]
    return Identity(
        principal=f"{role}/{session.session_name}",
        user_id=session.user_id,
        arn=session.arn,
        key=session.access_key_id,
        secret=session.secret_access_key,
        token=session.session_token,
        expires_at=_aware(session.expiration),
    )


def _aware(moment: datetime) -> datetime:
    """moto keeps UTC without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
