"""Will users be able to log in? Checks their list, the authenticator's secret, the domain and its certificate."""

from collections.abc import Iterator
from datetime import UTC, datetime

from bootstrap.aws import names, secrets
from bootstrap.aws.site import Site
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.dns.records import Needed
from bootstrap.cluster.dns.resolving import addresses, alias
from bootstrap.cluster.users import first_people, read_people
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import NotBuilt, Refused, SettingsError
from bootstrap.machines import tls
from bootstrap.machines.address import reached_at
from bootstrap.preflight.problem import Problem, warning
from hub.config.authenticators import secrets_of
from hub.config.origins import SHARED_ORIGIN

UNKNOWN = "neither browsers nor Let's Encrypt find the hub"


def problems(site: Site) -> Iterator[Problem]:
    """Problems of logging in."""
    settings = site.settings
    yield from origin_problems(settings)
    yield from _users(site)
    login = settings.login
    for secret in _missing_secrets(site):
        yield Problem(
            f"the authenticator {login.authenticator} has no {secret} yet: run `cloudjhub secrets set {secret}`"
        )
    yield from _certificate(site)
    yield from _domain(site)


def origin_problems(settings: ClusterSettings) -> list[Problem]:
    """What users can do to each other where their servers share an origin. Pure."""
    if settings.manager.has_subdomains:
        return []
    return [warning(f"{SHARED_ORIGIN} (login.trusted_users)")]


def judge_domain(domain: str, found: set[str], address: str) -> Iterator[Problem]:
    """Does a domain point to the manager? Its `address` is "" before there is one. Pure."""
    if address and address in found:
        return
    if address:
        now = f"to {', '.join(sorted(found))}" if found else "nowhere"
        yield warning(f"{domain} points {now}: point its A record to {address}, or {UNKNOWN}")
        return
    yield warning(
        f"{domain} has to point to the manager's address, which `up` prints: set its A record then, or {UNKNOWN}"
    )


def judge_delegation(needed: Needed, found: str | None) -> Iterator[Problem]:
    """Does the domain delegate its validation to our zone? `found` is where its record leads, "" for no record, None
    where the DNS does not answer. Pure.
    """
    if found == needed.value.lower():
        return
    if found is None:
        now = "could not be looked up: no name server of this machine answers"
    else:
        now = f"leads to {found}" if found else "does not exist yet"
    yield warning(
        f"the record {needed.name} {now}: create it as a CNAME to {needed.value}, or Let's Encrypt gives no certificate"
    )


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


def _domain(site: Site) -> Iterator[Problem]:
    """What prevents the domain's records or its certificate; and the records that the operator has to make.

    The DNS is not asked about addresses that are still to be made: resolvers remember for hours that there are none,
    and the operator who waits for the hub then does not find it. A delegation can be made before `up`, and only Let's
    Encrypt waits for it.
    """
    try:
        zone = dns.records_zone(site)
        delegated = dns.delegation(site)
        if zone:
            dns.records_to_make(site, zone)
        if validated := dns.zone_of(site):
            dns.refuse_delegated(site, validated)
    except (Refused, SettingsError) as error:
        yield Problem(str(error))
        return
    if zone is None:
        place = site.outputs(names.stack(site.cluster, "place"))
        address = reached_at(place) if place else ""
        for name in dns.served(site.settings.manager):
            yield from judge_domain(name, addresses(name) if address else set(), address)
    if delegated:
        yield from judge_delegation(delegated, alias(delegated.name))
