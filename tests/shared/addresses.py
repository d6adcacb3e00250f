"""Loopback addresses, and who may use which."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tests.shared.waiting import PATIENCE

LOOPBACK = "127.0.0.1"
LOOK_EVERY = 0.5


@contextmanager
def reserved(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Held by one process of this user at a time, other runs of the tests included: `what` goes into a file's name.

    Raises AssertionError, with the process that holds it, after so many seconds.
    """
    path = Path(tempfile.gettempdir()) / f"cloudjhub-tests-{os.getuid()}-{what}.lock"
    with path.open("a+") as lock:
        end = time.monotonic() + patience
        while not _locked(lock):
            if time.monotonic() > end:
                lock.seek(0)
                raise AssertionError(
                    f"process {lock.read()} has held {path} for {patience:.0f} s: end that process and what it "
                    "started, then run the tests again"
                )
            time.sleep(LOOK_EVERY)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_port(address: str = LOOPBACK) -> int:
    """A port that no process uses there."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
