"""The processes of a local cloud: started with a log and a marker, ended by their ids, found again after a crash."""

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

MARKER = "CLOUDJHUB_LOCAL"
# Instances run in a clean environment of their own; the machine room marks them with this one.
INSTANCE_MARKER = "CLOUDJHUB_INSTANCE"
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


def leftovers(state_dir: Path) -> list[psutil.Process]:
    """Processes of an earlier run of this state directory, told by the marker in their environment."""
    mine = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and _is_marked(process.environ(), state_dir):
                mine.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return mine


def _is_marked(environment: Mapping[str, str], state_dir: Path) -> bool:
    return environment.get(MARKER) == str(state_dir) or environment.get(INSTANCE_MARKER, "").startswith(
        f"{state_dir}:"
    )


def end_leftovers(state_dir: Path) -> int:
    """End what a crash left behind; how many there were."""
    found = leftovers(state_dir)
    for process in found:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(found, timeout=GRACE)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=GRACE)
    return len(found)


def _signal(process: psutil.Process, how: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(how)


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
