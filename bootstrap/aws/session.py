"""The AWS account and region that a command works in: clients made once, each call's credentials from the session."""

import threading
from functools import cached_property
from typing import Any, TypeVar, cast

import boto3
from botocore.config import Config

# An operator's command may wait; a class that logs in at the same moment takes its share of the account's rates.
PATIENT = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=60)

ONLY_IN = {"freetier": "us-east-1"}
"""Services with one endpoint for all regions, which the SDK does not know."""


Make = TypeVar("Make")


class Aws:
    """One region of one account. Safe to share between threads."""

    def __init__(self, region: str, session: boto3.Session | None = None) -> None:
        self.region = region
        self.client = _made_once((session or boto3.Session(region_name=region)).client, region)
        """The client of a service, made at first use."""

    @cached_property
    def caller(self) -> str:
        """The ARN of whoever runs the command."""
        return self.client("sts").get_caller_identity()["Arn"]

    @property
    def account(self) -> str:
        """The number of the account that the credentials belong to."""
        return self.caller.split(":")[4]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.caller.split(":")[1]


def _made_once(make: Make, region: str) -> Make:
    """A session's `client`, with its types: each service's in this region, with our retries."""
    made: dict[str, Any] = {}
    lock, session_client = threading.Lock(), cast(Any, make)

    def client(service: str) -> Any:
        with lock:  # boto3's sessions make clients for one thread at a time
            if service not in made:
                where = ONLY_IN.get(service, region)
                made[service] = session_client(service, region_name=where, config=PATIENT)
            return made[service]

    return cast(Make, client)
