"""What Linux counts for the whole machine: bytes of its network and disks, the use of its GPUs, sessions' keyboards.

Only for a machine that is one user's alone: in the local cloud, several share one kernel. What cannot be read is 0.
"""

import ctypes
import os
import re
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .proc import attribute, sockets

DISK = re.compile(r"(?:nvme\d+n\d+|xvd[a-z]+|[sv]d[a-z]+)\Z")
"""Whole disks: partitions would count twice."""
SECTOR = 512
LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Counters:
    """Bytes since the machine's start. The server's own traffic, with browsers, is that of its open connections."""

    received: int = 0
    sent: int = 0
    disk: int = 0
    served: tuple[tuple[int, int, int], ...] = ()
    """Of each connection of the server: a number of its own, bytes received and sent."""


def read_counters(port: int, proc: Path = Path("/proc"), net: Path = Path("/sys/class/net")) -> Counters:
    """The counters now. `port`: the server's."""
    received, sent = network_bytes(_text(proc / "net/dev"), lambda name: (net / name / "device").exists())
    return Counters(received, sent, disk_bytes(_text(proc / "diskstats")), tuple(connections(port)))


def network_bytes(table: str, is_device: Callable[[str], bool]) -> tuple[int, int]:
    """Bytes received and sent by real devices, of /proc/net/dev: bridges and containers' own links count twice."""
    received = sent = 0
    for line in table.splitlines():
        name, colon, rest = line.partition(":")
        fields = rest.split()
        if colon and len(fields) > 8 and is_device(name.strip()):
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def disk_bytes(table: str) -> int:
    """Bytes read and written by disks, of /proc/diskstats."""
    lines = (line.split() for line in table.splitlines())
    return sum(
        SECTOR * (int(fields[5]) + int(fields[9]))
        for fields in lines
        if len(fields) > 9 and DISK.match(fields[2])
    )


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST_FILE)
    except OSError:
        return ""


# struct inet_diag_req_v2 with the socket's states; struct inet_diag_msg; in its struct tcp_info the bytes acknowledged
# and received (include/uapi/linux/inet_diag.h and tcp.h).
REQUEST = struct.Struct("=BBBBI48x")
MESSAGE = struct.Struct("=4xHH44x16xI")
PORTS = struct.Struct("!HH")
TCP_INFO = 2
ESTABLISHED = 1 << 1
BYTES = struct.Struct("=QQ")
BYTES_AT = 120


def connections(port: int) -> list[tuple[int, int, int]]:
    """Inode, bytes received and bytes sent of each TCP connection that came to this port of the machine."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, struct.error):
            found += [one for message in sockets(_asked(family)) if (one := _connection(message, port))]
    return found


def _asked(family: int) -> bytes:
    return REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (TCP_INFO - 1), 0, ESTABLISHED)


def _connection(message: bytes, port: int) -> tuple[int, int, int] | None:
    source, _ = PORTS.unpack_from(message, 4)
    if source != port or not (info := attribute(message[MESSAGE.size :], TCP_INFO)):
        return None
    acknowledged, received = BYTES.unpack_from(info, BYTES_AT)
    return int(MESSAGE.unpack_from(message)[2]), received, acknowledged


def last_key(terminals: Iterable[str], modified: Callable[[str], float] | None = None) -> datetime | None:
    """When a program last read a key in one of these terminals. Linux notes it there, every 8 seconds."""
    read = modified or (lambda path: os.stat(path).st_atime)
    times = []
    for path in terminals:
        with suppress(OSError):
            times.append(read(path))
    return datetime.fromtimestamp(max(times), UTC) if times else None


class Utilization(ctypes.Structure):
    """nvmlUtilization_t: percent of the last second in which a program ran on the GPU, and used its memory."""

    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class Gpus:
    """NVIDIA's GPUs, by the library of their driver (NVML); none where there is no driver."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._library: Any = None
        self._handles: list[Any] | None = None

    def percent(self) -> float:
        """The use of the busiest one; 0 without any."""
        if self._handles is None:
            self._handles = self._found()
        used = Utilization()
        percents = [
            used.gpu
            for handle in self._handles
            if not self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(used))
        ]
        return float(max(percents, default=0))

    def _found(self) -> list[Any]:
        try:
            self._library = self._load("libnvidia-ml.so.1")
        except OSError:
            return []
        count, handles = ctypes.c_uint(), []
        if self._library.nvmlInit_v2() or self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return []
        for index in range(count.value):
            handle = ctypes.c_void_p()
            if not self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
                handles.append(handle)
        return handles
