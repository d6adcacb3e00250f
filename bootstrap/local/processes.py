"""The processes of a local cloud: started with a log and a marker, ended by their ids, found again after a crash."""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from bootstrap.local.cloud import instance_processes

logger = logging.getLogger(__name__)

MARKER = "CLOUDJHUB_LOCAL"
GRACE = 10.0


@dataclass(slots=True)
class Part:
    """A running part of the local cloud."""

    name: str
    process: subprocess.Popen[bytes]

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def end(self, how: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
        """End it and wait; after `grace` seconds without mercy."""
        if self.is_running:
            self.process.send_signal(how)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not end within %.0f s and is killed", self.name, grace)
            self.process.kill()
            self.process.wait()


def start(name: str, command: list[str], environment: Mapping[str, str], log: Path, state_dir: Path) -> Part:
    """Start a part in a session of its own, so that Ctrl-C reaches only the supervisor, which ends them in order."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # The supervisor's log tells the users' passwords.
    log.touch(mode=0o600)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**environment, MARKER: str(state_dir)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Part(name, process)


def end_patiently(process: psutil.Process, grace: float) -> bool:
    """End a process that is not a child of ours; whether it ended by itself within `grace` seconds, or was killed."""
    try:
        process.terminate()
        process.wait(grace)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        process.kill()
        return False
    return True


def end_leftovers(state_dir: Path) -> int:
    """End what a crash left behind, parts and instances; how many processes there were."""
    found = {process.pid: process for process in _parts_left(state_dir)}
    for mine in instance_processes.by_instance(state_dir).values():
        found.update((process.pid, process) for process in mine)
    instance_processes.end(found.values(), timedelta(seconds=GRACE))
    return len(found)


def _parts_left(state_dir: Path) -> list[psutil.Process]:
    """Parts of an earlier run of this state directory, told by the marker in their environment."""
    mine = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARKER) == str(state_dir):
                mine.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return mine


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
