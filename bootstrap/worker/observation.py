"""Turns facts into an observation. Pure: each rule is a row of a table in the tests."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from lifecycle_app.contract import Level, Signal, app_name, source_number

from .facts import Facts, MachineUse, Observation
from .work import Job, Place, jobs, percent_of_core, plain

# Percent of one core. An open JupyterLab tab costs the server less than 1, a loop that computes 100.
LOAD_PERCENT = 20.0
GPU_PERCENT = 5.0
# Bytes a second. Reports, polls and the system's own agents need a hundredth of it.
NETWORK_FLOOR, DISK_FLOOR = 100_000, 1_000_000
MB = 1_000_000

MAX_DETAILS = 20

SIGNALS = {
    Place.TERMINAL: Signal.TERMINALS,
    Place.KERNEL: Signal.PROCESSES,
    Place.NOTEBOOK: Signal.NOTEBOOKS,
    Place.DETACHED: Signal.PROCESSES,
}
SOURCES = {
    Place.TERMINAL: "{program} in a terminal",
    Place.KERNEL: "{program} started by a kernel",
    Place.NOTEBOOK: "a notebook that runs without a browser",
    Place.DETACHED: "{program} in the background",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Something besides a person that keeps the machine busy.

    ``level``: how active that is. ``source``: by `contract.source_number`. ``text``: for people.
    """

    signal: Signal
    level: Level
    source: float
    text: str


def observe(
    facts: Facts, before: Facts, last_work: datetime | None, ignored: Collection[Signal] = ()
) -> Observation:
    """What happened from ``before`` until ``facts``, and which level that is, without signals that are ignored.

    ``last_work``: when an earlier observation last saw work. The facts' last interaction is of no ignored signal.
    """
    running = _heeded(jobs(facts, before), ignored)
    # What has ended since the last observation worked until some moment after it.
    ended = [] if running else _heeded(jobs(before, before), ignored)
    cpu_percent = percent_of_core(facts.cpu_time - before.cpu_time, facts.at - before.at)
    worked = [_job(job, str(job)) for job in running] + [_job(job, f"until just now {job}") for job in ended]
    found = [*_kernels(facts), *worked, *_gpu(facts.machine), *_cpu(cpu_percent), *_machine(facts.machine)]
    causes = sorted((one for one in found if one.signal not in ignored), key=lambda one: -one.level)
    works = any(cause.level is Level.WORK for cause in causes)
    used, app = _interacted(facts, before), None if Signal.APPS in ignored else facts.last_app
    has_traffic = app is not None and app.at > before.at
    doing = [cause.text for cause in causes]
    if app is not None and has_traffic:
        doing.append(f"{app_name(app.number)} has traffic")
    return Observation(
        at=facts.at,
        level=max([Level.INTERACTION if used else Level.QUIET, *(cause.level for cause in causes)]),
        last_interaction=facts.last_interaction.at if facts.last_interaction else None,
        last_work=facts.at if works else last_work,
        busy_kernels=0 if Signal.KERNELS in ignored else len(facts.busy_kernels),
        busy_terminals=len(running),
        cpu_percent=cpu_percent,
        details=tuple(map(plain, [*_person(facts, before), *doing][:MAX_DETAILS])),
        last_app=app.at if app else None,
        app=app.number if app else 0,
        has_app_traffic=has_traffic,
        doing=plain(doing[0]) if doing else "",
        source=causes[0].source if causes else 0.0,
        home=facts.home,
    )


def _interacted(facts: Facts, before: Facts) -> bool:
    return facts.last_interaction is not None and facts.last_interaction.at > before.at


def _person(facts: Facts, before: Facts) -> list[str]:
    if facts.last_interaction is None or not _interacted(facts, before):
        return []
    ago = max(0.0, (facts.at - facts.last_interaction.at).total_seconds())
    return [f"{facts.last_interaction.what} {ago:.0f} s ago"]


def _kernels(facts: Facts) -> list[Cause]:
    source = source_number("a running cell")
    return [Cause(Signal.KERNELS, Level.WORK, source, f"{kernel} is busy") for kernel in facts.busy_kernels]


def _heeded(found: list[Job], ignored: Collection[Signal]) -> list[Job]:
    return [job for job in found if SIGNALS[job.place] not in ignored]


def _job(job: Job, text: str) -> Cause:
    return Cause(SIGNALS[job.place], Level.WORK, source_number(SOURCES[job.place], job.programs[0]), text)


def _cpu(percent: float) -> list[Cause]:
    if percent < LOAD_PERCENT:
        return []
    source = source_number("CPU {n:.0f} % of a core{within}", amount=percent)
    return [Cause(Signal.CPU, Level.LOAD, source, f"CPU {percent:.0f} % of a core")]


def _gpu(use: MachineUse) -> list[Cause]:
    if use.gpu_percent < GPU_PERCENT:
        return []
    source = source_number("GPU {n:.0f} %", amount=use.gpu_percent)
    return [Cause(Signal.GPU, Level.WORK, source, f"GPU {use.gpu_percent:.0f} %")]


def _machine(use: MachineUse) -> list[Cause]:
    """What lasts beside the server. Traffic says more than the CPU that it needs."""
    within = f" in {use.program}" if use.program else ""
    kinds = [
        (Signal.NETWORK, use.received, NETWORK_FLOOR, "download"),
        (Signal.NETWORK, use.sent, NETWORK_FLOOR, "upload"),
        (Signal.DISK, use.disk, DISK_FLOOR, "disk"),
    ]
    found = [
        Cause(
            signal,
            Level.LOAD,
            source_number(f"{what} {{n:g}} MB/s{{within}}", use.program, rate / MB),
            f"{what} {rate / MB:.1f} MB/s{within}",
        )
        for signal, rate, floor, what in kinds
        if rate >= floor
    ]
    if use.cpu_percent >= LOAD_PERCENT:
        source = source_number(
            "CPU {n:.0f} % of a core beside JupyterLab{within}", use.program, use.cpu_percent
        )
        text = f"CPU {use.cpu_percent:.0f} % of a core beside JupyterLab{within}"
        found.append(Cause(Signal.MACHINE, Level.LOAD, source, text))
    return found
