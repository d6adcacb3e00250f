"""The processes of a local cloud and its instances: started with a marker, found by it, ended by their ids."""

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

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
        """Whether its process has not ended."""
        return self.process.poll() is None

    def end(self, how: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
        """End it and wait; kill it after `grace` seconds."""
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
    # The supervisor's log contains the users' passwords.
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


def end_within(process: psutil.Process, grace: float) -> bool:
    """End a process that is not a child; whether it ended within `grace` seconds, or was killed."""
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
    for mine in by_instance(state_dir).values():
        found.update((process.pid, process) for process in mine)
    end(found.values(), timedelta(seconds=GRACE))
    return len(found)


def _parts_left(state_dir: Path) -> list[psutil.Process]:
    """Parts of an earlier run of this state directory, found by the marker in their environment."""
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


INSTANCE_MARKER = "CLOUDJHUB_INSTANCE"
KILL_WAIT = 5.0


def marker(state_dir: Path, instance_id: str) -> str:
    """The value of INSTANCE_MARKER in the environment of the instance's processes."""
    return f"{state_dir}:{instance_id}"


def by_instance(state_dir: Path) -> dict[str, list[psutil.Process]]:
    """Processes of every instance of this state directory, descendants that dropped the marker included."""
    found: dict[str, dict[int, psutil.Process]] = {}
    for process, instance_id in _marked(state_dir):
        mine = found.setdefault(instance_id, {})
        mine[process.pid] = process
        with contextlib.suppress(psutil.Error):
            mine.update((child.pid, child) for child in process.children(recursive=True))
    return {instance_id: list(mine.values()) for instance_id, mine in found.items()}


def of_instance(state_dir: Path, instance_id: str) -> list[psutil.Process]:
    """All processes of one instance."""
    return by_instance(state_dir).get(instance_id, [])


def end(processes: Iterable[psutil.Process], grace: timedelta) -> bool:
    """Terminates the processes, kills those still alive after the grace period; whether all are gone."""
    ending = list(processes)
    for process in ending:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(ending, timeout=grace.total_seconds())
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=KILL_WAIT)
    return not alive


def end_instances(state_dir: Path) -> list[str]:
    """Kills what an earlier cloud on this state directory left running; ids of the instances concerned."""
    left = by_instance(state_dir)
    for processes in left.values():
        end(processes, timedelta())
    return sorted(left)


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[tuple[int, float], float]:
    """CPU time of each process so far; keyed so that a reused process id is another process."""
    times = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            spent = process.cpu_times()
            times[process.pid, process.create_time()] = spent.user + spent.system
    return times


def _marked(state_dir: Path) -> Iterator[tuple[psutil.Process, str]]:
    start = f"{INSTANCE_MARKER}={state_dir}:".encode()
    for pid in psutil.pids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(start):
                with contextlib.suppress(psutil.Error):
                    yield psutil.Process(pid), variable.removeprefix(start).decode()
                break
