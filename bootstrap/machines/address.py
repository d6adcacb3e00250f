"""The manager's URL for browsers, and whether the hub answers there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.machines.certificate import Pair
from bootstrap.machines.manager.config import DEFAULT_PORTS
from hub.config.origins import program_url


def public_host(settings: ClusterSettings, place: Mapping[str, str]) -> str:
    """The domain, or else the public address, or else the private address.

    `place`: the outputs of the place stack.
    """
    return settings.manager.domain or reached_at(place)


def reached_at(place: Mapping[str, str]) -> str:
    """Where the manager is reached whatever the DNS says: its public address, or the private one if it has no other."""
    return place.get("PublicAddress") or place["ManagerAddress"]


def public_url(settings: ClusterSettings, place: Mapping[str, str]) -> str:
    """The address in the browser, without a final slash."""
    scheme = "http" if settings.manager.https is Https.NONE else "https"
    port = settings.manager.port
    host = public_host(settings, place)
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


TIMEOUT = 5.0
API = "/hub/api/"


def hub_answers(public_url: str, pair: Pair | None, address: str = "") -> str:
    """ "" if the hub answers at its public URL; otherwise the reason.

    With a `pair` of ours, only its certificate is accepted, and the request goes to `address`, wherever the domain
    points so far.
    """
    try:
        status, _ = ask(public_url, pair, address)
    except HubSilent as error:
        return str(error)
    return "" if status == 200 else f"it answers {status}"


def hub_version(public_url: str, pair: Pair | None, address: str = "") -> str:
    """The version of JupyterHub that answers there; "" if none does."""
    try:
        _, body = ask(public_url, pair, address)
        return str(json.loads(body)["version"])
    except (HubSilent, ValueError, KeyError, TypeError):
        return ""


class HubSilent(Exception):
    """The hub does not answer at its public URL; the message is the reason, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to the hub's API. `sent` makes it a POST of JSON; `timeout` is in seconds."""

    path: str = API
    token: str = field(default="", repr=False)
    sent: Any = None
    timeout: float = TIMEOUT

    @property
    def method(self) -> str:
        """HTTP's."""
        return "GET" if self.sent is None else "POST"

    @property
    def headers(self) -> dict[str, str]:
        """Those beside Host."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    @property
    def body(self) -> bytes | None:
        """JSON."""
        return None if self.sent is None else json.dumps(self.sent).encode()


def ask(
    public_url: str, pair: Pair | None, address: str, question: Question | None = None
) -> tuple[int, bytes]:
    """Status and body of the hub's answer, as `hub_answers` asks. Raises HubSilent."""
    question = question or Question()
    try:
        if pair:
            return _ask_pinned(public_url, pair, address, question)
        answer = requests.request(
            question.method,
            program_url(public_url) + question.path,
            headers=question.headers,
            data=question.body,
            timeout=question.timeout,
            allow_redirects=False,
        )
        return answer.status_code, answer.content
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise HubSilent(_reason(error)) from error


def _ask_pinned(public_url: str, pair: Pair, address: str, question: Question) -> tuple[int, bytes]:
    parts = urlsplit(public_url)
    pool = urllib3.HTTPSConnectionPool(
        address or parts.hostname or "",
        parts.port or 443,
        timeout=question.timeout,
        retries=False,
        # This one certificate, by its fingerprint, instead of any that an authority has signed.
        cert_reqs="CERT_NONE",
        assert_fingerprint=pair.fingerprint,
        server_hostname=parts.hostname,
    )
    with pool:
        headers = {"Host": parts.netloc, **question.headers}
        answer = pool.request(question.method, question.path, question.body, headers=headers, redirect=False)
        return answer.status, answer.data


def _reason(error: Exception) -> str:
    text = str(error)
    for sign, reason in (
        ("Fingerprints did not match", "another certificate than the cluster's is shown there"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted (yet)"),
        ("Name or service not known", "its domain has no DNS record (yet)"),
        ("NameResolutionError", "its domain has no DNS record (yet)"),
        ("refused", "nothing listens there (yet)"),
        ("timed out", "nothing answers there (yet)"),
    ):
        if sign in text:
            return reason
    return type(error).__name__
