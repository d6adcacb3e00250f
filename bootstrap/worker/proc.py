"""Reads Linux's ``/proc``: what each process is, and where a sleeping one sleeps (proc(5)).

Every read is counted, so that a check of a machine with thousands of processes can be bounded. Each method raises
OSError for a process that has ended, or that may not be read: other users' processes, and with Yama's ``ptrace_scope``
of 1 also one's own that are not below this process.
"""

import os
import platform
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

TICK = timedelta(seconds=1) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process.

    ``state``: its letter by proc(5). ``group``: its process group. ``terminal``: number of its controlling terminal's
    device, 0 for none. ``foreground``: the group that this terminal's keys go to. ``cpu``: what it used itself;
    ``children_cpu``: what its ended children used. ``started``: ticks since the machine's start, which tell it from an
    earlier process with the same pid.
    """

    pid: int
    parent: int
    name: str
    arguments: tuple[str, ...] = ()
    state: str = "S"
    group: int = 0
    terminal: int = 0
    foreground: int = 0
    threads: int = 1
    cpu: timedelta = timedelta(0)
    children_cpu: timedelta = timedelta(0)
    started: int = 0

    @property
    def sleeps(self) -> bool:
        """Whether it waits for something, which is not a disk."""
        return self.state == "S"

    @property
    def stopped(self) -> bool:
        """Whether it is suspended, by its user or a debugger."""
        return self.state in "Tt"

    @property
    def has_ended(self) -> bool:
        """Whether only its parent still has to take note of its end."""
        return self.state in "ZX"


class Tree:
    """Processes by pid and by parent."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self.processes = {process.pid: process for process in processes}
        self._children: dict[int, list[Process]] = {}
        for process in self.processes.values():
            self._children.setdefault(process.parent, []).append(process)

    def children(self, pid: int) -> Sequence[Process]:
        """The direct children of a process."""
        return self._children.get(pid, ())

    def below(self, pid: int) -> list[Process]:
        """All descendants, nearest first."""
        found = list(self.children(pid))
        for process in found:  # grows meanwhile
            found.extend(self.children(process.pid))
        return found

    def whole(self, pid: int) -> list[Process]:
        """A process, unless it is unknown, and all its descendants, nearest first."""
        return [*([self.processes[pid]] if pid in self.processes else []), *self.below(pid)]


class TooManyReads(OSError):
    """A check would read more than it may."""


