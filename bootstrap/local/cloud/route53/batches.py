"""What Route 53 refuses of a batch of changes. Pure.

Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html and, there, ResourceRecordTypes.
Stricter than AWS: no other characters than usual domains have, no other types than those below, no routing policies.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Key = tuple[str, str]
"""A record set's name and type."""
Values = tuple[str, ...]

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
WILDCARD = "\\052"
LONGEST_NAME, LONGEST_STRING = 255, 255
STRINGS = re.compile(r'"(?:[ -!#-\[\]-~]|\\["\\])*"(?: "(?:[ -!#-\[\]-~]|\\["\\])*")*')
ACTIONS = ("CREATE", "DELETE", "UPSERT")


@dataclass(frozen=True, slots=True)
class Held:
    """A record set's content; `ttl` in seconds."""

    ttl: int
    values: Values


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a batch."""

    action: str
    key: Key
    held: Held


def canonical(name: str) -> str:
    """A name as Route 53 keeps it: in lower case, with its final dot, a wildcard escaped."""
    return name.lower().removesuffix(".").replace("*", WILDCARD) + "."


def changed(
    zone: str, held: Mapping[Key, Held], batch: Sequence[Change]
) -> tuple[dict[Key, Held], list[str]]:
    """What the zone holds after the batch, and why it is refused; a batch is carried out whole or not at all."""
    result, refusals = dict(held), list(_wrong(zone, batch))
    for change in batch:
        there = result.get(change.key)
        if why := _unfit(change, there):
            refusals.append(why)
        if change.action == "DELETE":
            result.pop(change.key, None)
        else:
            result[change.key] = change.held
    return result, refusals + list(_conflicts(zone, result, batch))


def _wrong(zone: str, batch: Sequence[Change]) -> Iterator[str]:
    """Changes that are wrong by themselves, and two that contradict each other."""
    writes = [change.key for change in batch if change.action != "DELETE"]
    for change in batch:
        name, kind = change.key
        if change.action not in ACTIONS:
            yield f"Invalid Action {change.action}"
        if name != zone and not name.endswith(f".{zone}"):
            yield f"RRSet with DNS name {name} is not permitted in zone {zone}"
        if not _is_name(name):
            yield f"FATAL problem: UnsupportedCharacter (Value contains unsupported characters) in '{name}'"
        if (kind in ("NS", "SOA") or (kind == "CNAME" and change.action != "DELETE")) and name == zone:
            yield f"RRSet of type {kind} with DNS name {name} is not permitted at apex in zone {zone}"
        if writes.count(change.key) > 1:
            yield f"The request contains an invalid set of changes for a resource record set '{kind} {name}'"
        yield from _wrong_values(kind, change.held)


def _wrong_values(kind: str, held: Held) -> Iterator[str]:
    if kind not in VALUES:
        yield f"the local cloud has no records of type {kind}"
        return
    if (
        not held.values
        or len(set(held.values)) < len(held.values)
        or (kind == "CNAME" and len(held.values) > 1)
    ):
        yield f"Duplicate or missing Resource Record, or more than one CNAME: {', '.join(held.values)}"
    for value in held.values:
        if not VALUES[kind](value):
            yield f"Invalid Resource Record: 'FATAL problem: not a value of type {kind} encountered with '{value}''"


def _unfit(change: Change, there: Held | None) -> str:
    """Why the change does not fit what is there before it; "" if it does."""
    name, kind = change.key
    record = f"resource record set [name='{name}', type='{kind}']"
    if change.action == "CREATE" and there:
        return f"Tried to create {record} but it already exists"
    if change.action == "DELETE" and not there:
        return f"Tried to delete {record} but it was not found"
    if change.action == "DELETE" and there != change.held:
        return f"Tried to delete {record} but the values provided do not match the current values"
    return ""


def _conflicts(zone: str, result: Mapping[Key, Held], batch: Sequence[Change]) -> Iterator[str]:
    """A CNAME stands alone at its name."""
    for name in dict.fromkeys(change.key[0] for change in batch):
        kinds = sorted(kind for other, kind in result if other == name)
        if "CNAME" in kinds and len(kinds) > 1:
            yield (
                f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with "
                f"the same DNS name in zone {zone}"
            )


def _is_name(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return len(name) <= LONGEST_NAME and all(
        LABEL.fullmatch(label) or (label == WILDCARD and number == 0) for number, label in enumerate(labels)
    )


def _is_text(value: str) -> bool:
    return bool(STRINGS.fullmatch(value)) and all(
        len(part) <= LONGEST_STRING + 2 for part in value.split('" "')
    )


def _is_address(kind: type[IPv4Address] | type[IPv6Address]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            kind(value)
        except ValueError:
            return False
        return True

    return check


VALUES: Mapping[str, Callable[[str], bool]] = {
    "A": _is_address(IPv4Address),
    "AAAA": _is_address(IPv6Address),
    "CNAME": lambda value: _is_name(canonical(value)) and "*" not in value,
    "NS": lambda value: _is_name(canonical(value)) and "*" not in value,
    "TXT": _is_text,
}
"""Whether a value is one of the type."""
