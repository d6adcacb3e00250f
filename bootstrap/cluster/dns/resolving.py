"""What the names of a domain resolve to on this machine."""

import socket

PROBE = "cloudjhub-check"
"""A name below a domain that no record is made for but the wildcard's: a wildcard itself cannot be resolved."""


def addresses(name: str, family: socket.AddressFamily = socket.AF_INET) -> set[str]:
    """The addresses of a name, or of one that a wildcard matches; none without an answer."""
    try:
        found = socket.getaddrinfo(name.replace("*", PROBE), 443, family, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(one[4][0]) for one in found}
