"""What each setting alone cannot tell: settings that contradict each other."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, ip_address
from typing import Any

from bootstrap.config.choices import Authenticator, Base, Https
from bootstrap.config.document import Place, Table
from bootstrap.config.instance_types import architecture
from bootstrap.config.settings import ClusterSettings, Network
from hub.config.authenticators import checked
from hub.errors import SettingsError as OptionWrong

FEWEST_ZONES = 2
SHORT_PERIODS = (1, 5, 10, 20, 30)
"""Seconds: the periods below a minute that CloudWatch knows."""


def named(network: Network, cluster: str) -> Network:
    """A network is called like its cluster unless it says otherwise."""
    return replace(network, name=cluster)


def check(settings: ClusterSettings, top: Table) -> None:
    """Raises SettingsError, at the place in the file, for the first contradiction."""
    _network(settings, top)
    _workers(settings, top)
    _address(settings, top)
    _certificate(settings, top)
    _login(settings, top)
    _options(settings, top)
    _timing(settings.timing.report_period, top)


def _network(settings: ClusterSettings, top: Table) -> None:
    network = settings.network
    if not network.is_ours:
        _existing_network(network, top)
        return
    for name in ("manager_subnet", "worker_subnets"):
        if getattr(network, name):
            raise _at(top, "network", name).wrong("needs the VPC that it lies in: set network.vpc too")
    if 0 < len(network.zones) < FEWEST_ZONES:
        raise _at(top, "network", "zones").wrong(
            "must be two zones or more; without this line the first two are taken"
        )
    for zone in network.zones:
        if not zone.startswith(settings.region):
            raise _at(top, "network", "zones").wrong(f"{zone} is not in the region {settings.region}")
    address = settings.manager.private_address
    if address and IPv4Address(address) not in network.cidr:
        raise _at(top, "manager", "private_address").wrong(f"{address} is not in the network {network.cidr}")


def _existing_network(network: Network, top: Table) -> None:
    for name, mend in (
        ("manager_subnet", "the public subnet for the manager"),
        ("worker_subnets", "a list of the subnets for workers"),
    ):
        if not getattr(network, name):
            raise _at(top, "network", "vpc").wrong(
                f"an existing VPC needs its subnets too: set network.{name} to {mend}"
            )
    section = top.entries["network"]
    for name in ("cidr", "zones", "egress"):
        if isinstance(section, Table) and name in section.entries:
            raise _at(top, "network", name).wrong(
                "an existing VPC has its own: remove this line, or network.vpc"
            )


def _workers(settings: ClusterSettings, top: Table) -> None:
    workers = settings.workers
    if not workers.types:
        raise _at(top, "workers", "types").wrong("must name a type, like t3.medium")
    kinds: dict[str, str] = {}
    for one in workers.types:
        kinds.setdefault(architecture(one), one)
    if len(kinds) > 1:
        both = " and ".join(f"{one} is {kind}" for kind, one in kinds.items())
        raise _at(top, "workers", "types").wrong(
            f"one image cannot run on all of them ({both}): keep to one architecture"
        )
    if workers.image and _is_given(top, "workers", "base"):
        raise _at(top, "workers", "image").wrong(
            "is used as it is, without a base: remove workers.base or workers.image"
        )
    if workers.image and workers.packages:
        raise _at(top, "workers", "packages").wrong(
            "nothing is installed into a ready image: remove this or workers.image"
        )


def _address(settings: ClusterSettings, top: Table) -> None:
    manager = settings.manager
    if manager.base == Base.AMAZON_LINUX:
        raise _at(top, "manager", "base").wrong(f"the manager needs {Base.UBUNTU} or an AMI of Debian's kind")
    if manager.https is Https.NONE and not is_loopback(manager.domain):
        raise _at(top, "manager", "https").wrong(
            f"passwords would cross the internet unencrypted: set it to {Https.SELF_SIGNED},"
            f" or to {Https.LETS_ENCRYPT} with a domain"
        )
    if manager.https is Https.LETS_ENCRYPT and not is_public_name(manager.domain):
        raise _at(top, "manager", "https").wrong(
            f"Let's Encrypt certifies names only: set manager.domain, or https to {Https.SELF_SIGNED}"
        )
    if manager.subdomains and not (manager.domain and not _is_address(manager.domain)):
        raise _at(top, "manager", "subdomains").wrong(
            "needs a domain with a wildcard DNS record: set manager.domain"
        )


def _certificate(settings: ClusterSettings, top: Table) -> None:
    manager = settings.manager
    if manager.https is Https.OWN:
        for name in ("certificate", "key"):
            if not getattr(manager, name):
                raise _at(top, "manager", "https").wrong(
                    f"needs your PEM file: set manager.{name} to its path"
                )
        return
    for name in ("certificate", "key"):
        if getattr(manager, name):
            raise _at(top, "manager", name).wrong(
                f"is used with `https: {Https.OWN}` only: set that, or remove this line"
            )


def _login(settings: ClusterSettings, top: Table) -> None:
    shared = settings.login.authenticator == Authenticator.SHARED_PASSWORD
    if shared and not is_loopback(settings.manager.domain):
        raise _at(top, "login", "authenticator").wrong(
            f"everybody would know everybody's password: set it to {Authenticator.NATIVE} or another with real accounts"
        )


def _options(settings: ClusterSettings, top: Table) -> None:
    """The authenticator's own options, by the rules that the hub has for them."""
    login = settings.login
    try:
        checked(login.authenticator, login.options)
    except OptionWrong as error:
        raise _at(top, "login", "options").wrong(str(error)) from error


def _timing(report_period: timedelta, top: Table) -> None:
    seconds = int(report_period.total_seconds())
    if seconds not in SHORT_PERIODS and seconds % 60:
        raise _at(top, "timing", "report_period").wrong("must be 1, 5, 10, 20 or 30 seconds or whole minutes")


def is_loopback(domain: str) -> bool:
    """Can only this machine reach it?"""
    return domain == "localhost" or (_is_address(domain) and ip_address(domain).is_loopback)


def is_public_name(domain: str) -> bool:
    """A name that the DNS of the internet can have."""
    return "." in domain and not _is_address(domain)


def _is_address(domain: str) -> bool:
    try:
        ip_address(domain)
    except ValueError:
        return False
    return True


def _is_given(top: Table, section: str, name: str) -> bool:
    table = top.entries.get(section)
    return isinstance(table, Table) and name in table.entries


def _at(top: Table, section: str, name: str) -> Place:
    """Where a setting stands; where its section stands, if it is not in the file."""
    table: Any = top.entries.get(section)
    if table is None:
        return top.place.below(section, top.place.line).below(name, top.place.line)
    if isinstance(table, Table) and name in table.entries:
        return table.entries[name].place
    return Place(table.place.file, table.place.line, f"{section}.{name}")
