"""Whether AWS knows who asks, and whether there is such a region for them."""

import difflib
import socket
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.errors import UNKNOWN, code_of, message_of, refused_credentials, unreachable
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.preflight.problem import Problem

ELSEWHERE = "us-east-1"
"""A region that every account has, to tell an unknown key from a region that is not enabled."""


def credential_problems(site: Site) -> list[Problem]:
    """At most one problem: with it nothing else can be asked."""
    region = site.aws.region
    regions = boto3.Session().get_available_regions("ec2")
    try:
        if region not in regions and not _resolves(site.aws.client("sts").meta.endpoint_url):
            return [no_region(region, regions)]
        _ = site.aws.caller
    except ClientError as error:
        code = code_of(error)
        is_known = code in UNKNOWN and region != ELSEWHERE and _answers(Aws(ELSEWHERE))
        return [Problem(refused_credentials(code, message_of(error), region, is_known_elsewhere=is_known))]
    except BotoCoreError as error:
        return [Problem(unreachable(error, region))]
    return []


def no_region(region: str, regions: list[str]) -> Problem:
    """A region that AWS's DNS does not know, with the nearest of those that there are. Pure."""
    near = difflib.get_close_matches(region, sorted(regions), n=2)
    mend = " or ".join(sorted(near)) or "one that AWS has"
    return Problem(f"there is no region {region}: set `region` to {mend}")


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
