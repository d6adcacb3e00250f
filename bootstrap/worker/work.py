"""Which processes are work: programs that run on without anybody at the keyboard.

A prompt is not work, whatever it is wrapped in. A suspended job is not work: it does nothing until somebody comes
back. Servers, kernels and their helpers are not work in themselves: kernels say whether they are busy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from .facts import Facts, Process

SHELLS = frozenset(
    {"bash", "sh", "dash", "ash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh", "pwsh", "xonsh"}
)

# Programs that only hold others: what runs inside them counts, they do not.
WRAPPERS = frozenset(
    {"tmux: server", "tmux: client", "tmux", "screen", "SCREEN", "su", "sudo", "login", "script"}
)

# Programs that stay around for ever and do nothing by themselves.
HELPERS = frozenset(
    {"ssh-agent", "gpg-agent", "scdaemon", "dirmngr", "dbus-daemon", "dbus-launch", "keyboxd"}
)
HELPER_WORDS = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
    "loky.backend.resource_tracker",
)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that runs at one place: a terminal by its name, or ``None`` for what detached itself from all of them."""

    terminal: str | None
    programs: tuple[str, ...]

    def __str__(self) -> str:
        programs = ", ".join(self.programs[:3]) + (", …" if len(self.programs) > 3 else "")
        return (
            f"{programs} runs detached"
            if self.terminal is None
            else f"terminal {self.terminal} runs {programs}"
        )


class Tree:
    """Processes by parent."""

    def __init__(self, children: Mapping[int, Sequence[Process]]) -> None:
        self._children = children

    @classmethod
    def of(cls, processes: Iterable[Process]) -> Self:
        children: dict[int, list[Process]] = {}
        for process in processes:
            children.setdefault(process.parent, []).append(process)
        return cls(children)

    def children(self, pid: int) -> Sequence[Process]:
        return self._children.get(pid, ())

    def below(self, pid: int) -> list[Process]:
        """All descendants, nearest first."""
        found: list[Process] = []
        waiting = [pid]
        while waiting:
            nearest = self.children(waiting.pop(0))
            found.extend(nearest)
            waiting.extend(child.pid for child in nearest)
        return found


def jobs(facts: Facts) -> list[Job]:
    """The work that goes on in terminals, and the work that was detached from them (nohup, setsid, tmux)."""
    tree = Tree.of(facts.processes)
    found = [_job(name, tree.below(shell)) for name, shell in sorted(facts.terminals.items())]
    if facts.root != facts.server:
        orphans = [child for child in tree.children(facts.root) if child.pid != facts.server]
        found += [_job(None, [orphan, *tree.below(orphan.pid)]) for orphan in orphans]
    return [job for job in found if job.programs]


def _job(terminal: str | None, processes: Iterable[Process]) -> Job:
    return Job(terminal, tuple(process.name for process in processes if is_work(process)))


def is_work(process: Process) -> bool:
    """Whether the process does something by itself."""
    return not (process.stopped or process.name in WRAPPERS or is_prompt(process) or is_helper(process))


def is_prompt(process: Process) -> bool:
    """Whether the process is an interactive shell. One that runs a script or a command has it among its arguments."""
    return process.name in SHELLS and all(word.startswith("-") for word in process.arguments[1:])


def is_helper(process: Process) -> bool:
    """Whether the process is one that stays around for others' sake."""
    return process.name in HELPERS or any(word in arg for arg in process.arguments for word in HELPER_WORDS)
