"""What a process has used. The standard library only: it is imported in the peers' own environments."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def metered() -> Iterator[None]:
    """Prints, as the last line, what was done used: its seconds and CPU seconds, and the process's most megabytes."""
    began, worked = time.monotonic(), time.process_time()
    yield
    used = {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - worked,
        "megabytes": peak_megabytes(),
    }
    print(json.dumps(used), flush=True)


def peak_megabytes() -> float:
    """The most memory that this program had. Not getrusage's: a child begins with what its parent had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes) / 1024
