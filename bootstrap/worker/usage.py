"""What a page shows of the machine's use: CPU, memory and the home's disk, each as a part of what the machine has."""

from typing import Any

import psutil

from .facts import HomeSpace, Observation
from .space import GIB


def usage_now(seen: Observation) -> dict[str, Any]:
    """The use as `usage` gives it, with the machine's memory and cores as they are at this moment."""
    memory = psutil.virtual_memory()
    return usage(seen, psutil.cpu_count() or 1, memory.total, memory.available)


def usage(seen: Observation, cores: int, memory: int, available: int) -> dict[str, Any]:
    """CPU as a share of all cores over the last half minute or so; memory and disk in bytes.

    Memory is the whole machine's, without what the kernel gives back at once: what counts when a program is killed for
    want of it. `home`: None where its file system could not be asked.
    """
    return {
        "cpu": round(min(1.0, seen.cpu_percent / 100 / cores), 3),
        "cores": cores,
        "memory": {"used": max(0, memory - available), "total": memory},
        "home": None if seen.home is None else _disk(seen.home),
    }


def _disk(home: HomeSpace) -> dict[str, int]:
    return {"used": round(max(0.0, home.size - home.free) * GIB), "total": round(home.size * GIB)}
