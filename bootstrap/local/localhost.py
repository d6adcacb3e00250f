"""Names below localhost for Python clients: browsers take them for this machine's, the C library does not know them."""

import socket
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Any

import requests

_getaddrinfo = socket.getaddrinfo


def resolve() -> None:
    """From now on, in this process, such names are 127.0.0.1."""
    socket.getaddrinfo = _resolved


def _resolved(host: Any, *args: Any, **more: Any) -> Any:
    is_ours = isinstance(host, str) and host.endswith(".localhost")
    return _getaddrinfo("127.0.0.1" if is_ours else host, *args, **more)


class _Trusting(DefaultCookiePolicy):
    """Keeps Secure cookies as ordinary ones: browsers send them to this machine over HTTP too."""

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        cookie.secure = False
        return super().set_ok(cookie, request)


def session() -> requests.Session:
    """A session that treats this machine as browsers do."""
    made = requests.Session()
    made.cookies.set_policy(_Trusting())
    return made
