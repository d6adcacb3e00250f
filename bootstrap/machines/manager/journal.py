"""Sends the journal of the manager's units to CloudWatch Logs, from where it left off, until it is ended.

    python -m bootstrap.machines.manager.journal

Nothing is dropped: what CloudWatch does not take now is sent again, and the place in the journal is remembered only
after that. What was sent in the moment before a crash may be there twice.
"""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.machines.manager import files
from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from bootstrap.machines.manager.journal_entries import Batch, Entry, entry_of

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

log = logging.getLogger(__name__)

UNITS = "cloudjhub-*"
GATHER_FOR, LONGEST_PAUSE = 2.0, 60.0
WAITING = 10_000
"""So many entries wait in memory; the rest waits in the journal."""


class Shipper:
    """Sends batches to one log stream."""

    def __init__(self, logs: "CloudWatchLogsClient", group: str, stream: str, cursor: Path) -> None:
        self._logs = logs
        self._group = group
        self._stream = stream
        self._cursor = cursor

    def send(self, batch: Batch) -> None:
        """Send, again and again until CloudWatch has it; then remember how far we are."""
        pause = 1.0
        while not self._try(batch):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        files.write_file(self._cursor, batch.cursor, 0o600)

    def _try(self, batch: Batch) -> bool:
        try:
            answer = self._logs.put_log_events(
                logGroupName=self._group, logStreamName=self._stream, logEvents=batch.events()
            )
        except self._logs.exceptions.ResourceNotFoundException:
            self._make_stream()
            return False
        except (BotoCoreError, ClientError) as error:
            log.warning("CloudWatch Logs takes nothing now: %s", error)
            return False
        if answer.get("rejectedLogEventsInfo"):
            log.warning("CloudWatch Logs refused old entries: %s", answer["rejectedLogEventsInfo"])
        return True

    def _make_stream(self) -> None:
        try:
            self._logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        except self._logs.exceptions.ResourceAlreadyExistsException:
            return
        except (BotoCoreError, ClientError) as error:
            log.warning("the log stream %s cannot be made in %s: %s", self._stream, self._group, error)


def journalctl(cursor: str) -> list[str]:
    """The command that follows the journal after a cursor; "" for its beginning."""
    place = [f"--after-cursor={cursor}"] if cursor else ["--no-tail"]
    return ["journalctl", "--follow", "--all", "--output=json", *place, f"--unit={UNITS}"]


def batches(entries: "queue.Queue[Entry | None]", gather_for: float = GATHER_FOR) -> Iterator[Batch]:
    """What comes in, put together for at most `gather_for` seconds; ends after None."""
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
    """Run until journalctl ends, which systemd mends by starting us again."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s journal: %(message)s")
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    cursor = Path(os.environ["STATE_DIRECTORY"]) / "cursor"
    logs = boto3.client("logs", region_name=config.region)
    stream = os.uname().nodename
    shipper = Shipper(logs, config.log_group, stream, cursor)
    entries: queue.Queue[Entry | None] = queue.Queue(WAITING)
    command = journalctl(cursor.read_text() if cursor.exists() else "")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as journal:
        threading.Thread(target=_read, args=(journal, entries), daemon=True).start()
        for batch in batches(entries):
            shipper.send(batch)
    return 1


def _read(journal: "subprocess.Popen[bytes]", entries: "queue.Queue[Entry | None]") -> None:
    assert journal.stdout is not None
    for line in journal.stdout:
        for entry in entry_of(json.loads(line)):
            entries.put(entry)
    entries.put(None)


if __name__ == "__main__":
    sys.exit(main())
