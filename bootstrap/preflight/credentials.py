"""Whether AWS knows who asks, and whether there is such a region for them."""

import difflib
import socket
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from bootstrap.aws.session import Aws
from bootstrap.cluster.site import Site
from bootstrap.preflight.problem import Problem

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId")
ELSEWHERE = "us-east-1"
"""A region that every account has, to tell an unknown key from a region that is not enabled."""
LOG_IN = "run `aws sso login` or `aws configure`, or set AWS_PROFILE"


def problems(site: Site) -> list[Problem]:
    """At most one problem: with it nothing else can be asked."""
    region = site.aws.region
    regions = boto3.Session().get_available_regions("ec2")
    try:
        if region not in regions and not _resolves(site.aws.client("sts").meta.endpoint_url):
            return [no_region(region, regions)]
        _ = site.aws.caller
    except ClientError as error:
        code = error.response["Error"]["Code"]
        is_known = code in UNKNOWN and region != ELSEWHERE and _answers(Aws(ELSEWHERE))
        message = error.response["Error"].get("Message", "")
        return [refused(code, message, region, is_known_elsewhere=is_known)]
    except BotoCoreError as error:
        return [unasked(error, region)]
    return []


def refused(code: str, message: str, region: str, *, is_known_elsewhere: bool) -> Problem:
    """What AWS means by refusing to say who asks. Pure."""
    if code in EXPIRED:
        return Problem(f"the AWS credentials have expired: {LOG_IN}, then run the command again")
    if is_known_elsewhere:
        return Problem(
            f"the region {region} is not enabled for this account: enable it in the console under Account, "
            "AWS Regions, or set another `region`"
        )
    if code in UNKNOWN:
        return Problem(f"AWS does not know these credentials ({code}): {LOG_IN}")
    if "Signature expired" in message or "not yet current" in message:
        return Problem("this machine's clock is wrong, so AWS refuses its signatures: set the clock")
    if code in ("SignatureDoesNotMatch", "InvalidSignatureException"):
        return Problem(f"the AWS secret access key does not belong to its key id: {LOG_IN}")
    return Problem(f"AWS does not say who asks: {code}: {message}: {LOG_IN}")


def no_region(region: str, regions: list[str]) -> Problem:
    """A region that AWS's DNS does not know, with the nearest of those that there are. Pure."""
    near = difflib.get_close_matches(region, sorted(regions), n=2)
    mend = " or ".join(sorted(near)) or "one that AWS has"
    return Problem(f"there is no region {region}: set `region` to {mend}")


def unasked(error: BotoCoreError, region: str) -> Problem:
    """Why AWS could not even be asked. Pure."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Problem(f"there are no AWS credentials: {LOG_IN}")
    if isinstance(error, SSOError | TokenRetrievalError | CredentialRetrievalError):
        return Problem(f"the AWS credentials have expired: {LOG_IN}, then run the command again")
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return Problem(f"AWS cannot be reached in {region}: look to this machine's network")
    return Problem(f"AWS cannot be asked: {error}: {LOG_IN}")


def _resolves(endpoint: str) -> bool:
    """Whether DNS knows the endpoint: a client would try for half a minute."""
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except socket.gaierror:
        return False
    return True


def _answers(aws: Aws) -> bool:
    try:
        _ = aws.caller
    except (ClientError, BotoCoreError):
        return False
    return True
