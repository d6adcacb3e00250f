"""Metric datapoints by CloudWatch's rules, and what EC2 itself measures of running instances.

Series have exact dimensions, aligned periods, two resolutions and a retention.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from bootstrap.local import processes
from bootstrap.local.cloud.ec2.instances import Machine, Machines
from bootstrap.local.cloud.ec2.launching import vcpus
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.emulator import Emulator

HIGH_RESOLUTION = 1
STANDARD_RESOLUTION = 60
KEPT = {HIGH_RESOLUTION: 3 * 3600.0, STANDARD_RESOLUTION: 15 * 86400.0}
"""Seconds that datapoints are kept at their own resolution."""

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name; `dimensions` sorted: another set of dimensions is another metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was reported of a moment (epoch seconds): a value, or several as their statistics."""

    at: float
    minimum: float
    maximum: float
    total: float
    count: float
    unit: str


@dataclass(slots=True)
class Series:
    """The samples of one metric, in order of time."""

    times: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    keeps: float = 0.0

    def add(self, sample: Sample) -> None:
        """Inserts a sample at its time."""
        place = bisect_left(self.times, sample.at)
        self.times.insert(place, sample.at)
        self.samples.insert(place, sample)

    def forget(self, before: float) -> None:
        """Drops the samples before a moment."""
        place = bisect_left(self.times, before)
        del self.times[:place], self.samples[:place]

    def between(self, start: float, end: float) -> list[Sample]:
        """The samples of a time range; `end` is exclusive."""
        return self.samples[bisect_left(self.times, start) : bisect_left(self.times, end)]


@dataclass(slots=True)
class MetricStore:
    """All series. Used under the emulator's lock; part of the snapshot."""

    _series: dict[Metric, Series] = field(init=False, default_factory=dict)

    def put(self, metric: Metric, sample: Sample, resolution: int, now: float) -> bool:
        """Adds a sample, rounded down to its resolution; whether the metric is new."""
        is_new = metric not in self._series
        series = self._series.setdefault(metric, Series())
        series.keeps = max(series.keeps, KEPT[resolution])
        at = sample.at - sample.at % resolution
        series.add(Sample(at, sample.minimum, sample.maximum, sample.total, sample.count, sample.unit))
        series.forget(now - series.keeps)
        return is_new

    def statistic(
        self, metric: Metric, name: str, period: int, start: float, end: float, unit: str | None = None
    ) -> Mapping[float, float]:
        """The statistic of every period that has data, by the period's start.

        Periods are aligned to the clock; `start` is rounded down to one, `end` is exclusive.
        """
        series = self._series.get(metric)
        if series is None:
            return {}
        periods: dict[float, list[Sample]] = {}
        for sample in series.between(start - start % period, end):
            if unit is None or sample.unit == unit:
                periods.setdefault(sample.at - sample.at % period, []).append(sample)
        return {at: _statistic(name, samples) for at, samples in periods.items()}


def _statistic(name: str, samples: list[Sample]) -> float:
    count = sum(sample.count for sample in samples)
    total = sum(sample.total for sample in samples)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return total
        case "Average":
            return total / count
        case "Minimum":
            return min(sample.minimum for sample in samples)
        case "Maximum":
            return max(sample.maximum for sample in samples)
        case _:
            raise ValueError(f"{name} is not one of {', '.join(STATISTICS)}")


NAMESPACE = "AWS/EC2"

Record = Callable[[Metric, Sample, int], None]
"""Takes a sample and its resolution in seconds."""

CpuTimes = dict[tuple[int, float], float]


@dataclass(slots=True)
class Monitor:
    """Measures every running instance each period."""

    emulator: Emulator
    machines: Machines
    record: Record
    state_dir: Path
    clock: Callable[[], float]
    period: timedelta
    _before: dict[str, CpuTimes] = field(init=False, default_factory=dict)
    _measured_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._measured_at = self.clock()

    def run(self, ended: threading.Event) -> None:
        """Measures each period until the event is set."""
        while not ended.wait(self.period.total_seconds()):
            self.measure()

    def measure(self) -> None:
        """Records one datapoint for every running instance."""
        running = processes.by_instance(self.state_dir)
        times = {instance_id: processes.cpu_seconds(mine) for instance_id, mine in running.items()}
        now = self.clock()
        passed, self._measured_at = now - self._measured_at, now
        with self.emulator.lock:
            for machine in self.machines:
                if machine.state is State.RUNNING:
                    before = self._before.get(machine.instance_id, {})
                    spent = cpu_spent(before, times.get(machine.instance_id, {}))
                    count = vcpus(str(machine.instance.instance_type))
                    machine.cpu_percent = min(100.0, 100 * spent / (passed * count)) if passed > 0 else 0.0
                    self._record(machine, now)
        self._before = times

    def _record(self, machine: Machine, now: float) -> None:
        failed = 1.0 if machine.is_dead else 0.0
        dimensions = (("InstanceId", machine.instance_id),)
        short = self.period < timedelta(seconds=STANDARD_RESOLUTION)
        for name, value, unit in (
            ("CPUUtilization", machine.cpu_percent, "Percent"),
            ("StatusCheckFailed", failed, "Count"),
            ("StatusCheckFailed_Instance", failed, "Count"),
        ):
            sample = Sample(now, value, value, value, 1.0, unit)
            resolution = HIGH_RESOLUTION if short else STANDARD_RESOLUTION
            self.record(Metric(NAMESPACE, name, dimensions), sample, resolution)


def cpu_spent(before: CpuTimes, now: CpuTimes) -> float:
    """CPU seconds between two measurements; a process that is new counts from its start."""
    return sum(max(0.0, spent - before.get(process, 0.0)) for process, spent in now.items())
