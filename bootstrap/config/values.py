"""Readers of single values: each takes what stands in the file and returns it as its key needs it, or raises
SettingsError with the mend.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from bootstrap.config.document import Listing, Scalar, Table, Value, quoted, suggestion

T = TypeVar("T")
Reader = Callable[[Value], T]

LONGEST_TAG = 256
RANGES = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))

_WHOLE = re.compile(r"(0|[1-9][0-9]{0,14})\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?\Z")
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?\Z")
# What one reader of YAML takes for a number or a yes, and another for text.
_AMBIGUOUS = re.compile(
    r"[-+]?[0-9][0-9_]*|[-+]?[0-9._]*[0-9]e[-+]?[0-9]+|0[xob][0-9a-f_]+|y|n|yes|no|on|off", re.I
)


def scalar(value: Value) -> Scalar:
    """A value that is neither list nor table, and not empty."""
    if not isinstance(value, Scalar):
        raise value.place.wrong("must be one value, not a list or further lines below it")
    if value.is_empty:
        raise value.place.wrong("is empty: give it a value or remove the line")
    return value


def text(value: Value) -> str:
    """Any text on one line."""
    return scalar(value).text


def matching(pattern: re.Pattern[str], mend: str) -> Reader[str]:
    """A text that the whole of `pattern` matches; `mend` says how it should look."""

    def read(value: Value) -> str:
        given = scalar(value)
        if not pattern.match(given.text):
            raise given.place.wrong(f"{quoted(given.text)} is not usable: set it to {mend}")
        return given.text

    return read


def unless_empty(reader: Reader[T], default: T) -> Reader[T]:
    """The default where nothing stands after the key."""

    def read(value: Value) -> T:
        return default if isinstance(value, Scalar) and value.is_empty else reader(value)

    return read


def whole(least: int, most: int, what: str) -> Reader[int]:
    """A whole number in decimal digits."""

    def read(value: Value) -> int:
        given = scalar(value)
        if not given.is_plain or not _WHOLE.match(given.text) or not least <= int(given.text) <= most:
            raise given.place.wrong(
                f"{quoted(given.text)} is not usable: set it to {what},"
                f" a whole number from {least} to {most} without quotes"
            )
        return int(given.text)

    return read


def decimal(least: float, most: float, what: str) -> Reader[float]:
    """A number in decimal digits."""

    def read(value: Value) -> float:
        given = scalar(value)
        if not given.is_plain or not _DECIMAL.match(given.text) or not least <= float(given.text) <= most:
            raise given.place.wrong(
                f"{quoted(given.text)} is not usable: set it to {what},"
                f" a number from {least:g} to {most:g} without quotes"
            )
        return float(given.text)

    return read


def flag(value: Value) -> bool:
    """true or false."""
    given = scalar(value)
    if given.text not in ("true", "false"):
        raise given.place.wrong(f"{quoted(given.text)} is not usable: set it to true or false")
    return given.text == "true"


def duration(value: Value) -> timedelta:
    """Seconds, or a number with s, m, h or d, or several of these like 1h30m."""
    given = scalar(value)
    if _WHOLE.match(given.text) and int(given.text) < 10**9:
        return timedelta(seconds=int(given.text))
    match = _DURATION.match(given.text)
    if not match:
        raise given.place.wrong(
            f"{quoted(given.text)} is no duration: write seconds, or 90s, 15m, 1h, 2d, 1h30m"
        )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise given.place.wrong(f"{quoted(given.text)} is too long") from None


def duration_between(least: int, most: int) -> Reader[timedelta]:
    """A duration of so many seconds."""

    def read(value: Value) -> timedelta:
        found = duration(value)
        if not least <= found.total_seconds() <= most:
            raise value.place.wrong(f"must be from {least} to {most} seconds")
        return found

    return read


def one_of(kind: type[StrEnum]) -> Reader[Any]:
    """A member of an enum, by its value."""

    def read(value: Value) -> StrEnum:
        given = scalar(value)
        known = [member.value for member in kind]
        if given.text not in known:
            raise given.place.wrong(f"{quoted(given.text)} is unknown: {suggestion(given.text, known)}")
        return kind(given.text)

    return read


def listed(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list without repetition; a single value is a list of one; nothing is the empty list."""

    def read(value: Value) -> tuple[T, ...]:
        if isinstance(value, Scalar):
            return () if value.is_empty else (reader(value),)
        if isinstance(value, Table):
            raise value.place.wrong("must be a list like [first, second]")
        found = [(item, reader(item)) for item in value.items]
        seen: list[T] = []
        for item, one in found:
            if one in seen:
                raise item.place.wrong("is in the list twice: remove one")
            seen.append(one)
        return tuple(seen)

    return read


def path(directory: Path) -> Reader[Path]:
    """A file's path, relative to the settings' directory; `~` is the operator's home."""

    def read(value: Value) -> Path:
        given = scalar(value)
        # Of `./~`, which is no home, Path would make `~`.
        if not given.text.startswith("~"):
            return directory / given.text
        try:
            return Path(given.text).expanduser()
        except RuntimeError:
            raise given.place.wrong(
                f"{quoted(given.text)}: nobody has this home directory: write the path out"
            ) from None

    return read


def address_range(value: Value) -> IPv4Network:
    """A range that a VPC may have and that no other network of the internet has."""
    given = scalar(value)
    mend = "set it to a private range like 10.77.0.0/16, of size /16 to /24"
    try:
        asked = IPv4Interface(given.text)
    except ValueError:
        raise given.place.wrong(f"{quoted(given.text)} is no range of addresses: {mend}") from None
    network = asked.network
    if not 16 <= network.prefixlen <= 24 or not any(network.subnet_of(known) for known in RANGES):
        raise given.place.wrong(f"{quoted(given.text)} is not usable: {mend}")
    if asked.ip != network.network_address:
        raise given.place.wrong(f"{asked} is an address within a range: set it to {network}")
    return network


def address(value: Value) -> str:
    """An IPv4 address."""
    given = scalar(value)
    try:
        return str(IPv4Address(given.text))
    except ValueError:
        raise given.place.wrong(
            f"{quoted(given.text)} is no IPv4 address: set it to one like 10.77.0.10"
        ) from None


def tag_value(value: Value) -> str:
    """What may stand in a tag of AWS."""
    given = scalar(value)
    bad = [c for c in given.text if not (c.isalnum() or c in " +-=._:/@")]
    if bad or len(given.text) > LONGEST_TAG or given.text != given.text.strip():
        why = f"cannot have {quoted(bad[0])} in it" if bad else "is too long or has spaces around it"
        raise given.place.wrong(f"{why}: use up to {LONGEST_TAG} letters, digits, spaces and + - = . _ : / @")
    return given.text


def free(value: Value) -> Any:
    """A value whose type only its user knows: text, number, true, false, list or table, where all agree which it is."""
    if isinstance(value, Table):
        return {name: free(entry) for name, entry in value.entries.items()}
    if isinstance(value, Listing):
        return [free(item) for item in value.items]
    if not value.is_plain:
        return value.text
    if value.is_empty:
        return None
    if value.text in ("true", "false"):
        return value.text == "true"
    if _WHOLE.match(value.text) or (value.text.startswith("-") and _WHOLE.match(value.text[1:])):
        return int(value.text)
    if _DECIMAL.match(value.text):
        return float(Decimal(value.text))
    if _AMBIGUOUS.fullmatch(value.text):
        raise value.place.wrong(
            f'{value.text} could be a text or not: write "{value.text}" in quotes, true or false, or a plain number'
        )
    return value.text
