"""The supervisor ends everything below it in bounded time and leaves no zombie, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.shared.waiting import PATIENCE

from .places import until

STUBBORN = "trap '' TERM HUP; echo $$ > {file}; while :; do sleep 1; done"


def supervised(script: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.worker.subreaper", "/bin/bash", "-c", script])


async def written(path: Path) -> psutil.Process:
    async def look() -> str:
        return path.read_text().strip() if path.exists() else ""

    return psutil.Process(int(await until(look, bool)))


async def test_what_ignores_a_polite_request_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = STUBBORN.format(file=pid_file).replace("'", "'\\''")
    process = supervised(f"setsid bash -c '{script}' & exec sleep 3600")
    stubborn = await written(pid_file)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert not stubborn.is_running()


async def test_an_orphan_is_adopted_and_collected_when_it_ends(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = supervised(f"(setsid sleep 3600 & echo $! > {pid_file}) & exec sleep 3600")
    orphan = await written(pid_file)

    async def parent() -> int:
        return orphan.ppid()

    await until(parent, lambda pid: pid == process.pid)
    orphan.kill()

    async def there() -> bool:
        return orphan.is_running()

    await until(there, lambda running: not running)
    process.terminate()
    assert process.wait(PATIENCE) == 0


AT_EACH_STEP = """
import signal, sys
from datetime import timedelta
from bootstrap.worker.server import Signals
from tests.shared.waiting import PATIENCE

signals = Signals()
signals.install()

def at_each_step(frame, event, argument):
    signal.raise_signal(signal.SIGCHLD)
    return at_each_step

sys.settrace(at_each_step)
for _ in range(3):
    signals.wait(timedelta(milliseconds=1))
"""


def test_a_signal_may_come_at_each_step_of_waiting_for_one() -> None:
    subprocess.run([sys.executable, "-c", AT_EACH_STEP], check=True, timeout=PATIENCE)
