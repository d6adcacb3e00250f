"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 600.0
"""Seconds until a wait is given up: never reached by what works, on however slow a machine."""

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str = "it", every: float = 0.05) -> T:
    """The condition's first true result; asked again every so many seconds."""
    end = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s in vain for {what}"
        time.sleep(every)
    return result
