"""The processes of instances, found by the marker that all of them inherit."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil

INSTANCE_MARKER = "CLOUDJHUB_INSTANCE"
KILL_WAIT = 5.0


def marker(state_dir: Path, instance_id: str) -> str:
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
    return by_instance(state_dir).get(instance_id, [])


def end(processes: Iterable[psutil.Process], grace: timedelta) -> bool:
    """Asks the processes to end, kills those that have not after the grace; whether all are gone."""
    asked = list(processes)
    for process in asked:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(asked, timeout=grace.total_seconds())
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
