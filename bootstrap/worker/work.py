"""Decides which programs are work. Pure: each rule is a row of a table in the tests.

Work is a program that goes on without a person: in a terminal, detached from one, below a kernel, or as a notebook that
runs without a browser. A program that waits for its terminal's keyboard, or only for programs of its own job, is not
work: those are judged by themselves. A suspended job does nothing until its user comes back. Servers, kernels and their
helpers are not work in themselves: kernels say whether they are busy.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from .facts import Awaited, Facts
from .proc import Process, Tree

SHELLS = frozenset(
    {"bash", "sh", "dash", "ash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh", "pwsh", "xonsh"}
)

# Programs that only contain others: what runs inside them counts, they do not.
WRAPPERS = frozenset(
    {"tmux: server", "tmux: client", "tmux", "screen", "SCREEN", "zellij", "dtach", "abduco", "mosh-server"}
    | {"su", "sudo", "login", "script"}
)

# Programs that never exit and do nothing by themselves, and that do not wait for their own relatives alone.
HELPERS = frozenset(
    {"ssh-agent", "gpg-agent", "scdaemon", "dirmngr", "dbus-daemon", "dbus-launch", "keyboxd"}
)
# A shell's prompt may start it under the name of its platform, as gitstatusd-linux-x86_64.
HELPER_PREFIXES = ("gitstatusd",)
HELPER_ARGUMENTS = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
    "loky.backend.resource_tracker",
    # Serves the debugger of a kernel, which it outlives as an orphan.
    f"debugpy{os.sep}adapter",
)

# A waiting program that uses more of a core does something. Programs such as top refresh a screen for 1 or 2.
WAITING_PERCENT = 5.0
# What a program may wait for without being work.
PASSIVE = frozenset({Awaited.KEYBOARD, Awaited.INSIDE, Awaited.RELATIVE, Awaited.CHILDREN})

LONGEST_NAME = 40
LONGEST_DETAIL = 200
SHOWN_PROGRAMS = 3


class Place(Enum):
    """Where a job runs."""

    TERMINAL = "in a terminal"
    KERNEL = "started by a kernel"
    NOTEBOOK = "a notebook that runs without a browser, started by the server"
    DETACHED = "detached from all terminals"


@dataclass(frozen=True, slots=True)
class Job:
    """Programs that work at one place. ``name``: the terminal's or the kernel's."""

    place: Place
    name: str
    programs: tuple[str, ...]

    def __str__(self) -> str:
        programs = ", ".join(self.programs[:SHOWN_PROGRAMS])
        if len(self.programs) > SHOWN_PROGRAMS:
            programs += ", …"
        match self.place:
            case Place.TERMINAL:
                return f"terminal {self.name} runs {programs}"
            case Place.KERNEL:
                return f"{programs} runs, started by kernel {self.name}"
            case Place.NOTEBOOK:
                return f"a notebook runs without a browser: {programs}"
            case Place.DETACHED:
                return f"{programs} runs detached"


@dataclass(frozen=True, slots=True)
class Group:
    """Processes at one place, before they are judged."""

    place: Place
    name: str
    processes: tuple[Process, ...]


def jobs(facts: Facts, before: Facts) -> list[Job]:
    """What works now. CPU is measured since ``before``."""
    used = _cpu_percents(facts, before)
    found = [
        Job(
            group.place,
            plain(group.name, LONGEST_NAME),
            tuple(
                plain(process.name, LONGEST_NAME)
                for process in group.processes
                if is_program(process)
                and not is_waiting(facts.waits.get(process.pid, frozenset()), used[process.pid])
            ),
        )
        for group in groups(facts)
    ]
    return [job for job in found if job.programs]


def candidates(facts: Facts) -> list[int]:
    """The processes that are work unless they wait for the right thing: worth a closer look."""
    return [
        process.pid
        for group in groups(facts)
        for process in group.processes
        if process.sleeps and is_program(process)
    ]


def waits_of(
    processes: Iterable[Process], now: Mapping[int, frozenset[Awaited]], before: Facts | None
) -> dict[int, frozenset[Awaited]]:
    """What processes wait for: as read now, or as before for one that just runs.

    A monitor such as top runs at some of the checks, for a moment. One that does more uses CPU, or does not sleep in
    this way at the next check.
    """
    if before is None:
        return dict(now)
    started = {process.pid: process.started for process in before.processes}
    kept = {
        process.pid: before.waits[process.pid]
        for process in processes
        if process.pid in before.waits
        and started.get(process.pid) == process.started
        and (process.state == "R" or now.get(process.pid) == frozenset())
    }
    return {**now, **kept}


def groups(facts: Facts) -> list[Group]:
    """The processes of terminals, kernels and notebook jobs, and those that were detached (nohup, setsid, tmux)."""
    tree = Tree(facts.processes)
    shells = set(facts.terminals.values())
    found = [
        Group(Place.TERMINAL, name, _without_kernels(tree.whole(shell)))
        for name, shell in sorted(facts.terminals.items())
    ]
    for child in tree.children(facts.server):
        if child.pid not in shells:
            found += _below_server(child, tree)
    if facts.root != facts.server:
        found += [
            Group(Place.DETACHED, "", _without_kernels(tree.whole(orphan.pid)))
            for orphan in tree.children(facts.root)
            if orphan.pid != facts.server
        ]
    return found


def _below_server(child: Process, tree: Tree) -> list[Group]:
    """A kernel's own programs, or those of a notebook job; nothing for other children, which serve the server."""
    below = tree.below(child.pid)
    if any(map(is_connection_file, child.arguments)):
        return [Group(Place.KERNEL, kernel_name(child), tuple(_not_the_kernel(child, below)))]
    if any(map(is_kernel, tree.children(child.pid))) or any(map(runs_notebooks, (child, *below))):
        return [Group(Place.NOTEBOOK, "", _without_kernels([child, *below]))]
    return []


