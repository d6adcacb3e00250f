"""What was observed on a worker at one moment, and the reading of its processes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from lifecycle_app.contract import Level

from .proc import Proc, Process, Tree


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


class Awaited(Enum):
    """What a sleeping thread waits for."""

    KEYBOARD = "a key pressed in its terminal"
    INSIDE = "output of programs in a terminal that it has made, as tmux does"
    RELATIVE = "its parents, children or pipeline: they hold the other end of a pipe or socket, or a lock"
    CHILDREN = "the end of its children"
    ITSELF = "its own threads and signals"
    OTHER = "anything else: time, network, disks, or unknown"


@dataclass(frozen=True, slots=True)
class HomeSpace:
    """The size of the home's file system and what its user can still write, in GiB."""

    size: float
    free: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineUse:
    """What lasts on the machine beside the server's own tree: percent of a core above the baseline, bytes a second, the
    use of the busiest GPU in percent; which program of others uses most CPU; when a session's user last pressed a key.
    """

    cpu_percent: float = 0.0
    received: float = 0.0
    sent: float = 0.0
    disk: float = 0.0
    gpu_percent: float = 0.0
    program: str = ""
    typed: datetime | None = None


NOTHING_BESIDE = MachineUse()


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
    machine: MachineUse = NOTHING_BESIDE
    home: HomeSpace | None = None


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
    doing: str = ""
    """The first of the details that is not a person's."""
    source: float = 0.0
    """What that is, by `contract.source_number`; 0 for nothing."""
    home: HomeSpace | None = None


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and everything below it, with the CPU time all of it has used. `others`: the machine's other processes,
    without their arguments.
    """

    processes: tuple[Process, ...]
    cpu_time: timedelta
    others: tuple[Process, ...] = ()


def read_tree(root: int, proc: Proc | None = None) -> ProcessTree:
    """The running processes from ``root`` downwards. A process that ends meanwhile is left out.

    The CPU time includes that of ended children, which their parents inherit: it does not fall while each process is
    reaped by another one of the tree.
    """
    proc = proc or Proc()
    tree = Tree(_all(proc))
    found = tree.whole(root)
    inside = {one.pid for one in found}
    others = tuple(one for one in tree.processes.values() if one.pid not in inside)
    running = tuple(replace(one, arguments=_arguments(one.pid, proc)) for one in found if not one.has_ended)
    return ProcessTree(running, sum((one.cpu + one.children_cpu for one in found), timedelta(0)), others)


def _all(proc: Proc) -> Iterator[Process]:
    """The machine's processes, without those that end meanwhile."""
    for pid in proc.pids():
        with suppress(OSError):
            yield proc.stat(pid)


def _arguments(pid: int, proc: Proc) -> tuple[str, ...]:
    try:
        return proc.arguments(pid)
    except OSError:
        return ()
