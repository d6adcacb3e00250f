"""What the names of a domain resolve to on this machine."""

import socket
from collections.abc import Sequence

PROBE = "cloudjhub-check"
"""A name below a domain that no record is made for but the wildcard's: a wildcard itself cannot be resolved."""
WITHIN = 10.0
"""Seconds that the name servers may take together."""


def addresses(name: str, family: socket.AddressFamily = socket.AF_INET) -> set[str]:
    """The addresses of a name, or of one that a wildcard matches; none without an answer."""
    try:
        found = socket.getaddrinfo(name.replace("*", PROBE), 443, family, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(one[4][0]) for one in found}


def alias(name: str, servers: Sequence[str] = (), port: int = 53) -> str | None:
    """Where a CNAME record of this name leads, in lower case, without the final dot; "" if it has none, None if no name
    server says. This machine's name servers are asked, or these `servers`, addresses.
    """
    # Here: no other command needs it.
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer, Resolver

    try:
        resolver = Resolver(configure=not servers)
        if servers:
            resolver.nameservers, resolver.port = list(servers), port
        found = resolver.resolve(name, "CNAME", lifetime=WITHIN, search=False)
    except (NXDOMAIN, NoAnswer):
        return ""
    except (DNSException, OSError):
        return None
    return str(next(iter(found)).target).removesuffix(".").lower()
