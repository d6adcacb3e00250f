"""Sends the journal of the manager's units to CloudWatch Logs, the audit log's lines to a group of their own.

Runs until it is ended.

    python -m bootstrap.machines.manager.journal

What CloudWatch does not accept now is sent again, and the position in the journal is saved only after that. Entries
sent just before a crash may appear twice. Of a unit that logs more than MOST_BYTES in a minute, the rest is left out
and counted: CloudWatch bills by the byte, and strangers' requests are logged. The audit log is sent whole.
"""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.machines.manager import system
from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from hub.audit.event import IDENTIFIER
from lifecycle_app.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

log = logging.getLogger(__name__)

UNITS = "cloudjhub-*"
AUDITED = "cloudjhub-hub.service"
GATHER_FOR, LONGEST_PAUSE = 2.0, 60.0
WAITING = 10_000
"""Entries that wait in memory; more wait in the journal."""

# Limits of PutLogEvents; each event counts 26 bytes in addition to its text.
BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, OVERHEAD = 1_048_576, 10_000, 262_144, 26
MOST_BYTES = 4 * 1_048_576
"""Of a unit in a minute: a thousand users who log in within it cause half of that."""
BATCH_SPAN = 23 * 60 * 60 * 1000
"""Milliseconds; a batch may span a day."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line; `at` in milliseconds since the epoch, `cursor` its position in the journal."""

    at: int
    text: str
    cursor: str
    is_audit: bool = False

    @property
    def size(self) -> int:
        """Bytes, as CloudWatch counts."""
        return len(self.text.encode()) + OVERHEAD


def entry_of(line: Mapping[str, Any]) -> Iterator[Entry]:
    """The entry in a line of `journalctl --output=json`; several where it is longer than CloudWatch accepts."""
    who = str(line.get("UNIT") or line.get("_SYSTEMD_UNIT") or line.get("SYSLOG_IDENTIFIER") or "manager")
    at, cursor = int(line["__REALTIME_TIMESTAMP"]) // 1000, str(line["__CURSOR"])
    # The journal itself names the unit, and the hub's output cannot have this identifier.
    if line.get("SYSLOG_IDENTIFIER") == IDENTIFIER and line.get("_SYSTEMD_UNIT") == AUDITED:
        yield Entry(at, _message(line.get("MESSAGE")), cursor, is_audit=True)
        return
    text = printable(f"{who.removesuffix('.service')}: {_message(line.get('MESSAGE'))}")
    for part in _parts(text):
        yield Entry(at, part, cursor)


