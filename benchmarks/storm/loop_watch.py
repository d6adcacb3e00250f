"""Measures from inside the hub how long its event loop is blocked, and what blocks it.

Loaded as the hub's extra configuration (`hub_extra.py`), which JupyterHub reads within its running loop.
"""

import asyncio
import gc
import json
import sys
import threading
import time
import traceback
from pathlib import Path

TICK = 0.01
BLOCKED = 0.1
"""Seconds without a tick that are logged."""


class LoopWatch:
    """A tick in the loop, and a thread that samples the stack when ticks are late."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ticked = time.monotonic()
        self._stack: list[str] = []
        self._thread = threading.get_ident()
        self._steps: list[dict[str, object]] = []
        self._collecting = 0.0
        """Seconds of garbage collection in the present step."""

    def begin(self) -> None:
        """From now on."""
        self._time_steps()
        self._time_collections()
        self._tick_task = asyncio.get_running_loop().create_task(self._tick())
        threading.Thread(target=self._sample, daemon=True, name="loop watch").start()

    def _time_steps(self) -> None:
        """Times each step of the loop alone, independent of how many were ready."""
        run = asyncio.Handle._run
        watch = self

        def timed(handle: asyncio.Handle) -> None:
            began, watch._collecting = time.monotonic(), 0.0
            run(handle)
            took = time.monotonic() - began
            if took > BLOCKED and threading.get_ident() == watch._thread:
                garbage = watch._collecting
                watch._steps.append(
                    {"at": time.time(), "step": took, "garbage": garbage, "stack": watch._stack}
                )

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]

    def _time_collections(self) -> None:
        began = 0.0

        def note(phase: str, _: object) -> None:
            nonlocal began
            if phase == "start":
                began = time.monotonic()
            else:
                self._collecting += time.monotonic() - began

        gc.callbacks.append(note)

    async def _tick(self) -> None:
        with self._file.open("a", buffering=1) as file:
            file.write(json.dumps({"began": time.time()}) + "\n")
            cpu = time.thread_time()
            while True:
                await asyncio.sleep(TICK)
                now, spent = time.monotonic(), time.thread_time()
                gap = now - self._ticked - TICK
                if gap > BLOCKED:
                    # Without CPU time the loop waited for a core, or for the interpreter's lock.
                    entry = {"at": time.time(), "gap": gap, "cpu": spent - cpu, "stack": self._stack}
                    file.write(json.dumps(entry) + "\n")
                for step in self._steps:
                    file.write(json.dumps(step) + "\n")
                self._steps.clear()
                self._ticked, cpu, self._stack = now, spent, []

    def _sample(self) -> None:
        while True:
            time.sleep(BLOCKED / 4)
            late = time.monotonic() - self._ticked - TICK
            if late > BLOCKED / 2 and not self._stack:
                frame = sys._current_frames().get(self._thread)
                self._stack = [
                    f"{one.filename.rpartition('site-packages/')[2]}:{one.lineno} {one.name}"
                    for one in traceback.extract_stack(frame)
                    if "sqlalchemy" not in one.filename
                ][-12:]
