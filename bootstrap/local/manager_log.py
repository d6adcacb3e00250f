"""What the services of a local manager say: on its console, and by the manager's own means in its log group.

On AWS systemd's journal takes their output, and journal.py sends it on. No journal is here: a pipe stands in for it,
and what the pipe gives goes the way of the journal's entries.
"""

import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3

from bootstrap.local.machine import Machine
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.journal import WAITING, Entry, Shipper, batches, entry_of

CURSOR = Path("/var/lib/cloudjhub-journal/cursor")
LAST_WORDS = 3.0
"""Seconds for what is not sent yet when the machine ends."""


class ManagerLog:
    """Takes what services write, until it is closed."""

    def __init__(self, shipper: Shipper) -> None:
        self._entries: queue.Queue[Entry | None] = queue.Queue(WAITING)
        self._sender = threading.Thread(target=self._send, args=(shipper,), daemon=True)
        self._sender.start()

    def take(self, unit: str, process: "subprocess.Popen[bytes]") -> threading.Thread:
        """Read a service's output from now on; the thread ends with the output."""
        reader = threading.Thread(target=self._read, args=(unit, process), daemon=True)
        reader.start()
        return reader

    def close(self) -> None:
        """Send what is there, as far as that goes in a moment."""
        self._entries.put(None)
        self._sender.join(LAST_WORDS)

    def _read(self, unit: str, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
                for entry in entry_of(_as_journal(unit, line)):
                    self._entries.put(entry)

    def _send(self, shipper: Shipper) -> None:
        for batch in batches(self._entries):
            shipper.send(batch)


def manager_log(machine: Machine, config: ManagerConfig) -> ManagerLog:
    """The log of this machine, in a stream that is named like a manager's on AWS: for its host."""
    logs = boto3.client("logs", region_name=config.region)
    host = f"ip-{machine.address.replace('.', '-')}"
    return ManagerLog(Shipper(logs, config.log_group, host, machine.path(str(CURSOR))))


def _as_journal(unit: str, line: bytes) -> dict[str, object]:
    """A line as `journalctl --output=json` tells it; there is no place to go on from."""
    return {
        "_SYSTEMD_UNIT": unit,
        "__REALTIME_TIMESTAMP": str(time.time_ns() // 1000),
        "__CURSOR": "",
        "MESSAGE": line.decode(errors="replace").rstrip("\n"),
    }
