"""What EC2 itself measures of running instances: AWS/EC2 CPUUtilization and status checks."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bootstrap.local.cloud import instance_processes
from bootstrap.local.cloud.cloudwatch import CloudWatch
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.launching import vcpus
from bootstrap.local.cloud.machines import Machine, Machines
from bootstrap.local.cloud.metrics import HIGH_RESOLUTION, STANDARD_RESOLUTION, Metric, Sample
from bootstrap.local.cloud.rules import State

NAMESPACE = "AWS/EC2"

CpuTimes = dict[tuple[int, float], float]


class Monitor:
    """Measures every running instance each period."""

    def __init__(
        self,
        emulator: Emulator,
        machines: Machines,
        cloudwatch: CloudWatch,
        state_dir: Path,
        clock: Callable[[], float],
        period: timedelta,
    ) -> None:
        self._emulator = emulator
        self._machines = machines
        self._cloudwatch = cloudwatch
        self._state_dir = state_dir
        self._clock = clock
        self._period = period
        self._before: dict[str, CpuTimes] = {}
        self._measured_at = clock()

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(self._period.total_seconds()):
            self.measure()

    def measure(self) -> None:
        """Records one datapoint for every running instance."""
        running = instance_processes.by_instance(self._state_dir)
        times = {instance_id: instance_processes.cpu_seconds(mine) for instance_id, mine in running.items()}
        now = self._clock()
        passed, self._measured_at = now - self._measured_at, now
        with self._emulator.lock:
            for machine in self._machines:
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
        short = self._period < timedelta(seconds=STANDARD_RESOLUTION)
        for name, value, unit in (
            ("CPUUtilization", machine.cpu_percent, "Percent"),
            ("StatusCheckFailed", failed, "Count"),
            ("StatusCheckFailed_Instance", failed, "Count"),
        ):
            sample = Sample(now, value, value, value, 1.0, unit)
            resolution = HIGH_RESOLUTION if short else STANDARD_RESOLUTION
            self._cloudwatch.record(Metric(NAMESPACE, name, dimensions), sample, resolution)


def cpu_spent(before: CpuTimes, now: CpuTimes) -> float:
    """CPU seconds between two measurements; a process that is new counts from its start."""
    return sum(max(0.0, spent - before.get(process, 0.0)) for process, spent in now.items())
