"""Gets a server's environment from the hub, in exchange for a proof of the machine's identity.

The proof is a signed STS GetCallerIdentity request that is not sent but handed to the hub, which sends it to its own
STS endpoint and finds the instance id in the answer. The hub's name is among the signed headers, so that a proof for
one hub is useless at another.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from lifecycle_app.contract import PROBLEM_FIELD, SET_ASIDE, SET_ASIDE_FIELD, Problem

from .settings import EnvironmentUnavailable, IdentityUnavailable

PATH = "/cloudjhub/environment"
TIMEOUT = timedelta(seconds=10)

FIRST_WAIT = timedelta(seconds=0.5)
LONGEST_WAIT = timedelta(seconds=15)
# The hub refused: only an operator can change that.
REFUSED_WAIT = timedelta(seconds=60)
LONGEST_RETRY_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ServerEnvironment:
    """What the hub wants a server to be started with. It contains the server's token and is never logged."""

    variables: Mapping[str, str]
    arguments: tuple[str, ...]
    set_aside: str = ""
    """The directory of the home into which the user's settings are moved before the server starts; "" for none."""

    def __repr__(self) -> str:
        return f"ServerEnvironment({len(self.variables)} variables, {len(self.arguments)} arguments)"


class HubClient:
    """The hub's API on the private network. Raises EnvironmentUnavailable."""

    def __init__(self, hub_api: str) -> None:
        self._url = hub_api + PATH
        self._http = requests.Session()
        self._http.trust_env = False  # the hub is on the same network: no proxy, no .netrc

    def environment(self, proof: Mapping[str, Any]) -> ServerEnvironment:
        """Request the environment of this machine's server."""
        response = self._post(proof)
        try:
            return parse(response.json())
        except ValueError as error:
            raise EnvironmentUnavailable(f"the hub's answer is not understood: {error}") from error

    def report(self, proof: Mapping[str, Any], problem: Problem) -> None:
        """Report why this machine starts no server. An older hub would answer with the environment."""
        self._post({**proof, PROBLEM_FIELD: problem})

    def _post(self, sent: Mapping[str, Any]) -> requests.Response:
        try:
            response = self._http.post(self._url, json=sent, timeout=TIMEOUT.total_seconds())
        except requests.RequestException as error:
            raise EnvironmentUnavailable(f"the hub cannot be reached: {error}") from error
        if response.status_code not in (200, 204):
            raise refusal(response.status_code, response.headers.get("Retry-After"))
        return response


def parse(answer: Any) -> ServerEnvironment:
    """The environment in the hub's response. Raises ValueError without quoting it: it contains a token."""
    variables = answer.get("env") if isinstance(answer, dict) else None
    arguments = answer.get("args", []) if isinstance(answer, dict) else None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError("env is not an object of texts")
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError("args is not a list of texts")
    directory = answer.get(SET_ASIDE_FIELD, "")
    if directory and not (isinstance(directory, str) and SET_ASIDE.match(directory)):
        raise ValueError(f"{SET_ASIDE_FIELD} is not the name of a directory for settings")
    return ServerEnvironment(variables, tuple(arguments), directory)


def refusal(status: int, retry_after: str | None = None) -> EnvironmentUnavailable:
    """The error that a status other than 200 means."""
    match status:
        case 401:
            return EnvironmentUnavailable(
                "the hub cannot verify who this machine is (401): is its clock right, its role the worker's, "
                "and hub_name the hub's own name?",
                refused=True,
            )
        case 403:
            return EnvironmentUnavailable(
                "the hub knows this machine, but not as a worker of its cluster (403)", refused=True
            )
        case 409:
            return EnvironmentUnavailable(
                "the hub does not expect this server yet (409)", retry_after=_after(retry_after)
            )
        case _:
            return EnvironmentUnavailable(f"the hub answers {status}", retry_after=_after(retry_after))


def _after(text: str | None) -> timedelta | None:
    if text is None or not text.isdecimal():
        return None
    return min(timedelta(seconds=int(text)), LONGEST_RETRY_AFTER)


