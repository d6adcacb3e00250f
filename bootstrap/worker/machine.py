"""The whole machine, beyond what is below the boot client: containers, `systemd-run`, cron, `at`, other users'
programs, sessions by SSH or Session Manager, GPUs, traffic. What lasts counts, above what a machine does by itself.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from .counters import Counters, Gpus, last_key, read_counters
from .facts import MachineUse
from .proc import Process, terminal_path
from .work import percent_of_core

WINDOW = timedelta(minutes=3)
"""What counts lasts for about half of so long: updates of packages, a scan, an upload of logs are over before."""
HIGHEST_BASELINE = 20.0
"""Percent of a core that programs of the system may use all the time without counting. What uses more counts: it may be
a person's program that has run since the start."""
LEAST_SHARE = 1.0
"""Percent of a core from which on a program may be the one that has the traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The counters at a moment. `cpu`: what all other programs have used."""

    at: datetime
    cpu: timedelta
    counters: Counters
    gpu_percent: float = 0.0


class Watch:
    """Remembers the counters of the last minutes. Used by one thread at a time."""

    def __init__(
        self,
        port: int,
        read: Callable[[int], Counters] = read_counters,
        gpu: Callable[[], float] | None = None,
        key: Callable[[Iterable[str]], datetime | None] = last_key,
    ) -> None:
        self._port = port
        self._read = read
        self._gpu = gpu or Gpus().percent
        self._key = key
        self._samples: deque[Sample] = deque()
        self._others: dict[tuple[int, int], timedelta] = {}
        self._baseline = HIGHEST_BASELINE

    def look(self, at: datetime, others: Iterable[Process], *, is_report: bool) -> MachineUse:
        """The machine's use now. `others`: its processes that are not the server's. Only reports are remembered."""
        programs = [one for one in others if one.group]  # the kernel's own threads have none
        sample = Sample(
            at=at,
            cpu=sum((one.cpu + one.children_cpu for one in programs), timedelta(0)),
            counters=self._read(self._port),
            gpu_percent=self._gpu(),
        )
        found = use([*self._samples, sample], self._baseline)
        program = busiest(
            programs, self._others, at - self._samples[-1].at if self._samples else timedelta(0)
        )
        if is_report:
            self._remember(sample, programs)
        return MachineUse(
            cpu_percent=found.cpu_percent,
            received=found.received,
            sent=found.sent,
            disk=found.disk,
            gpu_percent=found.gpu_percent,
            program=program,
            typed=self._key(sorted({path for one in programs if (path := terminal_path(one.terminal))})),
        )

    def _remember(self, sample: Sample, programs: Iterable[Process]) -> None:
        self._samples.append(sample)
        while sample.at - self._samples[0].at > WINDOW:
            self._samples.popleft()
        if sample.at - self._samples[0].at >= WINDOW / 2:
            self._baseline = min(self._baseline, use(list(self._samples), 0.0).cpu_percent)
        self._others = {(one.pid, one.started): one.cpu for one in programs}


def use(samples: list[Sample], baseline: float) -> MachineUse:
    """The use that lasts over these samples: medians over their intervals; nothing before they cover half of WINDOW."""
    if len(samples) < 2 or samples[-1].at - samples[0].at < WINDOW / 2:
        return MachineUse()
    pairs = [(before, after) for before, after in pairwise(samples) if after.at > before.at]
    traffic = [_traffic(before, after) for before, after in pairs]
    cpu = median(percent_of_core(after.cpu - before.cpu, after.at - before.at) for before, after in pairs)
    return MachineUse(
        cpu_percent=max(0.0, cpu - baseline),
        received=median(received for received, _, _ in traffic),
        sent=median(sent for _, sent, _ in traffic),
        disk=median(disk for _, _, disk in traffic),
        # A program that trains a model uses the GPU in bursts.
        gpu_percent=max(sample.gpu_percent for sample in samples),
    )


def _traffic(before: Sample, after: Sample) -> tuple[float, float, float]:
    """Bytes a second received, sent, and of disks, without what the server's own connections had."""
    seconds = (after.at - before.at).total_seconds()
    earlier = {inode: (received, sent) for inode, received, sent in before.counters.served}
    served_in = served_out = 0
    for inode, received, sent in after.counters.served:
        old_in, old_out = earlier.get(inode, (0, 0))
        served_in, served_out = served_in + received - old_in, served_out + sent - old_out
    return (
        max(0, after.counters.received - before.counters.received - served_in) / seconds,
        max(0, after.counters.sent - before.counters.sent - served_out) / seconds,
        max(0, after.counters.disk - before.counters.disk) / seconds,
    )


def busiest(programs: Iterable[Process], before: dict[tuple[int, int], timedelta], elapsed: timedelta) -> str:
    """The name of the program that has used most CPU since, if it has used any to speak of."""
    used = [
        (percent_of_core(one.cpu - before.get((one.pid, one.started), timedelta(0)), elapsed), one.name)
        for one in programs
    ]
    percent, name = max(used, default=(0.0, ""))
    return name if percent >= LEAST_SHARE else ""
