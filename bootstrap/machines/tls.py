"""The manager's certificate and key in Parameter Store: generated once or uploaded, and what the Lambdas trust."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.config.choices import Https
from bootstrap.config.settings import Manager
from bootstrap.errors import SettingsError
from bootstrap.machines.address import public_host
from bootstrap.machines.certificate import Pair, objection, refuse_unusable, self_signed
from bootstrap.machines.manager.secrets import TLS_CERTIFICATE, TLS_KEY

OURS = (Https.OWN, Https.SELF_SIGNED)


class Wanted(StrEnum):
    """What has to happen to the stored pair."""

    NOTHING = "nothing"
    CREATE = "create"
    CHANGE = "change"


def wanted(site: Site, now: datetime) -> tuple[Wanted, Pair | None]:
    """What has to happen, and the pair that is to be there afterwards; None where none is needed from us.

    Reads only. Raises SettingsError for an own certificate that cannot be used, NotBuilt while the address is unknown.
    """
    manager = site.settings.manager
    if manager.https not in OURS:
        return Wanted.NOTHING, None
    there = stored(site)
    host = public_host(site.settings, {} if manager.domain else site.place())
    if manager.https is Https.OWN:
        pair = own(manager)
        refuse_unusable(pair, host, manager.has_subdomains, now)
    elif there and not objection(there, host, manager.has_subdomains, now):
        pair = there
    else:
        pair = self_signed(host, manager.has_subdomains, now)
    if there == pair:
        return Wanted.NOTHING, pair
    return Wanted.CHANGE if there else Wanted.CREATE, pair


def ensure(site: Site, now: datetime) -> None:
    """Store what is wanted. An interruption leaves a pair that does not fit, which the next run replaces."""
    what, pair = wanted(site, now)
    if pair is not None and what is not Wanted.NOTHING:
        _store(site, pair)


def rotate(site: Site, now: datetime) -> None:
    """Store another self-signed certificate with another key. The Lambdas trust it once they are deployed again."""
    manager = site.settings.manager
    host = public_host(site.settings, {} if manager.domain else site.place())
    _store(site, self_signed(host, manager.has_subdomains, now))


def _store(site: Site, pair: Pair) -> None:
    ssm = site.aws.client("ssm")
    secrets.put(ssm, site.cluster, TLS_KEY, pair.key, site.settings.tags, site.settings.kms_key)
    secrets.put(
        ssm, site.cluster, TLS_CERTIFICATE, pair.certificate, site.settings.tags, site.settings.kms_key
    )


def stored(site: Site) -> Pair | None:
    """What is in Parameter Store; None unless certificate and key both are."""
    found = secrets.read_if_there(site.aws.client("ssm"), site.cluster, (TLS_CERTIFICATE, TLS_KEY))
    return Pair(found[TLS_CERTIFICATE], found[TLS_KEY]) if len(found) == 2 else None


def pair_of(site: Site) -> Pair | None:
    """The certificate that the hub must show, where it is one of ours; else None."""
    return stored(site) if site.settings.manager.https in OURS else None


def own(manager: Manager) -> Pair:
    """The pair in the operator's files. Raises SettingsError."""
    return Pair(_text(manager.certificate, "certificate"), _text(manager.key, "key"))


def certificate_to_pin(site: Site) -> str:
    """The one certificate, as PEM without its chain, that the Lambdas trust for the hub; "" where they trust public
    authorities, or while none is stored. Reads only.
    """
    found = pair_of(site)
    return found.leaf_pem if found else ""


def _text(file: Path | None, name: str) -> str:
    if file is None:
        raise SettingsError(f"manager.{name} is not set: name the PEM file")
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"manager.{name}: {file} cannot be read as PEM: {error}") from error
