"""Entries of the journal as CloudWatch Logs takes them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

# PutLogEvents' own limits; each event counts 26 bytes beside its text.
BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, OVERHEAD = 1_048_576, 10_000, 262_144, 26
BATCH_SPAN = 23 * 60 * 60 * 1000
"""Milliseconds; a batch may span a day."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line; `at` in milliseconds since the epoch, `cursor` its place in the journal."""

    at: int
    text: str
    cursor: str

    @property
    def size(self) -> int:
        """Bytes, as CloudWatch counts."""
        return len(self.text.encode()) + OVERHEAD


def entry_of(line: Mapping[str, Any]) -> Iterator[Entry]:
    """What a line of `journalctl --output=json` says; several entries where it is longer than CloudWatch takes."""
    who = str(line.get("UNIT") or line.get("_SYSTEMD_UNIT") or line.get("SYSLOG_IDENTIFIER") or "manager")
    at, cursor = int(line["__REALTIME_TIMESTAMP"]) // 1000, str(line["__CURSOR"])
    text = f"{who.removesuffix('.service')}: {_message(line.get('MESSAGE'))}"
    for part in _parts(text):
        yield Entry(at, part, cursor)


@dataclass(slots=True)
class Batch:
    """Entries that go in one call."""

    entries: list[Entry] = field(default_factory=list)
    size: int = 0

    def takes(self, entry: Entry) -> bool:
        """Is there room for it?"""
        if not self.entries:
            return True
        times = [self.entries[0].at, self.entries[-1].at, entry.at]
        return (
            self.size + entry.size <= BATCH_BYTES
            and len(self.entries) < BATCH_EVENTS
            and max(times) - min(times) < BATCH_SPAN
        )

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.size += entry.size

    @property
    def cursor(self) -> str:
        """Where the journal goes on after this batch."""
        return self.entries[-1].cursor

    def events(self) -> "list[InputLogEventTypeDef]":
        """In the order of their times, which CloudWatch insists on; a clock that was set may have gone back."""
        ordered = sorted(self.entries, key=lambda entry: entry.at)
        return [{"timestamp": entry.at, "message": entry.text} for entry in ordered]


def _message(value: Any) -> str:
    """journalctl gives bytes that are no text as a list of numbers, and a field that is twice there as a list."""
    if isinstance(value, list):
        if all(isinstance(one, int) for one in value):
            return bytes(value).decode(errors="replace")
        return " ".join(map(_message, value))
    return "" if value is None else str(value)


def _parts(text: str) -> Iterator[str]:
    content = text.encode()
    limit = EVENT_BYTES - OVERHEAD
    while len(content) > limit:
        cut = limit
        while content[cut] & 0xC0 == 0x80:  # not within a character
            cut -= 1
        yield content[:cut].decode()
        content = content[cut:]
    yield content.decode()
