"""Which origin each user's server has, and which requests of other origins the hub refuses. Pure.

A browser keeps apart what comes from different origins: scripts of one cannot read pages of another. With subdomains,
the hub and each user's servers have origins of their own. They remain one site, so the browser sends the hub's cookies
with requests that other users' pages make.
"""

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_address
from posixpath import normpath
from urllib.parse import unquote, urlsplit

SHARED_ORIGIN = (
    "Users can take over each other's accounts, the administrators' too: all servers share the hub's origin"
)
"""What operators and administrators read where there are no subdomains."""


def is_name(host: str) -> bool:
    """Can it have subdomains, unlike an address or a single word?"""
    return "." in host and not _is_address(host)


def is_loopback(host: str) -> bool:
    """Can only this machine reach it? Browsers take every name below localhost for this machine's."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ip_address(host).is_loopback


def program_url(url: str) -> str:
    """The URL as programs reach it. Browsers resolve names below localhost themselves; the C library does not."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url
    return parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1").geturl()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


LONGEST_HINT = 20
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def subdomain(name: str, domain: str, kind: str) -> str:
    """The host of a user's servers, or of a service's (`kind` is "user" or "service"): one label below the domain.

    A name that is a label stands for itself, any other for a hash. JupyterHub's own hashes have 28 bits: a user who
    may choose a name finds one with another user's hash.
    """
    label = name if _LABEL.fullmatch(name) and "--" not in name else _hashed(name)
    return f"{label}.{domain}" if kind == "user" else f"{label}--{kind}.{domain}"


def _hashed(name: str) -> str:
    """Like u-ada--<32 hexadecimal digits>. No other label begins with u- and has -- in it."""
    hint = "".join(re.findall(r"[a-z0-9]", name))[:LONGEST_HINT] or "x"
    return f"u-{hint}--{hashlib.sha256(name.encode()).hexdigest()[:32]}"


FORM_POSTS = "/lti13/"
"""Where a learning platform's page posts its users to, below the hub's prefix. The post is signed."""
OWN_SITES = ("same-origin", "none")
"""What Sec-Fetch-Site says of the hub's own pages, and of what the user typed."""


def is_from_foreign_page(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Did a page of another origin make this request, other than by opening a page of the hub in a window?

    Browsers say so themselves. Programs, and browsers from before 2023, say nothing; of the latter JupyterHub's XSRF
    tokens take care. `path` is below the hub's prefix.
    """
    if headers.get("Sec-Fetch-Site", "none") in OWN_SITES or path.startswith(FORM_POSTS):
        return False
    return not (method in ("GET", "HEAD") and headers.get("Sec-Fetch-Mode") == "navigate")


def is_users_host(host: str, hub: str) -> bool:
    """Is a request's host that of a user's servers, rather than the hub's own, `hub`? With or without ports."""
    return _bare(host).endswith(f".{_bare(hub)}")


def _bare(host: str) -> str:
    return host.lower().partition(":")[0].rstrip(".")


def leads_to_another(url: str, user: str) -> bool:
    """Does a URL of the hub's lead from the hub to another user's server? Whoever follows it may see any page there."""
    path = normpath(unquote(urlsplit(url).path))
    parts = [part for part in path.split("/") if part]
    kind, *rest = parts[1:] if parts[:1] == ["hub"] else parts or [""]
    return kind in ("user", "spawn", "spawn-pending") and rest[:1] not in ([], [user])
