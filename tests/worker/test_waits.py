"""What a sleeping program waits for, read from files as Linux has them in /proc."""

import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bootstrap.worker.facts import Awaited, read_tree
from bootstrap.worker.proc import Proc, Process, unix_peers
from bootstrap.worker.waits import CALLS, MAX_READS, MAX_THREADS, read_waits

PTS_3 = (136 << 8) | 3
KEYBOARD, INSIDE, RELATIVE = Awaited.KEYBOARD, Awaited.INSIDE, Awaited.RELATIVE
CHILDREN, ITSELF, OTHER = Awaited.CHILDREN, Awaited.ITSELF, Awaited.OTHER
ADDRESS = 0x40
POLLIN, POLLOUT, POLLRDBAND = 1, 4, 0x80


@dataclass
class Machine:
    """A /proc of files, with the processes that are in it."""

    root: Path
    peers: dict[int, int] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def add(
        self,
        pid: int,
        *calls: str,
        opened: Mapping[int, str] | None = None,
        writable: tuple[int, ...] = (),
        watched: Mapping[int, str] | None = None,
        memory: bytes = b"",
        parent: int = 1,
        group: int = 0,
        terminal: int = PTS_3,
        foreground: bool = True,
    ) -> None:
        """A process whose threads sleep in these calls. ``watched``: lines of fdinfo, for epoll."""
        home = self.root / str(pid)
        for thread, call in enumerate(calls):
            (home / "task" / str(pid + thread)).mkdir(parents=True)
            (home / "task" / str(pid + thread) / "syscall").write_text(call + "\n")
        for folder in ("fd", "fdinfo"):
            (home / folder).mkdir(parents=True)
        for number, target in (opened or {}).items():
            (home / "fd" / str(number)).symlink_to(target)
            info = f"pos:\t0\nflags:\t0{int(number in writable)}\n" + (watched or {}).get(number, "")
            (home / "fdinfo" / str(number)).write_text(info)
        (home / "mem").write_bytes(bytes(ADDRESS) + memory)
        group = group or pid
        self.processes.append(
            Process(
                pid=pid,
                parent=parent,
                name="program",
                group=group,
                terminal=terminal,
                foreground=group if foreground else 1,
                threads=len(calls),
            )
        )

    def waits(self, *pids: int, machine: str = "x86_64", limit: int = MAX_READS) -> dict[int, set[Awaited]]:
        proc = Proc(self.root, machine, limit)
        read = read_waits(self.processes, pids or (40,), proc, lambda: self.peers)
        return {pid: set(awaited) for pid, awaited in read.items()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def call(number: int, *arguments: int) -> str:
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    return " ".join([str(number), *map(hex, six), "0x7ffc57759928", "0x7efd264ea503"])


READ_KEYS = call(0, 0)
SLEEP = call(230, 0, 0, 0x7FFC57759940)
LOCK = call(202, 0x5000, 0x189, 0, 0)


def test_a_read_of_the_foreground_terminal_waits_for_its_keyboard(machine: Machine) -> None:
    machine.add(40, READ_KEYS, opened={0: "/dev/pts/3"})
    machine.add(41, READ_KEYS, opened={0: "/dev/tty"})
    machine.add(42, READ_KEYS, opened={0: "/dev/pts/4"})
    machine.add(43, READ_KEYS, opened={0: "/dev/pts/3"}, foreground=False)
    machine.add(44, READ_KEYS, opened={0: "/dev/tty"}, terminal=0, foreground=False)
    machine.add(45, READ_KEYS, opened={0: "/home/jovyan/fifo"})
    assert machine.waits(40, 41, 42, 43, 44, 45) == {
        40: {KEYBOARD},
        41: {KEYBOARD},
        42: {OTHER},
        43: {OTHER},
        44: {OTHER},
        45: {OTHER},
    }


@pytest.mark.parametrize(
    ("machine_name", "number"), [("x86_64", 23), ("x86_64", 270), ("aarch64", 72), ("riscv64", 72)]
)
def test_a_select_waits_for_what_its_set_contains(machine: Machine, machine_name: str, number: int) -> None:
    """A set has a bit for each descriptor, in words of 64."""
    bits = (1 << 0 | 1 << 66).to_bytes(16, "little")
    machine.add(
        40, call(number, 67, ADDRESS), opened={0: "/dev/pts/3", 66: "anon_inode:[signalfd]"}, memory=bits
    )
    known = machine_name in CALLS
    assert machine.waits(machine=machine_name) == {40: {KEYBOARD, ITSELF} if known else {OTHER}}


@pytest.mark.parametrize(("machine_name", "number"), [("x86_64", 7), ("x86_64", 271), ("aarch64", 73)])
def test_a_poll_waits_for_what_may_be_read(machine: Machine, machine_name: str, number: int) -> None:
    memory = struct.pack("=ihhihh", 0, POLLIN, 0, -1, POLLIN, 0)
    machine.add(40, call(number, ADDRESS, 2), opened={0: "/dev/pts/3"}, memory=memory)
    assert machine.waits(machine=machine_name) == {40: {KEYBOARD}}


def test_tail_waits_for_a_file_not_for_the_terminal_whose_errors_it_awaits(machine: Machine) -> None:
    memory = struct.pack("=ihhihh", 4, POLLIN | POLLRDBAND, 0, 1, POLLRDBAND, 0)
    machine.add(40, call(7, ADDRESS, 2), opened={1: "/dev/pts/3", 4: "anon_inode:inotify"}, memory=memory)
    assert machine.waits() == {40: {ITSELF}}


@pytest.mark.parametrize(
    ("machine_name", "number"), [("x86_64", 232), ("x86_64", 281), ("aarch64", 22), ("aarch64", 441)]
)
def test_an_epoll_waits_for_what_it_watches(machine: Machine, machine_name: str, number: int) -> None:
    entry = "tfd: {:8d} events: {:8x} data: {:16x}  pos:0 ino:3 sdev:18\n"
    machine.add(
        40,
        call(number, 5),
        opened={5: "anon_inode:[eventpoll]", 9: "/dev/pts/3", 10: "anon_inode:[eventfd]"},
        watched={5: entry.format(9, 0x19, 9) + entry.format(10, 0x80000019, 10)},
    )
    assert machine.waits(machine=machine_name) == {40: {KEYBOARD, ITSELF}}


def test_a_connection_beside_the_keyboard_makes_it_something_else(machine: Machine) -> None:
    """As ssh waits: for keys and for the other machine."""
    memory = struct.pack("=ihhihh", 0, POLLIN, 0, 3, POLLIN, 0)
    machine.add(40, call(7, ADDRESS, 2), opened={0: "/dev/pts/3", 3: "socket:[99]"}, memory=memory)
    assert machine.waits() == {40: {KEYBOARD, OTHER}}


def test_a_unix_socket_counts_by_who_holds_its_other_end(machine: Machine) -> None:
    machine.peers = {1: 2, 2: 1, 3: 4, 4: 3, 5: 0, 6: 7}
    machine.add(39, SLEEP, opened={3: "socket:[4]"})
    machine.add(40, call(0, 3), opened={3: "socket:[1]", 4: "socket:[2]"}, parent=39)
    machine.add(41, call(0, 3), opened={3: "socket:[3]"}, parent=39)
    machine.add(42, call(0, 3), opened={3: "socket:[5]"}, parent=39)
    machine.add(43, call(0, 3), opened={3: "socket:[6]"}, parent=39)
    assert machine.waits(40, 41, 42, 43) == {40: {ITSELF}, 41: {RELATIVE}, 42: {ITSELF}, 43: {OTHER}}


def test_a_pipe_counts_by_who_holds_its_other_end(machine: Machine) -> None:
    """Its own; its parent's; its pipeline's, in both directions; one that its parent only reads too."""
    machine.add(39, SLEEP, opened={1: "pipe:[2]", 2: "pipe:[5]"}, writable=(1,))
    machine.add(40, call(0, 3), opened={3: "pipe:[1]", 4: "pipe:[1]"}, writable=(4,))
    machine.add(41, call(0, 0), opened={0: "pipe:[2]"}, parent=39)
    machine.add(42, call(1, 1), opened={1: "pipe:[3]"}, writable=(1,), group=7)
    machine.add(43, call(0, 0), opened={0: "pipe:[3]"}, group=7)
    machine.add(44, call(0, 0), opened={0: "pipe:[5]"}, parent=39)
    assert machine.waits(40, 41, 42, 43, 44) == {
        40: {ITSELF},
        41: {RELATIVE},
        42: {RELATIVE},
        43: {RELATIVE},
        44: {OTHER},
    }


def test_a_multiplexer_waits_for_what_runs_inside_if_anything_does(machine: Machine) -> None:
    memory = struct.pack("=ihh", 5, POLLIN, 0)
    machine.add(40, call(7, ADDRESS, 1), opened={5: "/dev/ptmx"}, memory=memory)
    assert machine.waits() == {40: {OTHER}}
    machine.add(41, SLEEP, parent=40)
    assert machine.waits() == {40: {INSIDE}}


@pytest.mark.parametrize(("machine_name", "number"), [("x86_64", 61), ("x86_64", 130), ("aarch64", 260)])
def test_a_program_waits_for_children_if_it_has_any(machine: Machine, machine_name: str, number: int) -> None:
    machine.add(40, call(number, 0xFFFFFFFF))
    assert machine.waits(machine=machine_name) == {40: {OTHER}}
    machine.add(41, SLEEP, parent=40)
    assert machine.waits(machine=machine_name) == {40: {CHILDREN}}


@pytest.mark.parametrize(
    ("second", "awaited"),
    [
        (LOCK, {KEYBOARD}),
        (call(128, 0x5000, 0, 0), {KEYBOARD}),
        (READ_KEYS, {KEYBOARD}),
        ("running", set()),
        (SLEEP, {OTHER}),
        (call(202, 0x5000, 0x189, 0, 0x7000), {OTHER}),
        (call(128, 0x5000, 0, 0x7000), {OTHER}),
        (call(0, 4), {OTHER}),
        ("-1 0x7ffc57759928 0x7efd264ea503", {OTHER}),
    ],
)
def test_all_threads_must_wait_without_a_time_limit_or_a_connection(
    machine: Machine, second: str, awaited: set[Awaited]
) -> None:
    machine.add(40, READ_KEYS, second, opened={0: "/dev/pts/3", 4: "socket:[99]"})
    assert machine.waits() == {40: awaited}


def test_the_main_thread_must_be_the_one_that_waits_for_the_keyboard(machine: Machine) -> None:
    machine.add(40, LOCK, READ_KEYS, opened={0: "/dev/pts/3"})
    assert machine.waits() == {40: {ITSELF}}


def test_a_single_thread_can_only_be_unlocked_by_another_process(machine: Machine) -> None:
    """As the workers of an idle multiprocessing pool wait."""
    machine.add(40, LOCK)
    assert machine.waits() == {40: {RELATIVE}}


def test_what_cannot_be_read_is_left_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add(40, READ_KEYS, opened={0: "/dev/pts/3"})
    machine.add(41, call(7, 0xFFFF0000, 1))
    machine.add(42, READ_KEYS)
    read = Proc.system_call

    def refused(proc: Proc, pid: int, thread: int) -> object:
        if pid == 40:
            raise PermissionError("another user's")
        return read(proc, pid, thread)

    monkeypatch.setattr(Proc, "system_call", refused)
    assert machine.waits(40, 41, 42) == {}


def test_one_check_reads_no_more_than_its_limit(machine: Machine) -> None:
    for pid in range(100, 400, 3):
        machine.add(pid, READ_KEYS, opened={0: "/dev/pts/3"})
    pids = tuple(process.pid for process in machine.processes)
    assert len(machine.waits(*pids)) == 100
    assert len(machine.waits(*pids, limit=50)) == 25


def test_a_program_with_many_threads_is_not_looked_at(machine: Machine) -> None:
    machine.add(1000, READ_KEYS, *[LOCK] * MAX_THREADS, opened={0: "/dev/pts/3"})
    assert machine.waits(1000, limit=0) == {1000: {OTHER}}


class CrowdedProc(Proc):
    """Two thousand processes below the first one."""

    def _list(self, *path: str) -> list[str]:
        self._count()
        return [*map(str, range(1, 2001)), "meminfo"]

    def _read(self, *path: str) -> bytes:
        self._count()
        pid, file = int(path[0]), path[1]
        if file == "cmdline":
            return b"a\0b c\0"
        return f"{pid} (a) b) S {pid // 2} {pid} 1 34819 {pid} {'0 ' * 40}".encode()


def test_two_thousand_processes_are_read_twice_each() -> None:
    proc = CrowdedProc()
    tree = read_tree(1, proc)
    assert (len(tree.processes), proc.reads) == (2000, 4001)
    assert (tree.processes[0].name, tree.processes[0].arguments) == ("a) b", ("a", "b c"))
    assert len(read_tree(1000, CrowdedProc()).processes) == 2


def test_the_numbers_of_system_calls_are_those_of_this_system() -> None:
    """Compared with the kernel's headers, where they are installed."""
    x86, generic = (
        Path(f"/usr/include/{name}") for name in ("x86_64-linux-gnu/asm/unistd_64.h", "asm-generic/unistd.h")
    )
    for machine_name, header in (("x86_64", x86), ("aarch64", generic)):
        if not header.exists():
            pytest.skip(f"{header} is not installed")
        words = [line.split() for line in header.read_text().splitlines() if "define __NR" in line]
        defined = {one[1].removeprefix("__NR3264_").removeprefix("__NR_"): one[2] for one in words}
        assert {defined[name]: name for name in CALLS[machine_name].values()} == {
            str(number): name for number, name in CALLS[machine_name].items()
        }


def test_the_kernel_says_which_unix_sockets_belong_together() -> None:
    one, other = socket.socketpair()
    with one, other:
        peers = unix_peers()
        inodes = [os.fstat(end.fileno()).st_ino for end in (one, other)]
        assert (peers[inodes[0]], peers[inodes[1]]) == (inodes[1], inodes[0])
