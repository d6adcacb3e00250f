"""Names below localhost for Python clients: browsers take them for this machine's, the C library does not know them."""

import socket
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

_getaddrinfo = socket.getaddrinfo


def resolve() -> None:
    """From now on, in this process, such names are 127.0.0.1."""
    socket.getaddrinfo = _resolved


def _resolved(host: Any, *args: Any, **more: Any) -> Any:
    is_ours = isinstance(host, str) and host.endswith(".localhost")
    return _getaddrinfo("127.0.0.1" if is_ours else host, *args, **more)


def session() -> requests.Session:
    """A session that sends Secure cookies over HTTP too, as browsers do to this machine."""
    made = requests.Session()
    made.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
    return made
