"""The level is the highest kind of life seen in the period, and the details say why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.worker.facts import AppUse, Facts, Interaction, MachineUse
from bootstrap.worker.observation import MAX_DETAILS, observe
from bootstrap.worker.proc import Process
from bootstrap.worker.work import LONGEST_DETAIL, percent_of_core
from lifecycle_app.contract import Level, Signal, source_name

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD = timedelta(seconds=60)
NOW = START + PERIOD
EARLIER = START - timedelta(hours=1)

BEFORE = Facts(at=START, root=1, server=2, cpu_time=timedelta(seconds=100))
QUIET = replace(BEFORE, at=NOW)
TERMINAL = replace(QUIET, terminals={"1": 3}, processes=(Process(pid=4, parent=3, name="sleep"),))


def beside(**use: Any) -> Facts:
    return replace(QUIET, machine=MachineUse(**use))


def interaction(seconds: float) -> Interaction:
    return Interaction(at=START + timedelta(seconds=seconds), what="ran code")


def cpu(percent: float) -> timedelta:
    return BEFORE.cpu_time + PERIOD * (percent / 100)


@pytest.mark.parametrize(
    ("facts", "level", "details"),
    [
        (QUIET, Level.QUIET, ()),
        (replace(QUIET, cpu_time=cpu(19.9)), Level.QUIET, ()),
        (replace(QUIET, cpu_time=cpu(20)), Level.LOAD, ("CPU 20 % of a core",)),
        (replace(QUIET, cpu_time=timedelta(seconds=90)), Level.QUIET, ()),
        (replace(QUIET, busy_kernels=("kernel a",)), Level.WORK, ("kernel a is busy",)),
        (TERMINAL, Level.WORK, ("terminal 1 runs sleep",)),
        (
            replace(TERMINAL, busy_kernels=("kernel a",), cpu_time=cpu(150)),
            Level.WORK,
            ("kernel a is busy", "terminal 1 runs sleep", "CPU 150 % of a core"),
        ),
        (
            beside(cpu_percent=19.9, gpu_percent=4.9, received=99_999, sent=99_999, disk=999_999),
            Level.QUIET,
            (),
        ),
        (beside(gpu_percent=99), Level.WORK, ("GPU 99 %",)),
        (
            beside(cpu_percent=30, received=12e6, disk=5e6, program="rsync"),
            Level.LOAD,
            (
                "download 12.0 MB/s in rsync",
                "disk 5.0 MB/s in rsync",
                "CPU 30 % of a core beside JupyterLab in rsync",
            ),
        ),
        (replace(QUIET, last_interaction=interaction(-1)), Level.QUIET, ()),
        (replace(QUIET, last_interaction=interaction(0)), Level.QUIET, ()),
        (replace(QUIET, last_interaction=interaction(0.001)), Level.INTERACTION, ("ran code 60 s ago",)),
        (replace(QUIET, last_interaction=interaction(60)), Level.INTERACTION, ("ran code 0 s ago",)),
        (
            replace(TERMINAL, last_interaction=interaction(50)),
            Level.INTERACTION,
            ("ran code 10 s ago", "terminal 1 runs sleep"),
        ),
    ],
)
def test_level_and_details(facts: Facts, level: Level, details: tuple[str, ...]) -> None:
    seen = observe(facts, BEFORE, None)
    assert (seen.level, seen.details) == (level, details)


KERNEL = Process(pid=5, parent=2, name="python3", arguments=("python3", "-f", "kernel-0123456789.json"))
SERVER = Process(pid=2, parent=1, name="server")
CHILD = replace(QUIET, processes=(SERVER, KERNEL, Process(pid=6, parent=5, name="wget")))
DETACHED = replace(QUIET, processes=(SERVER, Process(pid=7, parent=1, name="rsync")))
PAPERMILL = Process(pid=8, parent=2, name="papermill", arguments=("python", "/usr/bin/papermill", "a.ipynb"))
NOTEBOOK = replace(QUIET, processes=(SERVER, PAPERMILL))


@pytest.mark.parametrize(
    ("facts", "signal", "source"),
    [
        (replace(QUIET, busy_kernels=("kernel a",)), Signal.KERNELS, "a running cell"),
        (TERMINAL, Signal.TERMINALS, "sleep in a terminal"),
        (CHILD, Signal.PROCESSES, "wget started by a kernel"),
        (DETACHED, Signal.PROCESSES, "rsync in the background"),
        (NOTEBOOK, Signal.NOTEBOOKS, "a notebook that runs without a browser"),
        (replace(QUIET, cpu_time=cpu(45)), Signal.CPU, "CPU 45 % of a core"),
        (
            beside(cpu_percent=20, program="dockerd"),
            Signal.MACHINE,
            "CPU 20 % of a core beside JupyterLab in dockerd",
        ),
        (beside(gpu_percent=5), Signal.GPU, "GPU 5 %"),
        (beside(received=12e6, program="rsync"), Signal.NETWORK, "download 12 MB/s in rsync"),
        (beside(sent=1e5, program="mine"), Signal.NETWORK, "upload 0.1 MB/s"),
        (beside(disk=1e6), Signal.DISK, "disk 1 MB/s"),
    ],
)
def test_each_source_has_a_name_and_a_signal_by_which_it_is_ignored(
    facts: Facts, signal: Signal, source: str
) -> None:
    """Ignoring all others changes nothing."""
    seen = observe(facts, BEFORE, None)
    assert source_name(seen.source) == source
    assert observe(facts, BEFORE, None, set(Signal) - {signal}) == seen
    ignored = observe(facts, BEFORE, EARLIER, {signal})
    assert (ignored.level, ignored.source, ignored.last_work) == (Level.QUIET, 0, EARLIER)
    assert (ignored.busy_kernels, ignored.busy_terminals, ignored.details, ignored.doing) == (0, 0, (), "")


def test_an_ignored_app_has_no_traffic() -> None:
    facts = replace(QUIET, last_app=AppUse(at=NOW, number=8501))
    assert observe(facts, BEFORE, None).has_app_traffic
    seen = observe(facts, BEFORE, None, {Signal.APPS})
    assert (seen.has_app_traffic, seen.app, seen.last_app, seen.doing) == (False, 0, None, "")


def test_a_job_that_ended_since_the_last_look_worked_after_it() -> None:
    """Unknown how long: up to the check that does not find it any more, at the most."""
    seen = observe(QUIET, replace(TERMINAL, at=BEFORE.at, cpu_time=BEFORE.cpu_time), EARLIER)
    assert (seen.level, seen.last_work, seen.busy_terminals) == (Level.WORK, NOW, 0)
    assert seen.details == ("until just now terminal 1 runs sleep",)


def test_work_and_interaction_are_counted_apart() -> None:
    facts = replace(TERMINAL, busy_kernels=("a", "b"), last_interaction=interaction(50))
    seen = observe(facts, BEFORE, EARLIER)
    assert (seen.busy_kernels, seen.busy_terminals) == (2, 1)
    assert (seen.last_interaction, seen.last_work) == (START + timedelta(seconds=50), NOW)


def test_a_quiet_period_keeps_the_times_of_earlier_life() -> None:
    seen = observe(replace(QUIET, last_interaction=interaction(-600)), BEFORE, EARLIER)
    assert (seen.last_interaction, seen.last_work) == (START - timedelta(seconds=600), EARLIER)


def test_details_are_bounded_and_plain() -> None:
    kernels = tuple(f"kernel \x1b{number}" + "x" * 1000 for number in range(100))
    seen = observe(replace(QUIET, busy_kernels=kernels), BEFORE, None)
    assert len(seen.details) == MAX_DETAILS
    assert seen.details[0].startswith("kernel 0xx")
    assert max(map(len, seen.details)) == LONGEST_DETAIL


@pytest.mark.parametrize(
    ("used", "elapsed", "percent"),
    [(0, 60, 0.0), (30, 60, 50.0), (120, 60, 200.0), (-5, 60, 0.0), (1, 0, 0.0), (1, -1, 0.0)],
)
def test_cpu_is_in_percent_of_one_core(used: float, elapsed: float, percent: float) -> None:
    assert percent_of_core(timedelta(seconds=used), timedelta(seconds=elapsed)) == percent
