"""The manager's public URL, and whether the hub answers there."""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
import urllib3

from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.machines.certificate import Pair
from bootstrap.machines.manager.config import DEFAULT_PORTS


def public_host(settings: ClusterSettings, place: Mapping[str, str]) -> str:
    """The domain, or else the public address, or else the private address.

    `place`: the outputs of the place stack.
    """
    return settings.manager.domain or place.get("PublicAddress") or place["ManagerAddress"]


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
        status, _ = _ask_pinned(public_url, pair, address) if pair else _ask(public_url)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return _reason(error)
    return "" if status == 200 else f"it answers {status}"


def hub_version(public_url: str, pair: Pair | None, address: str = "") -> str:
    """The version of JupyterHub that answers there; "" if none does."""
    try:
        _, body = _ask_pinned(public_url, pair, address) if pair else _ask(public_url)
        return str(json.loads(body)["version"])
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):
        return ""


def _ask(public_url: str) -> tuple[int, bytes]:
    """Status and body."""
    answer = requests.get(public_url + API, timeout=TIMEOUT, allow_redirects=False)
    return answer.status_code, answer.content


def _ask_pinned(public_url: str, pair: Pair, address: str) -> tuple[int, bytes]:
    """Status and body."""
    parts = urlsplit(public_url)
    pool = urllib3.HTTPSConnectionPool(
        address or parts.hostname or "",
        parts.port or 443,
        timeout=TIMEOUT,
        retries=False,
        # This one certificate, by its fingerprint, instead of any that an authority has signed.
        cert_reqs="CERT_NONE",
        assert_fingerprint=pair.fingerprint,
        server_hostname=parts.hostname,
    )
    with pool:
        answer = pool.request("GET", API, headers={"Host": parts.netloc}, redirect=False)
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
