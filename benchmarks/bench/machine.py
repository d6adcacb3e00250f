"""What the measurements were made on."""

import os
import platform
from pathlib import Path

import psutil


def description() -> str:
    """Cores, processor, memory, system and Python, in one sentence."""
    gigabytes = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({_processor()}), {gigabytes:.0f} GB of memory, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def load() -> float:
    """The load average of the last minute: what else the machine does."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
