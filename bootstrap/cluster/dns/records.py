"""The DNS records of the manager's domain: those that `up` makes in a hosted zone of this account, those that the
operator makes elsewhere, and the one by which Let's Encrypt validates the domain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bootstrap.aws import names, stacks
from bootstrap.aws.errors import if_exists
from bootstrap.aws.scope import Challenge
from bootstrap.aws.site import Site
from bootstrap.cluster.dns import hosted_zones
from bootstrap.cluster.dns.hosted_zones import Record, Zone, closest, contains
from bootstrap.config.choices import Https
from bootstrap.config.contradictions import is_public_name
from bootstrap.config.settings import Manager
from bootstrap.errors import Refused, SettingsError
from bootstrap.machines.address import reached_at

BY_HAND = "none"
CHALLENGE = "_acme-challenge"
LONGEST_NAME = 253
RECORD_TYPE = "AWS::Route53::RecordSet"


def served(manager: Manager) -> list[str]:
    """The names that must lead to the manager: the domain, and with subdomains every name below. [] without a domain
    of the internet's.
    """
    if not is_public_name(manager.domain):
        return []
    return [manager.domain, f"*.{manager.domain}"] if manager.has_subdomains else [manager.domain]


def zone_of(site: Site) -> Zone | None:
    """The domain's hosted zone, in which `up` may make records; None where they are the operator's.

    Raises SettingsError where the settings name a zone that cannot be used, or none of several.
    """
    manager = site.settings.manager
    if not served(manager) or manager.hosted_zone == BY_HAND:
        return None
    zones = hosted_zones.public_zones(site.aws)
    if manager.hosted_zone:
        return _chosen(zones, manager)
    found = closest(zones, manager.domain)
    if len(found) > 1:
        raise SettingsError(
            f"this account has several public hosted zones {found[0].name}: set `manager.hosted_zone` to the one that "
            f"the internet uses: {', '.join(zone.id for zone in found)}"
        )
    return found[0] if found else None


def records_zone(site: Site) -> Zone | None:
    """The hosted zone that `up` makes the domain's A records in; None where they are the operator's.

    Those of a private cluster are the institution's: its resolvers may have zones of their own, and some drop private
    addresses that a public zone gives.
    """
    return None if site.settings.network.private else zone_of(site)


def records_to_make(site: Site, zone: Zone) -> list[str]:
    """The names of those of our A records that `up` makes in this zone, or has made.

    A foreign record is left alone: one that leads to the manager need not be ours. Raises Refused where it
    is in the way.
    """
    place = names.stack(site.cluster, "place")
    address = site.outputs(place).get("PublicAddress", "")
    made = _made(site, place)
    return [
        name
        for name in served(site.settings.manager)
        if (zone.id, name) in made
        or not leads_there(name, hosted_zones.records(site.aws, zone, name), zone, address)
    ]


def leads_there(name: str, found: Sequence[Record], zone: Zone, address: str) -> bool:
    """Does a foreign record lead to the manager already? Its `address` is "" before there is one. Pure.

    Raises Refused where another record is in the way of ours. An AAAA record is not.
    """
    in_the_way = [one for one in found if one.type != "AAAA"]
    if [Record("A", (address,))] == in_the_way:
        return True
    if in_the_way:
        raise Refused(
            f"{name} has the {' and the '.join(map(str, in_the_way))} in the hosted zone {zone}, which is not of this "
            "cluster: delete it there, set another `manager.domain`, or make the records yourself with "
            f"`manager.hosted_zone: {BY_HAND}`"
        )
    return False


def challenge(site: Site) -> Challenge | None:
    """The record by which the manager's certificate is validated; None where that needs none.

    Let's Encrypt validates a wildcard by a DNS record only. Raises SettingsError if no zone can hold it.
    """
    manager = site.settings.manager
    if manager.https is not Https.LETS_ENCRYPT or not (manager.has_subdomains or manager.acme_zone):
        return None
    record = f"{CHALLENGE}.{manager.domain}"
    if not manager.acme_zone:
        if zone := zone_of(site):
            return Challenge(zone.id, record)
        raise SettingsError(
            f"Let's Encrypt certifies *.{manager.domain} by a DNS record only, and `up` has no hosted zone for it: set "
            f"`manager.acme_zone`, `manager.https: {Https.OWN}` with a wildcard certificate, or "
            "`manager.subdomains: false`"
        )
    zone = next((one for one in hosted_zones.public_zones(site.aws) if one.id == manager.acme_zone), None)
    if zone is None:
        raise SettingsError(_no_such("manager.acme_zone", manager.acme_zone))
    if contains(zone, manager.domain):
        return Challenge(zone.id, record)
    delegated = f"{record}.{zone.name}"
    if len(delegated) > LONGEST_NAME:
        raise SettingsError(
            f"manager.acme_zone: the name {delegated} is too long: use a zone of a shorter name"
        )
    return Challenge(zone.id, delegated)


def refuse_delegated(site: Site, zone: Zone) -> None:
    """SettingsError where a record in the domain's own zone leads the validation elsewhere: a TXT record is then not
    accepted there, or not seen.
    """
    needed = challenge(site)
    if needed is None or needed.zone_id != zone.id or not contains(zone, needed.record):
        return
    for found in hosted_zones.records(site.aws, zone, needed.record):
        if found.type in ("CNAME", "NS"):
            raise SettingsError(
                f"{needed.record} has the {found} in the hosted zone {zone}, so that the manager cannot set its TXT "
                "record: delete it there, or set `manager.acme_zone` to the zone that it leads to"
            )


@dataclass(frozen=True, slots=True)
class Needed:
    """A record that the operator has to make."""

    name: str
    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}  {self.type}  {self.value}"


def delegation(site: Site) -> Needed | None:
    """The record by which the domain delegates its validation to the zone of `manager.acme_zone`; None if it does not.

    It is the operator's, wherever the domain's records are. Raises SettingsError if no zone can hold the validation.
    """
    own, needed = f"{CHALLENGE}.{site.settings.manager.domain}", challenge(site)
    return Needed(own, "CNAME", needed.record) if needed and needed.record != own else None


def to_create(site: Site) -> list[Needed]:
    """The records that the operator has to make, for `up` does not. Raises NotBuilt before there is an address."""
    manager = site.settings.manager
    made: list[Needed] = []
    if records_zone(site) is None:
        made += [Needed(name, "A", reached_at(site.place())) for name in served(manager)]
    delegated = delegation(site)
    return [*made, delegated] if delegated else made


def _chosen(zones: Sequence[Zone], manager: Manager) -> Zone:
    for zone in zones:
        if zone.id == manager.hosted_zone:
            if contains(zone, manager.domain):
                return zone
            raise SettingsError(
                f"manager.hosted_zone: {manager.domain} does not lie in the hosted zone {zone}: set it to another, or "
                "remove it"
            )
    raise SettingsError(_no_such("manager.hosted_zone", manager.hosted_zone))


def _no_such(setting: str, zone_id: str) -> str:
    return f"{setting}: this account has no public hosted zone {zone_id}: set it to one that it has"


def _made(site: Site, place: str) -> list[tuple[str, str]]:
    """Zone and name of each record in the place's template."""
    template = if_exists(lambda: stacks.template_of(site.aws.client("cloudformation"), place))
    resources = template["Resources"].values() if template else ()
    properties = [one["Properties"] for one in resources if one["Type"] == RECORD_TYPE]
    return [(one["HostedZoneId"], one["Name"]) for one in properties]
