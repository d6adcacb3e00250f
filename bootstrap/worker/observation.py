"""Turns facts into an observation. Pure: each rule is a row of a table in the tests.

Work is a program that runs without a person at the keyboard. A prompt is not work, whatever wraps it. A suspended job
is not work: it does nothing until its user comes back. Servers, kernels and their helpers are not work in themselves:
kernels say whether they are busy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from lifecycle_app.contract import Level

from .facts import Facts, Observation, Process

# Percent of one core. An open JupyterLab tab costs the server less than 1, a loop that computes 100.
LOAD_PERCENT = 20.0


def observe(facts: Facts, before: Facts, last_work: datetime | None) -> Observation:
    """What happened from ``before`` until ``facts``, and which level that is.

    ``last_work``: when an earlier observation last saw work.
    """
    running = jobs(facts)
    # What has ended since the last observation worked until some moment after it.
    worked = [str(job) for job in running] or [f"until just now {job}" for job in jobs(before)]
    works = bool(facts.busy_kernels or worked)
    cpu_percent = percent_of_core(facts.cpu_time - before.cpu_time, facts.at - before.at)
    level = _level(facts, before, working=works, cpu_percent=cpu_percent)
    return Observation(
        at=facts.at,
        level=level,
        last_interaction=facts.last_interaction.at if facts.last_interaction else None,
        last_work=facts.at if works else last_work,
        busy_kernels=len(facts.busy_kernels),
        busy_terminals=len(running),
        cpu_percent=cpu_percent,
        details=_details(facts, before, worked, cpu_percent),
    )


def percent_of_core(used: timedelta, elapsed: timedelta) -> float:
    """CPU in percent of one core; 0 where a tree that lost processes has a smaller sum than before."""
    if elapsed <= timedelta(0):
        return 0.0
    return round(max(0.0, 100 * (used / elapsed)), 1)


def _level(facts: Facts, before: Facts, *, working: bool, cpu_percent: float) -> Level:
    if _interacted(facts, before):
        return Level.INTERACTION
    if working:
        return Level.WORK
    if cpu_percent >= LOAD_PERCENT:
        return Level.LOAD
    return Level.QUIET


def _interacted(facts: Facts, before: Facts) -> bool:
    return facts.last_interaction is not None and facts.last_interaction.at > before.at


def _details(facts: Facts, before: Facts, worked: list[str], cpu_percent: float) -> tuple[str, ...]:
    details = []
    if facts.last_interaction and _interacted(facts, before):
        ago = max(0.0, (facts.at - facts.last_interaction.at).total_seconds())
        details.append(f"{facts.last_interaction.what} {ago:.0f} s ago")
    details += [f"{kernel} is busy" for kernel in facts.busy_kernels]
    details += worked
    if cpu_percent >= LOAD_PERCENT:
        details.append(f"CPU {cpu_percent:.0f} % of a core")
    return tuple(details)


SHELLS = frozenset(
    {"bash", "sh", "dash", "ash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh", "pwsh", "xonsh"}
)

# Programs that only contain others: what runs inside them counts, they do not.
WRAPPERS = frozenset(
    {"tmux: server", "tmux: client", "tmux", "screen", "SCREEN", "su", "sudo", "login", "script"}
)

# Programs that never exit and do nothing by themselves.
HELPERS = frozenset(
    {"ssh-agent", "gpg-agent", "scdaemon", "dirmngr", "dbus-daemon", "dbus-launch", "keyboxd"}
)
HELPER_ARGUMENTS = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
    "loky.backend.resource_tracker",
)


@dataclass(frozen=True, slots=True)
class Job:
    """Work in one terminal, by its name, or ``None`` for what has detached itself from all terminals."""

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
        """The tree of these processes."""
        children: dict[int, list[Process]] = {}
        for process in processes:
            children.setdefault(process.parent, []).append(process)
        return cls(children)

    def children(self, pid: int) -> Sequence[Process]:
        """The direct children of a process."""
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
    """The work in terminals, and the work that was detached from them (nohup, setsid, tmux)."""
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
    """Whether the process only serves others and never exits."""
    return process.name in HELPERS or any(
        word in arg for arg in process.arguments for word in HELPER_ARGUMENTS
    )
