"""Will users be able to log in? Checks their list, the authenticator's secret, the domain and its certificate."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from bootstrap.aws import names, secrets
from bootstrap.aws.site import Site
from bootstrap.cluster.users import first_people, read_people
from bootstrap.config.choices import Https
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.machines import tls
from bootstrap.preflight.problem import Problem, warning
from hub.config.authenticators import secrets_of


def problems(site: Site) -> Iterator[Problem]:
    """Problems of logging in."""
    settings = site.settings
    yield from _users(site)
    login = settings.login
    for secret in _missing_secrets(site):
        yield Problem(
            f"the authenticator {login.authenticator} has no {secret} yet: run `cloudjhub secrets set {secret}`"
        )
    manager = settings.manager
    if manager.https is Https.LETS_ENCRYPT:
        address = site.outputs(names.stack(site.cluster, "place")).get("PublicAddress", "")
        yield from judge_domain(manager.domain, _addresses(manager.domain), address)
    yield from _certificate(site)


def judge_domain(domain: str, found: set[str], address: str) -> list[Problem]:
    """Does a domain point to the manager? Its `address` is "" before there is one. Pure."""
    if address and address in found:
        return []
    if address:
        now = f"to {', '.join(sorted(found))}" if found else "nowhere"
        return [
            warning(
                f"{domain} points {now}: point its A record to {address}, or Let's Encrypt will not certify it"
            )
        ]
    return [
        warning(
            f"{domain} has to point to the manager's address, which `up` prints: set its A record then, or Let's "
            "Encrypt will not certify it"
        )
    ]


def _users(site: Site) -> list[Problem]:
    """The users file is used until the cluster has a list of its own."""
    try:
        try:
            read_people(site)
        except NotBuilt:
            first_people(site.settings)
    except SettingsError as error:
        return [Problem(str(error))]
    return []


def _certificate(site: Site) -> list[Problem]:
    """Problems of the operator's own certificate; without a domain it can be checked once there is an address."""
    try:
        tls.wanted(site, datetime.now(UTC))
    except SettingsError as error:
        return [Problem(str(error))]
    except NotBuilt:
        return []
    return []


def _missing_secrets(site: Site) -> list[str]:
    """Those that only the operator knows; checked without reading their values. `up` creates the others."""
    login = site.settings.login
    needed = [name for name in secrets_of(login.authenticator, login.options) if name not in secrets.MAKERS]
    there = secrets.versions(site.aws.client("ssm"), site.cluster, needed)
    return [name.removeprefix("hub/") for name in needed if name not in there]


def _addresses(domain: str) -> set[str]:
    try:
        found = socket.getaddrinfo(domain, 443, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(one[4][0]) for one in found}
