"""The HTTP session with the hub: with a pinned certificate it trusts that one and nothing else."""

from __future__ import annotations

import os
import ssl
import tempfile

import requests

from lifecycle_app.ending import EndingAdapter


def session(certificate: str | None) -> requests.Session:
    """A session that trusts exactly this certificate (PEM), or the public authorities where there is none.

    Names and addresses are checked against the certificate in either case, and answers end in time.
    """
    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, EndingAdapter())
    if certificate:
        # Else REQUESTS_CA_BUNDLE or a .netrc would outweigh what is set here.
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


def _file(certificate: str) -> str:
    """OpenSSL reads what it trusts from a file. It is written once for each cold start, and stays as long as that."""
    handle, path = tempfile.mkstemp(prefix="cloudjhub-hub-", suffix=".pem")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(certificate)
    return path
