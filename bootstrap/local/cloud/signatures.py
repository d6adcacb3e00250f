"""Signature version 4, judged as AWS judges it, with botocore's signer doing the sums.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bootstrap.local.cloud.messages import AwsError, Request
from bootstrap.local.cloud.wire import Authorization

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


def judge(request: Request, authorization: Authorization, identity: Identity | None, now: datetime) -> None:
    """Returns if the request is signed with the identity's credentials at about now; raises AwsError if not."""
    if identity is None:
        raise unknown_key(authorization.service)
    if identity.token != request.headers.get("x-amz-security-token") and (
        identity.token or request.headers.get("x-amz-security-token")
    ):
        raise unknown_key(authorization.service)
    if identity.expires_at is not None and identity.expires_at <= now:
        raise expired(authorization.service)
    timestamp = request.headers.get("x-amz-date", "")
    _judge_date(timestamp, authorization, now)
    _judge_payload(request)
    expected = _signature(request, authorization, identity, timestamp)
    if not hmac.compare_digest(expected, authorization.signature):
        raise mismatch(
            authorization.service,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )


def unsigned(service: str) -> AwsError:
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
    code = "InvalidSignatureException" if service in ("dynamodb", "ssm") else "SignatureDoesNotMatch"
    if service == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    return AwsError(code, message, 403)


def expired(service: str) -> AwsError:
    """Each service has its own name for credentials whose time is over."""
    if service == "ec2":
        return AwsError("RequestExpired", "Request has expired.")
    code = "ExpiredTokenException" if service in ("dynamodb", "ssm") else "ExpiredToken"
    return AwsError(code, "The security token included in the request is expired", 403)


def _judge_date(timestamp: str, authorization: Authorization, now: datetime) -> None:
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
    now_words = now.strftime(SIGV4_TIMESTAMP)
    if signed_at < now - ALLOWED_SKEW:
        limit = (now - ALLOWED_SKEW).strftime(SIGV4_TIMESTAMP)
        words = f"Signature expired: {timestamp} is now earlier than {limit} ({now_words} - 15 min.)"
        raise mismatch(authorization.service, words)
    if signed_at > now + ALLOWED_SKEW:
        limit = (now + ALLOWED_SKEW).strftime(SIGV4_TIMESTAMP)
        words = f"Signature not yet current: {timestamp} is still later than {limit} ({now_words} + 15 min.)"
        raise mismatch(authorization.service, words)


def _judge_payload(request: Request) -> None:
    stated = request.headers.get("x-amz-content-sha256")
    if stated is None or stated.startswith(UNHASHED):
        return
    if stated != sha256(request.body).hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", message)


def _signature(request: Request, authorization: Authorization, identity: Identity, timestamp: str) -> str:
    signer_class = S3SigV4Auth if authorization.service == "s3" else SigV4Auth
    signer = signer_class(
        Credentials(identity.key, identity.secret), authorization.service, authorization.region
    )
    headers = {name: request.headers.get(name, "") for name in authorization.signed_headers}
    url = f"http://{request.headers.get('host', '')}{request.target}"
    signed = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
    signed.context["timestamp"] = timestamp
    canonical = signer.canonical_request(signed)
    signature: str = signer.signature(signer.string_to_sign(signed, canonical), signed)
    return signature
