"""Measures inside the hub what each step of its event loop takes: CPU time of its thread, however busy the machine is.

Loaded as the hub's extra configuration, which JupyterHub reads within its running loop.
"""

import asyncio
import json
import os
import threading
import time
from pathlib import Path

SHORTEST = 0.0002
"""Seconds of CPU; shorter steps are not logged."""


def begin(file: Path) -> None:
    """Appends a line for each longer step, `{"at": epoch seconds, "cpu": seconds, "what": handle}`, from now on."""
    thread, run = threading.get_ident(), asyncio.Handle._run
    log = file.open("a", buffering=1)

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        took = time.thread_time() - began
        if took > SHORTEST and threading.get_ident() == thread:
            log.write(json.dumps({"at": time.time(), "cpu": took, "what": repr(handle)[:300]}) + "\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]


if "CLOUDJHUB_HOSTILE_STEPS" in os.environ:
    begin(Path(os.environ["CLOUDJHUB_HOSTILE_STEPS"]))
