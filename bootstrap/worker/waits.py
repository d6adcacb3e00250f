"""What a sleeping program waits for: a key of its terminal, another program of its own job, or something else.

A program that only a person or its own relatives can wake does nothing until then. The rest counts: what waits for time
to pass, the network, a disk, or anything that cannot be read or is not understood.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from .facts import Awaited
from .proc import Proc, Process, TooManyReads, Tree, terminal_path, unix_peers

OTHER = frozenset({Awaited.OTHER})

# Numbers of system calls by processor: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
CALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        0: "read",
        1: "write",
        7: "poll",
        19: "readv",
        20: "writev",
        23: "select",
        61: "wait4",
        128: "rt_sigtimedwait",
        130: "rt_sigsuspend",
        202: "futex",
        232: "epoll_wait",
        247: "waitid",
        270: "pselect6",
        271: "ppoll",
        281: "epoll_pwait",
        441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait",
        63: "read",
        64: "write",
        65: "readv",
        66: "writev",
        72: "pselect6",
        73: "ppoll",
        95: "waitid",
        98: "futex",
        133: "rt_sigsuspend",
        137: "rt_sigtimedwait",
        260: "wait4",
        441: "epoll_pwait2",
    },
}

# poll(2): POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM. epoll's bits are the same ones.
READABLE, WRITABLE = 0x41, 0x104
POLLFD = struct.Struct("=ihh")

# Limits of one check. A program beyond them counts as work.
MAX_READS = 4000
MAX_THREADS = 64
MAX_AWAITED = 64
MAX_DESCRIPTORS = 1024
MAX_RELATIVES = 16
FD_SETSIZE = 1024

# A descriptor, and the events of it that are waited for.
Wanted = tuple[int, int]


def read_waits(
    processes: Sequence[Process],
    candidates: Iterable[int],
    proc: Proc | None = None,
    peers: Callable[[], Mapping[int, int]] = unix_peers,
) -> dict[int, frozenset[Awaited]]:
    """What the candidates among the processes wait for: nothing if it runs just now.

    Those that cannot be read, or are beyond the limits, are left out.
    """
    machine = Machine(proc or Proc(limit=MAX_READS), processes, peers)
    waits: dict[int, frozenset[Awaited]] = {}
    for pid in candidates:
        try:
            waits[pid] = machine.waits(machine.tree.processes[pid])
        except TooManyReads:
            break
        except OSError:
            continue
    return waits


class Machine:
    """The processes of one check, and what was read of them."""

    def __init__(
        self, proc: Proc, processes: Iterable[Process], peers: Callable[[], Mapping[int, int]]
    ) -> None:
        self.proc = proc
        self.tree = Tree(processes)
        self._groups: dict[int, list[int]] = {}
        for process in self.tree.processes.values():
            self._groups.setdefault(process.group, []).append(process.pid)
        self._read_peers = peers
        self._tables: dict[int, Mapping[int, str]] = {}

    def waits(self, process: Process) -> frozenset[Awaited]:
        """What its main thread waits for; nothing if a thread runs, OTHER if one waits for that. Raises OSError."""
        if process.threads > MAX_THREADS:
            return OTHER
        main = self._thread(process, process.pid)
        if not main or Awaited.OTHER in main:
            return main
        for thread in self.proc.threads(process.pid) if process.threads > 1 else ():
            one = self._thread(process, thread) if thread != process.pid else main
            if not one or Awaited.OTHER in one:
                return one
        return main

    def _thread(self, process: Process, thread: int) -> frozenset[Awaited]:
        call = self.proc.system_call(process.pid, thread)
        if call is None:
            return frozenset()
        number, arguments = call
        match CALLS.get(self.proc.machine, {}).get(number):
            case None:
                return OTHER
            case "futex":
                # The fourth argument is a time limit: of a loop that does something each minute, perhaps.
                if arguments[3]:
                    return OTHER
                # Without another thread only another process can release the lock.
                return frozenset({Awaited.ITSELF if process.threads > 1 else Awaited.RELATIVE})
            case "rt_sigtimedwait":
                return OTHER if arguments[2] else frozenset({Awaited.ITSELF})
            case "wait4" | "waitid" | "rt_sigsuspend":
                return self._for_children(process)
            case name:
                wanted = awaited(self.proc, process.pid, name, arguments)
                if not wanted or len(wanted) > MAX_AWAITED:
                    return OTHER
                # Without any: it waits for time to pass, or for errors of what it watches.
                return frozenset().union(*(self._descriptor(process, *one) for one in wanted)) or OTHER

    def _for_children(self, process: Process) -> frozenset[Awaited]:
        return frozenset({Awaited.CHILDREN}) if self.tree.children(process.pid) else OTHER

    def _descriptor(self, process: Process, descriptor: int, events: int) -> frozenset[Awaited]:
        if not events & (READABLE | WRITABLE):
            return frozenset()  # errors only
        link = self.proc.link(process.pid, descriptor)
        if link.startswith(("pipe:[", "socket:[")):
            return self._connection(process, link, events)
        if not events & READABLE:
            return OTHER
        match link.removeprefix("anon_inode:").strip("[]"):
            case "eventfd" | "timerfd" | "signalfd" | "inotify":
                return frozenset({Awaited.ITSELF})
            case "pidfd":
                return self._for_children(process)
            case "eventpoll":
                wanted = self.proc.watched(process.pid, descriptor)
                if len(wanted) > MAX_AWAITED or any(one == descriptor for one, _ in wanted):
                    return OTHER
                return frozenset().union(*(self._descriptor(process, *one) for one in wanted))
            case "/dev/ptmx" | "/dev/pts/ptmx" if self.tree.children(process.pid):
                return frozenset({Awaited.INSIDE})
            case path if is_keyboard(process, path):
                return frozenset({Awaited.KEYBOARD})
            case _:
                return OTHER

    def _connection(self, process: Process, link: str, events: int) -> frozenset[Awaited]:
        """A pipe or socket, by who holds its other end."""
        if link.startswith("pipe:["):
            end, writes = link, bool(events & READABLE)
        else:
            peer = self._peers.get(int(link[len("socket:[") : -1]))
            if peer is None:
                return OTHER  # of the network
            if peer == 0:
                return frozenset({Awaited.ITSELF})  # it listens for processes of this machine
            end, writes = f"socket:[{peer}]", True
        if self._holds(process.pid, end, writes):
            return frozenset({Awaited.ITSELF})
        held = any(self._holds(relative, end, writes) for relative in self._relatives(process))
        return frozenset({Awaited.RELATIVE}) if held else OTHER

    def _holds(self, pid: int, end: str, writes: bool) -> bool:
        """Whether a process has this end open, for writing or for reading."""
        return any(
            self.proc.writes(pid, descriptor) == writes or end.startswith("socket:[")
            for descriptor, link in self._descriptors(pid).items()
            if link == end
        )

    def _descriptors(self, pid: int) -> Mapping[int, str]:
        """What a process has open; nothing if it cannot be read."""
        if pid not in self._tables:
            try:
                self._tables[pid] = self.proc.descriptors(pid, MAX_DESCRIPTORS)
            except TooManyReads:
                raise
            except OSError:
                self._tables[pid] = {}
        return self._tables[pid]

    def _relatives(self, process: Process) -> list[int]:
        """Parents, children, and the other programs of its pipeline: each is judged by itself."""
        parents: list[int] = []
        parent = process.parent
        while parent in self.tree.processes and len(parents) < MAX_RELATIVES:
            parents.append(parent)
            parent = self.tree.processes[parent].parent
        children = [child.pid for child in self.tree.children(process.pid)[:MAX_RELATIVES]]
        group = [pid for pid in self._groups[process.group] if pid != process.pid][:MAX_RELATIVES]
        return [*parents, *children, *group]

    @cached_property
    def _peers(self) -> Mapping[int, int]:
        try:
            return self._read_peers()
        except OSError:
            return {}


def is_keyboard(process: Process, path: str) -> bool:
    """Whether this is the terminal of the process, and its keys go to the process now."""
    return process.group == process.foreground and path in ("/dev/tty", terminal_path(process.terminal))


def awaited(proc: Proc, pid: int, call: str, arguments: Sequence[int]) -> list[Wanted]:
    """The descriptors that a thread waits for in this system call; none if they are too many. Raises OSError."""
    first, second, third = arguments[:3]
    match call:
        case "read" | "readv":
            return [(first, READABLE)]
        case "write" | "writev":
            return [(first, WRITABLE)]
        case "poll" | "ppoll":
            if not 0 < second <= MAX_AWAITED:
                return []
            entries = POLLFD.iter_unpack(proc.memory(pid, first, second * POLLFD.size))
            return [(descriptor, events) for descriptor, events, _ in entries if descriptor >= 0]
        case "select" | "pselect6":
            return [
                (descriptor, events)
                for address, events in ((second, READABLE), (third, WRITABLE))
                for descriptor in descriptor_set(proc, pid, first, address)
            ]
        case "epoll_wait" | "epoll_pwait" | "epoll_pwait2":
            return proc.watched(pid, first)
        case _:
            return []


def descriptor_set(proc: Proc, pid: int, count: int, address: int) -> list[int]:
    """The descriptors in an fd_set (select(2))."""
    if not address or not 0 < count <= FD_SETSIZE:
        return []
    size = (count + 63) // 64 * 8
    bits = int.from_bytes(proc.memory(pid, address, size), "little")
    return [descriptor for descriptor in range(count) if bits >> descriptor & 1]
