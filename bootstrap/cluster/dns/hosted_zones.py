"""Route 53: the account's public hosted zones, and the records in them. Names are without the final dot."""

from collections.abc import Collection
from dataclasses import dataclass

from bootstrap.aws.session import Aws

SERVES = ("A", "AAAA", "CNAME", "NS")
"""The types of records that decide where a name leads."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A public hosted zone."""

    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class Record:
    """A record set; `values` is () for an alias."""

    type: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type} record ({', '.join(self.values) or 'an alias'})"


def public_zones(aws: Aws) -> list[Zone]:
    """All of the account, by name."""
    pages = aws.client("route53").get_paginator("list_hosted_zones").paginate()
    found = [
        Zone(one["Id"].rpartition("/")[2], readable(one["Name"]))
        for page in pages
        for one in page["HostedZones"]
        if not one.get("Config", {}).get("PrivateZone")
    ]
    return sorted(found, key=lambda zone: (zone.name, zone.id))


def closest(zones: Collection[Zone], name: str) -> list[Zone]:
    """The zones with the longest name that `name` lies in; more than one where they have the same name. Pure."""
    around = [zone for zone in zones if contains(zone, name)]
    longest = max((len(zone.name) for zone in around), default=0)
    return [zone for zone in around if len(zone.name) == longest]


def contains(zone: Zone, name: str) -> bool:
    """Is it the zone's own name, or below that? Pure."""
    return name == zone.name or name.endswith(f".{zone.name}")


def records(aws: Aws, zone: Zone, name: str) -> list[Record]:
    """What decides where exactly this name of the zone leads: A, AAAA, CNAME and NS records."""
    found = aws.client("route53").list_resource_record_sets(HostedZoneId=zone.id, StartRecordName=name)
    return [
        Record(one["Type"], tuple(value["Value"] for value in one.get("ResourceRecords", [])))
        for one in found["ResourceRecordSets"]
        if readable(one["Name"]) == name and one["Type"] in SERVES
    ]


def normalized(name: str) -> str:
    r"""A name as IAM's condition keys have it: a wildcard is `\052`. Pure."""
    return name.replace("*", "\\052")


def readable(name: str) -> str:
    """A name of Route 53's as people write it. Pure."""
    return name.replace("\\052", "*").removesuffix(".")
