"""Settings that are right alone but contradict each other."""

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from ipaddress import IPv4Address

from bootstrap.config.choices import Authenticator, Base, Https
from bootstrap.config.document import KeyPath
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Workers
from bootstrap.config.values import architecture
from hub.config.authenticators import checked
from hub.config.origins import SHARED_ORIGIN, is_loopback, is_name
from hub.errors import SettingsError as OptionWrong

FEWEST_ZONES = 2
TAKEN_PORTS = (80, 8000, 8001, 8002, 8081)
"""What listens on the manager beside HTTPS: the redirect to it, the proxy and its API, nginx for the proxy, the hub."""
MOST_PRIVATE_NETWORKS = 29
"""Two ports each, and one rule for the functions, in a security group that holds 60 rules unless AWS raised that."""
ROLE_ROOM = 64
"""Characters of a role's name, for IAM."""
LONGEST_ROLE = "cloudjhub-{cluster}-record_activity-role"
"""The longest name of a cluster's roles."""
PROFILES_ROOM = 3500
"""Characters of all profiles, as JSON in JSON: the manager's user data holds them, and EC2 accepts 16 KB."""
BUDGET_REGIONS = frozenset(
    {
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
        "us-west-2",
    }
)  # fmt: skip
"""Where CloudFormation knows AWS::Budgets::Budget, by the lists of types that cfn-lint ships."""
SHORT_PERIODS = (1, 5, 10, 20, 30)
"""Seconds: the periods below a minute that CloudWatch knows."""

Contradiction = tuple[KeyPath, str]
"""The setting to change, with the message."""


def contradictions(settings: ClusterSettings, given: Collection[KeyPath]) -> Iterator[Contradiction]:
    """Every contradiction; `given` are the keys that are in the file."""
    if settings.network.is_ours:
        yield from _network(settings)
    else:
        yield from _existing_network(settings.network, given)
    yield from _private(settings)
    if settings.network.allowed_networks and settings.manager.https is Https.NONE:
        yield (
            ("network", "allowed_networks"),
            f"is held by nginx, which `https: {Https.NONE}` does without: remove it",
        )
    yield from _bill_alarm(settings)
    yield from _roles(settings)
    yield from _key(settings)
    yield from _workers(settings.workers, given)
    yield from _manager(settings.manager)
    yield from _certificate(settings.manager)
    yield from _login(settings.login, settings.manager)
    yield from _origins(settings.manager, settings.login, given)
    seconds = int(settings.timing.report_period.total_seconds())
    if seconds not in SHORT_PERIODS and seconds % 60:
        yield ("timing", "report_period"), "must be 1, 5, 10, 20 or 30 seconds or whole minutes"


def _bill_alarm(settings: ClusterSettings) -> Iterator[Contradiction]:
    if settings.bill_alarm and not settings.alerts:
        yield ("bill_alarm",), "has no one to write to: add `alerts` with an e-mail address, or remove it"
    if settings.bill_alarm and settings.region not in BUDGET_REGIONS:
        yield (
            ("bill_alarm",),
            f"CloudFormation makes no budgets in {settings.region}: remove it, and make one in the console (Billing)",
        )


def _roles(settings: ClusterSettings) -> Iterator[Contradiction]:
    longest = len(settings.role_prefix) + len(LONGEST_ROLE.format(cluster=settings.cluster))
    if settings.role_prefix and longest > ROLE_ROOM:
        yield (
            ("role_prefix",),
            f"the cluster's longest role would have a name of {longest} characters, and IAM allows {ROLE_ROOM}: "
            f"shorten it by {longest - ROLE_ROOM}",
        )


def _key(settings: ClusterSettings) -> Iterator[Contradiction]:
    region = settings.kms_key.split(":")[3] if settings.kms_key else settings.region
    if region != settings.region:
        yield (
            ("kms_key",),
            f"is a key of {region}, and disks, tables and logs of {settings.region} need one of that region",
        )