class Allowance:
    """Bounds what each unit sends in a minute; the journal on the manager's disk has all of it."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._minute = 0
        self._used: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def allowed(self, entry: Entry) -> Iterator[Entry]:
        """The entry, if it is to be sent; before it, how many were left out in the minute that has ended."""
        minute, unit = entry.at // 60_000, entry.text.partition(":")[0]
        if minute != self._minute:
            for name, count in self._left_out.items():
                yield Entry(
                    entry.at,
                    f"{name}: too many lines: {count} more are in the manager's journal",
                    entry.cursor,
                )
            self._minute, self._used, self._left_out = minute, Counter(), Counter()
        if not entry.is_audit:
            self._used[unit] += entry.size
        if entry.is_audit or self._used[unit] <= self._most:
            yield entry
        else:
            self._left_out[unit] += 1


@dataclass(slots=True)
class Batch:
    """Entries that are sent in one call."""

    entries: list[Entry] = field(default_factory=list)
    size: int = 0

    def takes(self, entry: Entry) -> bool:
        """Does the entry fit?"""
        if not self.entries:
            return True
        times = [self.entries[0].at, self.entries[-1].at, entry.at]
        return (
            self.size + entry.size <= BATCH_BYTES
            and len(self.entries) < BATCH_EVENTS
            and max(times) - min(times) < BATCH_SPAN
        )

    def add(self, entry: Entry) -> None:
        """Add an entry that fits."""
        self.entries.append(entry)
        self.size += entry.size

    @property
    def cursor(self) -> str:
        """The position in the journal after this batch."""
        return self.entries[-1].cursor

    def events(self, *, of_audit: bool = False) -> "list[InputLogEventTypeDef]":
        """Those for one of the two groups, in the order of their times, as CloudWatch requires; a clock that was set
        may have gone back.
        """
        wanted = [entry for entry in self.entries if entry.is_audit == of_audit]
        ordered = sorted(wanted, key=lambda entry: entry.at)
        return [{"timestamp": entry.at, "message": entry.text} for entry in ordered]


def _message(value: Any) -> str:
    """journalctl gives bytes that are not text as a list of numbers, and a field that occurs twice as a list."""
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


class Shipper:
    """Sends batches to the log streams of this name in the two groups."""

    def __init__(
        self, logs: "CloudWatchLogsClient", group: str, audit_group: str, stream: str, cursor: Path
    ) -> None:
        self._logs = logs
        self._groups = {False: group, True: audit_group}
        self._stream = stream
        self._cursor = cursor

    def send(self, batch: Batch) -> None:
        """Send until CloudWatch accepts it, with growing pauses; then save the position in the journal."""
        for of_audit, group in self._groups.items():
            pause, events = 1.0, batch.events(of_audit=of_audit)
            while events and not self._try(group, events):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        system.write_file(self._cursor, batch.cursor, 0o600)

    def _try(self, group: str, events: "list[InputLogEventTypeDef]") -> bool:
        try:
            answer = self._logs.put_log_events(
                logGroupName=group, logStreamName=self._stream, logEvents=events
            )
        except self._logs.exceptions.ResourceNotFoundException:
            self._create_stream(group)
            return False
        except (BotoCoreError, ClientError) as error:
            log.warning("CloudWatch Logs does not accept entries now: %s", error)
            return False
        if answer.get("rejectedLogEventsInfo"):
            log.warning("CloudWatch Logs refused old entries: %s", answer["rejectedLogEventsInfo"])
        return True

    def _create_stream(self, group: str) -> None:
        try:
            self._logs.create_log_stream(logGroupName=group, logStreamName=self._stream)
        except self._logs.exceptions.ResourceAlreadyExistsException:
            return
        except (BotoCoreError, ClientError) as error:
            log.warning("the log stream %s cannot be created in %s: %s", self._stream, group, error)


def journalctl(cursor: str) -> list[str]:
    """The command that follows the journal from a cursor on; "" for the whole journal."""
    place = [f"--after-cursor={cursor}"] if cursor else ["--no-tail"]
    return ["journalctl", "--follow", "--all", "--output=json", *place, f"--unit={UNITS}"]


def batches(entries: "queue.Queue[Entry | None]", gather_for: float = GATHER_FOR) -> Iterator[Batch]:
    """Incoming entries, batched for at most `gather_for` seconds; ends after None."""
    entry = entries.get()
    while entry is not None:
        batch, end = Batch(), time.monotonic() + gather_for
        while entry is not None and batch.takes(entry):
            batch.add(entry)
            try:
                entry = entries.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
        else:
            yield batch
            continue
        yield batch
        entry = entries.get()


def main() -> int:
    """Run until journalctl ends; then systemd restarts this program."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s journal: %(message)s")
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    cursor = Path(os.environ["STATE_DIRECTORY"]) / "cursor"
    logs = boto3.client("logs", region_name=config.region)
    stream = os.uname().nodename
    shipper = Shipper(logs, config.log_group, config.audit_group, stream, cursor)
    entries: queue.Queue[Entry | None] = queue.Queue(WAITING)
    command = journalctl(cursor.read_text() if cursor.exists() else "")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as journal:
        threading.Thread(target=_read, args=(journal, entries), daemon=True).start()
        for batch in batches(entries):
            shipper.send(batch)
    return 1


def _read(journal: "subprocess.Popen[bytes]", entries: "queue.Queue[Entry | None]") -> None:
    assert journal.stdout is not None
    allowance = Allowance()
    for line in journal.stdout:
        for found in entry_of(json.loads(line)):
            for entry in allowance.allowed(found):
                entries.put(entry)
    entries.put(None)


if __name__ == "__main__":
    sys.exit(main())
