"""Processes of the local cloud: ended in order where they can, without mercy where they cannot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bootstrap.local import processes
from tests.shared.waiting import PATIENCE

OBEYS = "import time; print('ready', flush=True); time.sleep(600)"
IGNORES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEYS}"


@contextmanager
def running(code: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(("code", "in_order"), [(OBEYS, True), (IGNORES, False)])
def test_a_process_is_given_time_and_then_killed(code: str, in_order: bool) -> None:
    with running(code) as process:
        grace = 30 if in_order else 0.2
        assert processes.end_within(psutil.Process(process.pid), grace) is in_order
        process.wait(PATIENCE)


def test_a_process_that_is_gone_has_ended() -> None:
    with running(OBEYS) as process:
        known = psutil.Process(process.pid)
        process.kill()
        process.wait()
        assert processes.end_within(known, 1)


def test_leftovers_are_the_parts_and_instances_of_this_state_directory_only(tmp_path: Path) -> None:
    part = {processes.MARKER: str(tmp_path)}
    instance = {processes.INSTANCE_MARKER: processes.marker(tmp_path, "i-1")}
    stranger = {processes.MARKER: f"{tmp_path}-other"}
    with (
        running(OBEYS, **part) as one,
        running(OBEYS, **instance) as two,
        running(OBEYS, **stranger) as other,
    ):
        assert processes.end_leftovers(tmp_path) == 2
        assert None not in (one.poll(), two.poll())
        assert other.poll() is None
        assert processes.end_leftovers(tmp_path) == 0
