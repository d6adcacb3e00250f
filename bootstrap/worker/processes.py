"""Reads the process tree with psutil."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import psutil

from .facts import Process


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and everything below it, with the CPU time all of it has used."""

    processes: tuple[Process, ...]
    cpu_time: timedelta


def read_tree(root: int) -> ProcessTree:
    """The living processes from ``root`` downwards. A process that ends meanwhile is left out.

    The CPU time counts what ended children left to their parents, so it does not fall as long as each process is
    reaped by one of the tree.
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