class Proc:
    """One machine's ``/proc``. Raises TooManyReads beyond the limit.

    ``machine``: the processor's name by uname, which decides the numbers of system calls.
    """

    def __init__(
        self, root: Path = Path("/proc"), machine: str | None = None, limit: int | None = None
    ) -> None:
        self._root = str(root)
        self.machine = machine or platform.machine()
        self._limit = limit
        self.reads = 0

    def pids(self) -> list[int]:
        """All processes of the machine."""
        return [int(name) for name in self._list() if name.isdecimal()]

    def stat(self, pid: int) -> Process:
        """What the process is, by ``/proc/PID/stat``: without its arguments."""
        text = self._read(str(pid), "stat").decode(errors="replace")
        # The name may contain anything, parentheses and line ends too.
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        number = [0, *map(int, fields[1:])]
        return Process(
            pid=pid,
            name=name,
            state=fields[0],
            parent=number[1],
            group=number[2],
            terminal=number[4],
            foreground=number[5],
            cpu=TICK * (number[11] + number[12]),
            children_cpu=TICK * (number[13] + number[14]),
            threads=number[17],
            started=number[19],
        )

    def arguments(self, pid: int) -> tuple[str, ...]:
        """Its command line."""
        text = self._read(str(pid), "cmdline").decode(errors="replace").rstrip("\0")
        # Some programs write a title of their own over it: one text with spaces.
        return tuple(text.split("\0" if "\0" in text else " ")) if text else ()

    def threads(self, pid: int) -> list[int]:
        """Its threads' numbers; the main thread's is the process's."""
        return [int(name) for name in self._list(str(pid), "task")]

    def system_call(self, pid: int, thread: int) -> tuple[int, Sequence[int]] | None:
        """Number and six arguments of the system call that the thread sleeps in; None if it runs.

        The number is -1 if it sleeps without having called the kernel, at a page fault for example.
        """
        words = self._read(str(pid), "task", str(thread), "syscall").split()
        if words == [b"running"]:
            return None
        return int(words[0]), [int(word, 16) for word in words[1:7]]

    def memory(self, pid: int, address: int, size: int) -> bytes:
        """A piece of its memory."""
        self._count()
        with open(f"{self._root}/{pid}/mem", "rb", buffering=0) as file:
            file.seek(address)
            read = file.read(size)
        if len(read) != size:
            raise OSError(f"process {pid} has no {size} bytes at {address:#x}")
        return read

    def link(self, pid: int, descriptor: int) -> str:
        """What one of its file descriptors is, as ``/dev/pts/3`` or ``pipe:[4711]``."""
        self._count()
        return os.readlink(f"{self._root}/{pid}/fd/{descriptor}")

    def descriptors(self, pid: int, at_most: int) -> Mapping[int, str]:
        """All its file descriptors. Raises OSError also if there are more than ``at_most``."""
        numbers = self._list(str(pid), "fd")
        if len(numbers) > at_most:
            raise OSError(f"process {pid} has {len(numbers)} open files")
        return {int(number): self.link(pid, int(number)) for number in numbers}

    def writes(self, pid: int, descriptor: int) -> bool:
        """Whether the descriptor is open for writing."""
        lines = self._read(str(pid), "fdinfo", str(descriptor)).splitlines()
        flags = next((int(line.split()[1], 8) for line in lines if line.startswith(b"flags:")), os.O_RDONLY)
        return flags & os.O_ACCMODE != os.O_RDONLY

    def watched(self, pid: int, descriptor: int) -> list[tuple[int, int]]:
        """File descriptors that an epoll descriptor watches, each with its events."""
        lines = self._read(str(pid), "fdinfo", str(descriptor)).decode(errors="replace").splitlines()
        entries = [line.split() for line in lines if line.startswith("tfd:")]
        return [(int(words[1]), int(words[3], 16)) for words in entries]

    def _count(self) -> None:
        if self._limit is not None and self.reads >= self._limit:
            raise TooManyReads(f"more than {self._limit} reads")
        self.reads += 1

    def _read(self, *path: str) -> bytes:
        self._count()
        with open("/".join((self._root, *path)), "rb", buffering=0) as file:
            return file.readall()

    def _list(self, *path: str) -> list[str]:
        self._count()
        return os.listdir("/".join((self._root, *path)))


NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR = 2
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
UDIAG_SHOW_PEER = 4
UNIX_DIAG_PEER = 2
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBHIIIII")
MESSAGE = struct.Struct("=BBBxIII")
ATTRIBUTE = struct.Struct("=HH")


def unix_peers() -> Mapping[int, int]:
    """The inode at the other end of each Unix socket of the machine, 0 where there is none (sock_diag(7)).

    Raises OSError, also where the kernel cannot say.
    """
    ask = REQUEST.pack(socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, UDIAG_SHOW_PEER, 0xFFFFFFFF, 0xFFFFFFFF)
    return dict(map(_unix_socket, sockets(ask)))


def _unix_socket(message: bytes) -> tuple[int, int]:
    """Inode and peer of one socket."""
    inode = int(MESSAGE.unpack_from(message)[3])
    return inode, int.from_bytes(attribute(message[MESSAGE.size :], UNIX_DIAG_PEER), "little")


def sockets(ask: bytes) -> Iterator[bytes]:
    """The kernel's message of each socket that a request of sock_diag(7) asks for. Raises OSError if it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(1)
        link.send(HEADER.pack(HEADER.size + len(ask), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + ask)
        while True:
            messages = link.recv(1 << 20)
            while messages:
                length, kind, *_ = HEADER.unpack_from(messages)
                if kind == NLMSG_ERROR:
                    raise OSError("the kernel has no list of these sockets")
                if kind != SOCK_DIAG_BY_FAMILY:
                    return
                yield messages[HEADER.size : length]
                messages = messages[_aligned(length) :]


def attribute(attributes: bytes, wanted: int) -> bytes:
    """The value of one of a message's attributes; empty if it has none of that kind."""
    while len(attributes) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(attributes)
        if kind == wanted:
            return attributes[ATTRIBUTE.size : length]
        attributes = attributes[max(_aligned(length), ATTRIBUTE.size) :]
    return b""


def _aligned(length: int) -> int:
    """The length with netlink's padding."""
    return (length + 3) & ~3


@cache
def terminal_path(device: int) -> str | None:
    """The path of a pseudo-terminal, from the number of its device; None for another device."""
    major, minor = (device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xFFF00)
    return f"/dev/pts/{minor}" if major == 136 else None
