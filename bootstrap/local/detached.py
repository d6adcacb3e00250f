"""A local cloud in the background: started and waited for, and ended."""

import os
import sys
from pathlib import Path

from bootstrap.aws.waiting import polls
from bootstrap.config.values import duration_text
from bootstrap.errors import StepFailed
from bootstrap.local import processes, status
from bootstrap.local.settings import LocalSettings
from bootstrap.local.supervisor import ENDS_WITHIN, refuse_second, running_file, running_supervisor

READY_WITHIN = 180.0


def start(settings: LocalSettings) -> None:
    """Start one, and return when it is ready. Raises AlreadyRunning, StepFailed; then and at Ctrl-C nothing is left."""
    refuse_second(settings.state_dir)
    options = ["--state-dir", str(settings.state_dir), "--port", str(settings.port), "--no-browser"]
    options += ["--idle-timeout", duration_text(settings.idle_timeout)]
    options += ["--boot-time", duration_text(settings.boot_time)]
    options += ["--stop-time", duration_text(settings.stop_time)]
    options += [] if settings.with_cluster else ["--empty"]
    for name, value in settings.policy:
        options += ["--policy", f"{name}={value}"]
    log = settings.state_dir / "up.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bootstrap", "local", "up", *options]
    started = processes.start("supervisor", command, os.environ, log, settings.state_dir)
    try:
        _await_ready(settings.state_dir, started, log)
    except BaseException:  # Ctrl-C too: whoever stops waiting does not want it to keep starting
        started.end(grace=ENDS_WITHIN)
        raise


def _await_ready(state_dir: Path, started: processes.Part, log: Path) -> None:
    for _ in polls(READY_WITHIN, every=0.1):
        if status.is_ready(state_dir):
            return
        if not started.is_running:
            raise StepFailed(
                processes.tail(log).rpartition("cloudjhub: ")[2] or f"it did not start, see {log}"
            )
    raise StepFailed(f"it was not ready within {READY_WITHIN:.0f} s, see {log}")


def end(state_dir: Path) -> str:
    """Stop the one of this directory, or clean up after a crash; what was done, as a line. Files are kept."""
    supervisor = running_supervisor(state_dir)
    in_order = supervisor is not None and processes.end_within(supervisor, ENDS_WITHIN)
    left = processes.end_leftovers(state_dir)
    running_file(state_dir).unlink(missing_ok=True)
    if supervisor is not None and not in_order:
        late = f"did not stop within {ENDS_WITHIN:.0f} s and was killed"
        return f"the local cloud in {state_dir} {late}; its files are kept"
    if supervisor is not None:
        return f"the local cloud in {state_dir} has stopped; its files are kept"
    if left:
        return f"ended {left} processes left by a crash"
    return f"no local cloud runs in {state_dir}"