def wait(attempt: int, failure: Exception, jitter: Callable[[], float] = random.random) -> timedelta:
    """How long to wait after the failure of attempt 1, 2, …: doubled up to a limit, with jitter over its upper half.

    Machines that were started together must not retry together.
    """
    longest = min(FIRST_WAIT * (1 << min(attempt - 1, 16)), LONGEST_WAIT)
    if isinstance(failure, EnvironmentUnavailable):
        if failure.refused:
            longest = REFUSED_WAIT
        elif failure.retry_after is not None:
            return failure.retry_after + FIRST_WAIT * jitter()
    return longest * (0.5 + 0.5 * jitter())


METADATA_ENDPOINT = "http://169.254.169.254"
METADATA_TIMEOUT = 2.0
TOKEN_SECONDS = 300

PROOF_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
HUB_HEADER = "X-Cloudjhub-Hub"


@dataclass(frozen=True, slots=True)
class Instance:
    """What instance metadata says about this machine."""

    instance_id: str
    address: str


class InstanceMetadata:
    """Instance metadata service, version 2. Raises IdentityUnavailable."""

    def __init__(self, endpoint: str = METADATA_ENDPOINT) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between a machine and its metadata

    def instance(self) -> Instance:
        """This machine's id and address, read now."""
        token = self._call("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)})
        headers = {"X-aws-ec2-metadata-token": token}
        return Instance(
            instance_id=self._call("GET", "meta-data/instance-id", headers),
            address=self._call("GET", "meta-data/local-ipv4", headers),
        )

    def _call(self, method: str, path: str, headers: dict[str, str]) -> str:
        url = f"{self._endpoint}/latest/{path}"
        try:
            response = self._http.request(method, url, headers=headers, timeout=METADATA_TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise IdentityUnavailable(f"instance metadata: {error}") from error
        text = response.text.strip()
        if not text:
            raise IdentityUnavailable(f"instance metadata: {path} is empty")
        return text


def signed_proof(
    credentials: ReadOnlyCredentials, *, sts_url: str, region: str, hub_name: str
) -> dict[str, Any]:
    """The signed request, as the hub expects it: url, headers, body. STS accepts it for five minutes."""
    request = AWSRequest(
        method="POST",
        url=sts_url,
        data=PROOF_BODY,
        headers={
            "Host": urlsplit(sts_url).netloc,
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            HUB_HEADER: hub_name,
        },
    )
    SigV4Auth(credentials, "sts", region).add_auth(request)
    return {"url": sts_url, "headers": dict(request.headers.items()), "body": PROOF_BODY}


class Identity:
    """This machine's identity, by AWS's own settings and credential chain. Raises IdentityUnavailable."""

    def __init__(self, *, region: str, hub_name: str) -> None:
        self._session = Session()
        self._session.set_config_variable("region", region)
        self._region = region
        self._hub_name = hub_name
        endpoint = self._session.get_config_variable("ec2_metadata_service_endpoint")
        self._metadata = InstanceMetadata(endpoint or METADATA_ENDPOINT)
        self._instance: Instance | None = None
        self._sts_url: str | None = None

    def instance(self) -> Instance:
        """This machine's id and address, read once: they do not change while it runs."""
        if self._instance is None:
            self._instance = self._metadata.instance()
        return self._instance

    def proof(self) -> dict[str, Any]:
        """A proof signed now."""
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise IdentityUnavailable("no credentials: does the instance have its role?")
            if self._sts_url is None:
                client = self._session.create_client("sts", region_name=self._region)
                self._sts_url = client.meta.endpoint_url.rstrip("/") + "/"
            return signed_proof(
                credentials.get_frozen_credentials(),
                sts_url=self._sts_url,
                region=self._region,
                hub_name=self._hub_name,
            )
        except BotoCoreError as error:
            raise IdentityUnavailable(f"credentials: {error}") from error