def _network(settings: ClusterSettings) -> Iterator[Contradiction]:
    network = settings.network
    for name in ("manager_subnet", "worker_subnets"):
        if getattr(network, name):
            yield ("network", name), "needs the VPC that it lies in: set network.vpc too"
    if 0 < len(network.zones) < FEWEST_ZONES:
        yield ("network", "zones"), "must be two zones or more; without this line the first two are taken"
    for zone in network.zones:
        if not zone.startswith(settings.region):
            yield ("network", "zones"), f"{zone} is not in the region {settings.region}"
    address = settings.manager.private_address
    if address and IPv4Address(address) not in network.cidr:
        yield ("manager", "private_address"), f"{address} is not in the network {network.cidr}"


def _existing_network(network: Network, given: Collection[KeyPath]) -> Iterator[Contradiction]:
    for name, fix in (
        ("manager_subnet", "the public subnet for the manager"),
        ("worker_subnets", "a list of the subnets for workers"),
    ):
        if not getattr(network, name):
            yield ("network", "vpc"), f"an existing VPC needs its subnets too: set network.{name} to {fix}"
    for name in ("cidr", "zones", "egress"):
        if ("network", name) in given:
            yield ("network", name), "an existing VPC has its own: remove this line, or network.vpc"


def _private(settings: ClusterSettings) -> Iterator[Contradiction]:
    network, manager = settings.network, settings.manager
    if not network.private:
        if network.endpoints:
            yield (
                ("network", "endpoints"),
                "are made in a private cluster only: set private too, or remove this line",
            )
        return
    if network.is_ours:
        yield (
            ("network", "private"),
            "needs a network that leads to you, by VPN or transit gateway: set network.vpc and its subnets",
        )
    if len(network.allowed_networks) > MOST_PRIVATE_NETWORKS:
        yield (
            ("network", "allowed_networks"),
            f"are rules of a security group here, which has room for {MOST_PRIVATE_NETWORKS} networks: join some",
        )
    if manager.https is Https.LETS_ENCRYPT and not (manager.has_subdomains or manager.acme_zone):
        yield (
            ("manager", "https"),
            f"Let's Encrypt cannot reach a private address: set manager.acme_zone, by which it asks the DNS, or https "
            f"to {Https.OWN}",
        )


def _workers(workers: Workers, given: Collection[KeyPath]) -> Iterator[Contradiction]:
    yield from _types(workers, given)
    yield from _profiles(workers)
    if workers.image and ("workers", "base") in given:
        yield ("workers", "image"), "is used as it is, without a base: remove workers.base or workers.image"
    for name in ("packages", "apt_packages", "setup"):
        if workers.image and getattr(workers, name):
            yield ("workers", name), "nothing is installed into a ready image: remove this or workers.image"
    if workers.base == Base.AMAZON_LINUX and workers.apt_packages:
        yield (
            ("workers", "apt_packages"),
            f"{workers.base} has no apt: remove this, or set base to {Base.UBUNTU}",
        )


def _types(workers: Workers, given: Collection[KeyPath]) -> Iterator[Contradiction]:
    key = "profiles" if workers.profiles else "types"
    if workers.profiles and ("workers", "types") in given:
        yield ("workers", "types"), "profiles name their own types: remove this line, or workers.profiles"
    if not workers.all_types:
        yield ("workers", "types"), "must name a type, like t4g.medium"
    kinds: dict[str, str] = {}
    for one in workers.all_types:
        kinds.setdefault(architecture(one), one)
    if len(kinds) > 1:
        both = " and ".join(f"{one} is {kind}" for kind, one in kinds.items())
        yield ("workers", key), f"one image cannot run on all of them ({both}): keep to one architecture"


