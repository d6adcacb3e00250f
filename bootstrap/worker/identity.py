"""Who this machine is: what instance metadata says, and a proof that AWS vouches for.

The proof is a signed STS GetCallerIdentity request that is not sent but handed to the hub, which sends it to its own
STS endpoint and finds the instance id in the answer. The hub's name is among the signed headers, so that a proof for
one hub is worth nothing to another.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from .errors import IdentityUnavailable

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
        self._http.trust_env = False  # a proxy has no business between a machine and its metadata

    def instance(self) -> Instance:
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
    """The signed request, as the hub expects it: url, headers, body. Good for STS's five minutes."""
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
    """This machine's identity, through AWS's own settings and credential chain. Raises IdentityUnavailable."""

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
        """Read once: neither changes while the machine runs."""
        if self._instance is None:
            self._instance = self._metadata.instance()
        return self._instance

    def proof(self) -> dict[str, Any]:
        """A proof signed now."""
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise IdentityUnavailable("no credentials: has the instance its role?")
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
