"""What was observed on a worker at one moment, and the reading of its processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from lifecycle_app.contract import Level

from .proc import Proc, Stat


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Something that a person did."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUse:
    """Traffic of a web app that a person or an open page caused; `number` by `contract.app_name`."""

    at: datetime
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process below the boot client; zombies are left out.

    ``state``: its letter by proc(5). ``group``: its process group. ``terminal``: number of its controlling terminal's
    device, 0 for none. ``foreground``: the group that this terminal's keys go to. ``started`` tells it from an earlier
    process with the same pid.
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
    started: int = 0

    @property
    def sleeps(self) -> bool:
        """Whether it waits for something, which is not a disk."""
        return self.state == "S"

    @property
    def stopped(self) -> bool:
        """Whether it is suspended, by its user or a debugger."""
        return self.state in "Tt"


class Awaited(Enum):
    """What a sleeping thread waits for."""

    KEYBOARD = "a key pressed in its terminal"
    INSIDE = "output of programs in a terminal that it has made, as tmux does"
    RELATIVE = "its parents, children or pipeline: they hold the other end of a pipe or socket, or a lock"
    CHILDREN = "the end of its children"
    ITSELF = "its own threads and signals"
    OTHER = "anything else: time, network, disks, or unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was observed at one moment.

    ``root``: the process below which all of the user's processes live (the boot client, or the server itself).
    ``terminals``: shell's pid by terminal name. ``cpu_time``: what the whole tree has used since it started.
    ``busy_kernels``: descriptions of kernels that ran something since the last report. ``waits``: what sleeping
    programs wait for, where it could be read.
    """

    at: datetime
    root: int
    server: int
    processes: tuple[Process, ...] = ()
    terminals: Mapping[str, int] = field(default_factory=dict)
    busy_kernels: tuple[str, ...] = ()
    last_interaction: Interaction | None = None
    last_app: AppUse | None = None
    cpu_time: timedelta = timedelta(0)
    waits: Mapping[int, frozenset[Awaited]] = field(default_factory=dict)


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
    last_app: datetime | None = None
    """When a web app last had traffic, ever."""
    app: int = 0
    """The number of the app that last had traffic; 0 for none."""
    has_app_traffic: bool = False
    """Did an app have any in the period?"""


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and everything below it, with the CPU time all of it has used."""

    processes: tuple[Process, ...]
    cpu_time: timedelta


def read_tree(root: int, proc: Proc | None = None) -> ProcessTree:
    """The running processes from ``root`` downwards. A process that ends meanwhile is left out.

    The CPU time includes that of ended children, which their parents inherit: it does not fall while each process is
    reaped by another one of the tree.
    """
    proc = proc or Proc()
    processes: list[Process] = []
    used = timedelta(0)
    for stat in _below(root, proc):
        used += stat.cpu + stat.children_cpu
        if stat.state not in "ZX":
            processes.append(_process(stat, proc))
    return ProcessTree(tuple(processes), used)


def _below(root: int, proc: Proc) -> list[Stat]:
    """A process and all its descendants, nearest first; nothing if it has ended."""
    children: dict[int, list[Stat]] = {}
    found: list[Stat] = []
    for pid in proc.pids():
        try:
            stat = proc.stat(pid)
        except OSError:
            continue
        (found if pid == root else children.setdefault(stat.parent, [])).append(stat)
    for stat in found:  # grows meanwhile
        found.extend(children.get(stat.pid, ()))
    return found


def _process(stat: Stat, proc: Proc) -> Process:
    try:
        arguments = proc.arguments(stat.pid)
    except OSError:
        arguments = ()
    return Process(
        pid=stat.pid,
        parent=stat.parent,
        name=stat.name,
        arguments=arguments,
        state=stat.state,
        group=stat.group,
        terminal=stat.terminal,
        foreground=stat.foreground,
        threads=stat.threads,
        cpu=stat.cpu,
        started=stat.started,
    )