def _profiles(workers: Workers) -> Iterator[Contradiction]:
    seen: dict[str, str] = {}
    for index, profile in enumerate(workers.profiles):
        where = ("workers", "profiles", index)
        if other := seen.get(profile.name.casefold()):
            yield (*where, "name"), f"there is a profile {other} already: give each another name"
        seen[profile.name.casefold()] = profile.name
        if 0 < profile.disk < workers.disk:
            yield (*where, "disk"), f"the image needs {workers.disk} GB, as workers.disk says: set it to more"
    room = sum(len(json.dumps(json.dumps(asdict(profile)))) for profile in workers.profiles)
    if room > PROFILES_ROOM:
        yield (
            ("workers", "profiles"),
            f"have {room} characters together, and the manager's user data has room for {PROFILES_ROOM}: "
            "shorten descriptions, or remove types or groups",
        )


def _manager(manager: Manager) -> Iterator[Contradiction]:
    if manager.base == Base.AMAZON_LINUX:
        yield (
            ("manager", "base"),
            f"the manager needs {Base.UBUNTU} or an AMI based on Debian or Ubuntu: set it to one of these",
        )
    if manager.https is Https.NONE and not is_loopback(manager.domain):
        yield (
            ("manager", "https"),
            f"passwords would cross the internet unencrypted: set it to {Https.SELF_SIGNED},"
            f" or to {Https.LETS_ENCRYPT} with a domain",
        )
    if manager.https is not Https.NONE and manager.port in TAKEN_PORTS:
        yield (
            ("manager", "port"),
            f"{manager.port} is used by the manager itself: take another, like 443 or 8443",
        )
    if manager.https is Https.LETS_ENCRYPT and not is_public_name(manager.domain):
        yield (
            ("manager", "https"),
            f"Let's Encrypt certifies names only: set manager.domain, or https to {Https.SELF_SIGNED}",
        )
    for name in ("hosted_zone", "acme_zone"):
        if getattr(manager, name) and not is_public_name(manager.domain):
            yield ("manager", name), "is for a domain: set manager.domain, or remove this line"
    if manager.acme_zone and manager.https is not Https.LETS_ENCRYPT:
        yield (
            ("manager", "acme_zone"),
            f"is for Let's Encrypt: set https to {Https.LETS_ENCRYPT}, or remove it",
        )


def _certificate(manager: Manager) -> Iterator[Contradiction]:
    for name in ("certificate", "key"):
        is_given = getattr(manager, name) is not None
        if manager.https is Https.OWN and not is_given:
            yield ("manager", "https"), f"needs your PEM file: set manager.{name} to its path"
        if manager.https is not Https.OWN and is_given:
            yield (
                ("manager", name),
                f"is used with `https: {Https.OWN}` only: set that, or remove this line",
            )


def _origins(manager: Manager, login: Login, given: Collection[KeyPath]) -> Iterator[Contradiction]:
    """Without subdomains, whoever sets up the cluster has to know what follows."""
    if manager.has_subdomains:
        return
    if manager.subdomains and ("manager", "subdomains") in given:
        yield ("manager", "subdomains"), "needs a domain: set manager.domain to a name in the DNS"
    if not login.trusted_users:
        fix = (
            "set manager.domain to a name in the DNS" if manager.subdomains else "remove `subdomains: false`"
        )
        yield (
            ("login", "trusted_users"),
            f"{SHARED_ORIGIN}: {fix}, or, if all users trust each other, set this to true",
        )


def _login(login: Login, manager: Manager) -> Iterator[Contradiction]:
    if login.authenticator == Authenticator.SHARED_PASSWORD and not is_loopback(manager.domain):
        yield (
            ("login", "authenticator"),
            f"all users would share one password: set it to {Authenticator.NATIVE} or another with real accounts",
        )
    try:
        checked(login.authenticator, login.options)
    except OptionWrong as error:
        yield ("login", "options"), str(error)


def is_public_name(domain: str) -> bool:
    """A name that the DNS of the internet can have."""
    return is_name(domain) and not is_loopback(domain)
