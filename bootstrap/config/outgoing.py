"""Addresses of an institution's proxy and mirrors, as `cluster.yaml` may have them. What is accepted here is safe in
apt's, pip's and systemd's files and in an environment: it has no character that any of them gives a meaning."""

import re
from ipaddress import IPv4Network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from bootstrap.config.document import quoted

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = rf"(?=[^:/]{{1,253}}(?:[:/]|\Z)){_LABEL}(?:\.{_LABEL})*"
_URL = re.compile(rf"(https?)://{_NAME}(?::([0-9]{{1,5}}))?((?:/[A-Za-z0-9._~+-]+)*/?)\Z")
_UNPROXIED = re.compile(rf"\.?{_NAME}\Z")
_RANGE = re.compile(r"[0-9.]{7,15}(/[0-9]{1,2})?\Z")
LONGEST = 120
UNPROXIED_ROOM = 300
"""Characters of all of `no_proxy`: user data holds it several times."""
HIGHEST_PORT = 65535


def proxy_url(text: str) -> str:
    """An HTTP proxy's address. Raises ValueError."""
    _, path = _parts(text, ("http", "https"), "an address like http://proxy.example.org:3128")
    if path.strip("/"):
        raise ValueError(f"{quoted(text)} has a path, which a proxy has not: remove {path}")
    return text.rstrip("/")


def index_url(text: str) -> str:
    """The address of an index of Python packages. Raises ValueError."""
    _parts(text, ("https",), "an address like https://mirror.example.org/pypi/simple")
    return text


def mirror_url(text: str) -> str:
    """The address of a mirror of Debian's or Ubuntu's archive, whose packages are signed. Raises ValueError."""
    _parts(text, ("http", "https"), "an address like http://mirror.example.org/ubuntu")
    return text


def unproxied(text: str) -> str:
    """What is reached without the proxy: a name, all names below one that begins with a dot, an IPv4 address or a
    range. Raises ValueError."""
    if _RANGE.match(text):
        try:
            return str(IPv4Network(text)) if "/" in text else str(IPv4Network(text).network_address)
        except ValueError:
            raise ValueError(
                f"{quoted(text)} is not an IPv4 address or range: use one like 10.0.0.0/8"
            ) from None
    if not _UNPROXIED.match(text):
        raise ValueError(
            f"{quoted(text)} is not usable: name a host like mirror.example.org, all below .example.org, or a range "
            "like 10.0.0.0/8"
        )
    return text


def together(found: tuple[str, ...]) -> tuple[str, ...]:
    """A list that fits in user data. Raises ValueError."""
    characters = sum(map(len, found))
    if characters > UNPROXIED_ROOM:
        raise ValueError(
            f"has {characters} characters, and {UNPROXIED_ROOM} is the most: name domains like .example.org"
        )
    return found


def _parts(text: str, schemes: tuple[str, ...], example: str) -> tuple[str, str]:
    """Scheme and path."""
    try:
        has_user = urlsplit(text).username is not None
    except ValueError:
        has_user = False
    if has_user or "@" in text:
        raise ValueError(
            "has a user or password in it, which all who may describe the instances could read: let the proxy or "
            f"mirror admit the machines by their addresses, and set it to {example}"
        )
    found = _URL.match(text) if len(text) <= LONGEST else None
    if not found or found[1] not in schemes or not 0 < int(found[2] or 1) <= HIGHEST_PORT:
        raise ValueError(f"{quoted(text)} is not usable: set it to {example}")
    return found[1], found[3]


ProxyUrl = Annotated[str, AfterValidator(lambda text: text and proxy_url(text))]
IndexUrl = Annotated[str, AfterValidator(lambda text: text and index_url(text))]
MirrorUrl = Annotated[str, AfterValidator(lambda text: text and mirror_url(text))]
Unproxied = Annotated[str, AfterValidator(unproxied)]
Together = AfterValidator(together)
