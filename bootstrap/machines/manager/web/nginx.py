"""nginx's configuration and the pages that it shows by itself, from `templates`. Pure; no secret is in it."""

import re
from collections.abc import Mapping
from string import Template
from urllib.parse import urlsplit

from bootstrap.config.choices import Https
from bootstrap.machines.manager.config import CERTIFICATE, HUB_STATIC, KEY, PAGES, WEBROOT, ManagerConfig
from bootstrap.machines.manager.services import (
    ERRORS_ADDRESS,
    NGINX_RUN,
    PROXY_ADDRESS,
    PROXY_PORT,
    render,
)
from hub.config.settings import HUB_PORT

YEAR = 31_536_000
COMPRESSED = "text/css text/javascript application/javascript application/json image/svg+xml"
"""The types that are worth it; JupyterHub and JupyterLab name scripts by either."""
RELOADED_EVERY = 5


class AtTemplate(Template):
    """nginx has its own variables, which begin with a dollar: ours begin with an at sign."""

    delimiter = "@"


def nginx_conf(config: ManagerConfig) -> str:
    """The configuration. Raises ValueError where the public URL is not https."""
    parts = urlsplit(config.public_url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https" or not re.fullmatch(r"[a-z0-9.-]+", host):
        raise ValueError(f"{config.public_url} is not https with the name or IPv4 address of a host")
    scope = "; includeSubDomains" if config.subdomains else ""
    allowed = config.allowed_networks
    values = {
        "allowed": " ".join(f"{network} 0;" for network in allowed),
        "certificate": CERTIFICATE,
        "closed": int(bool(allowed)),
        "compressed": COMPRESSED,
        "errors": ERRORS_ADDRESS,
        "hosts": f"{host} *.{host}" if config.subdomains else host,
        # With HSTS a browser lets no user past an unknown certificate.
        "hsts": None if config.https is Https.SELF_SIGNED else f'"max-age={YEAR}{scope}"',
        "https_port": port or 443,
        "hub": f"{config.private_address}:{HUB_PORT}",
        "key": KEY,
        # On a subdomain of its own a server may have cookies for all of it.
        "own": None if config.subdomains else "$own",
        "pages": PAGES,
        "port": f":{port}" if port else "",
        "proxy": f"{PROXY_ADDRESS}:{PROXY_PORT}",
        "run": NGINX_RUN,
        "static": HUB_STATIC,
        "webroot": WEBROOT if config.https is Https.LETS_ENCRYPT else None,
        "year": YEAR,
    }
    return render("nginx.conf", values, AtTemplate)


def pages() -> Mapping[str, str]:
    """The pages that nginx shows by itself, by their file's name."""
    return {
        name: render("page.html", {"title": title, "text": text, "refresh": refresh})
        for name, title, text, refresh in (
            (
                "unavailable.html",
                "The hub is starting",
                "It does not answer at the moment. Your files and running notebooks are not affected."
                " This page tries again every few seconds.",
                RELOADED_EVERY,
            ),
            (
                "busy.html",
                "Too many requests",
                "More requests come from your network than the hub takes. Wait a few seconds and try again.",
                None,
            ),
            (
                "elsewhere.html",
                "Not from this network",
                "The hub can only be used from its institution's networks. Connect to one of them, by VPN for example,"
                " and try again.",
                None,
            ),
            (
                "large.html",
                "Too large",
                "What your browser sent is larger than the hub takes. Upload a smaller file.",
                None,
            ),
            (
                "missing.html",
                "Not found",
                'There is no such page. <a href="/hub/home">To the hub</a>',
                None,
            ),
        )
    }
