"""What was observed on a worker at one moment, and the reading of its processes with psutil."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psutil

from lifecycle_app.contract import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Something that a person did."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process of the machine's user; zombies are left out."""

    pid: int
    parent: int
    name: str
    arguments: tuple[str, ...] = ()
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was observed at one moment.

    ``root``: the process below which all of the user's processes live (the boot client, or the server itself).
    ``terminals``: shell's pid by terminal name. ``cpu_time``: what the whole tree has used since it started.
    ``busy_kernels``: descriptions of kernels that ran something since the last report.
    """

    at: datetime
    root: int
    server: int
    processes: tuple[Process, ...] = ()
    terminals: Mapping[str, int] = field(default_factory=dict)
    busy_kernels: tuple[str, ...] = ()
    last_interaction: Interaction | None = None
    cpu_time: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The activity in a period, with the reasons."""

    at: datetime
    level: Level
    last_interaction: datetime | None
    last_work: datetime | None
    busy_kernels: int
    busy_terminals: int
    cpu_percent: float
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and everything below it, with the CPU time all of it has used."""

    processes: tuple[Process, ...]
    cpu_time: timedelta


def read_tree(root: int) -> ProcessTree:
    """The running processes from ``root`` downwards. A process that ends meanwhile is left out.

    The CPU time includes that of ended children, which their parents inherit: it does not fall while each process is
    reaped by another one of the tree.
    """
    processes: list[Process] = []
    seconds = 0.0
    for found in _below(root):
        try:
            with found.oneshot():
                status = found.status()
                times = found.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
                if status not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                    processes.append(_process(found, status))
        except psutil.NoSuchProcess:
            continue
    return ProcessTree(tuple(processes), timedelta(seconds=seconds))


def _below(root: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(root)
        yield process
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _process(found: psutil.Process, status: str) -> Process:
    try:
        arguments = tuple(found.cmdline())
    except (psutil.AccessDenied, psutil.ZombieProcess):
        arguments = ()
    return Process(
        pid=found.pid,
        parent=found.ppid(),
        name=found.name(),
        arguments=arguments,
        stopped=status == psutil.STATUS_STOPPED,
    )