def _not_the_kernel(kernel: Process, below: Iterable[Process]) -> list[Process]:
    """What is below a kernel, without processes that only lead to the kernel's own, as ``conda run`` does."""
    processes = {process.pid: process for process in below}
    leading: set[int] = set()
    for process in processes.values():
        pid = process.pid if is_kernel(process) else kernel.pid
        while pid in processes:
            leading.add(pid)
            pid = processes[pid].parent
    return [process for process in processes.values() if process.pid not in leading]


def _without_kernels(processes: Sequence[Process]) -> tuple[Process, ...]:
    """Without kernels whose front end is among the processes: it counts while it lets them run something."""
    front_ends = {process.pid for process in processes if is_program(process)}
    return tuple(
        process for process in processes if not (is_kernel(process) and process.parent in front_ends)
    )


# Names of connection files: of the server's kernels, and of those that papermill and nbclient start.
CONNECTION_FILE = re.compile(r"kernel-(?P<id>.+)\.json")
TEMPORARY_FILE = re.compile(r"tmp\w{8}\.json")


def is_connection_file(argument: str) -> bool:
    """Is this the path of a connection file? Every kernel is started with one, which Jupyter names like this."""
    return CONNECTION_FILE.fullmatch(os.path.basename(argument)) is not None


def is_kernel(process: Process) -> bool:
    """Whether the process was started as a kernel."""
    return any(
        is_connection_file(argument) or TEMPORARY_FILE.fullmatch(os.path.basename(argument))
        for argument in process.arguments
    )


def kernel_name(process: Process) -> str:
    """The beginning of a kernel's id, as in the report of a busy one."""
    found = (CONNECTION_FILE.fullmatch(os.path.basename(argument)) for argument in process.arguments)
    return next((match["id"][:8] for match in found if match), str(process.pid))


def runs_notebooks(process: Process) -> bool:
    """Whether the process is papermill, by the command that started it."""
    return "papermill" in (os.path.basename(argument) for argument in process.arguments[:3])


def is_program(process: Process) -> bool:
    """Whether the process may do something by itself."""
    return not (process.stopped or process.name in WRAPPERS or is_prompt(process) or is_helper(process))


def is_prompt(process: Process) -> bool:
    """Whether the process is an interactive shell. One that runs a script or a command has it among its arguments."""
    return process.name in SHELLS and all(word.startswith("-") for word in process.arguments[1:])


def is_helper(process: Process) -> bool:
    """Whether the process only serves others and never exits."""
    return (
        process.name in HELPERS
        or any(os.path.basename(argument).startswith(HELPER_PREFIXES) for argument in process.arguments[:1])
        or any(word in argument for argument in process.arguments for word in HELPER_ARGUMENTS)
    )


def is_waiting(awaited: frozenset[Awaited], cpu_percent: float) -> bool:
    """Whether a program does nothing until a person or its own relatives wake it. Unknown is not waiting."""
    return bool(awaited & PASSIVE) and Awaited.OTHER not in awaited and cpu_percent < WAITING_PERCENT


def percent_of_core(used: timedelta, elapsed: timedelta) -> float:
    """CPU in percent of one core; 0 where a tree that lost processes has a smaller sum than before."""
    if elapsed <= timedelta(0):
        return 0.0
    return round(max(0.0, 100 * (used / elapsed)), 1)


def _cpu_percents(facts: Facts, before: Facts) -> dict[int, float]:
    earlier = {(process.pid, process.started): process.cpu for process in before.processes}
    return {
        process.pid: percent_of_core(
            process.cpu - earlier.get((process.pid, process.started), timedelta(0)), facts.at - before.at
        )
        for process in facts.processes
    }


def plain(text: str, longest: int = LONGEST_DETAIL) -> str:
    """A text that users can choose, without characters that cannot be shown, and not longer than this."""
    shown = "".join(char for char in text if char.isprintable())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
