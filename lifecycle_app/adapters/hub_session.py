"""The HTTP session with the hub. It can trust one pinned certificate only, and limits the time of a whole answer."""

from __future__ import annotations

import io
import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from http.client import HTTPResponse
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from lifecycle_app.concurrency import AT_ONCE


def session(certificate: str | None) -> requests.Session:
    """A session that trusts exactly this certificate (PEM), whoever issued it, or the public authorities where there is
    none.

    Names and addresses are checked against the certificate in either case.
    """
    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, EndingAdapter(_pinning() if certificate else None))
    if certificate:
        # Else REQUESTS_CA_BUNDLE or a .netrc would override it.
        made.trust_env = False
        made.verify = _file(certificate)
    return made


def is_certificate(text: str) -> bool:
    """Is it one certificate in PEM?"""
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return text.count("-----BEGIN") == 1


def _pinning() -> ssl.SSLContext:
    """OpenSSL otherwise looks for the issuer of a certificate, even of a trusted one, and a private authority is
    nowhere to be found. Python 3.13 would also refuse such an authority's certificates for missing extensions.
    """
    context = create_urllib3_context()
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _file(certificate: str) -> str:
    """The path of a file with it, which OpenSSL reads; written once for each cold start."""
    handle, path = tempfile.mkstemp(prefix="cloudjhub-hub-", suffix=".pem")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(certificate)
    return path


class EndingAdapter(HTTPAdapter):
    """For a requests session: the read timeout limits the whole answer, not each part of it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls: dict[str, Any] = {"ssl_context": tls} if tls else {}
        super().__init__(pool_maxsize=AT_ONCE)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Pools whose connections read by `EndingReader`, with this adapter's TLS context."""
        super().init_poolmanager(*args, **(more | self._tls))
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class EndingReader(io.RawIOBase):
    """Reads from a socket for at most the socket's timeout in all. Raises TimeoutError."""

    def __init__(
        self, sock: socket.socket, raw: io.RawIOBase, clock: Callable[[], float] = monotonic
    ) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._clock = clock
        patience = sock.gettimeout()
        self._ends = None if patience is None else clock() + patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Bytes read, within what is left of the time. Raises TimeoutError."""
        if self._ends is not None:
            left = self._ends - self._clock()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(EndingReader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
