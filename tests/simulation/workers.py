"""What runs on the workers: servers that people use, and reporters that report it. The truth that audits go by."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bootstrap.worker.reporter import KEPT
from hub.errors import WorkerSilent
from lifecycle_app.contract import metric_namespace
from tests.simulation.cloudwatch import LeanCloudWatch
from tests.simulation.ec2 import LeanEC2, Machine
from tests.simulation.virtual_time import VirtualLoop

PERIOD = timedelta(minutes=1)
WORK, INTERACTION = 2, 3


@dataclass(slots=True)
class Life:
    """What really happened on a machine in one run."""

    interactions: list[datetime] = field(default_factory=list)
    work: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Since when and until when a cell or program runs, unless it is ended earlier."""

    def touch(self, at: datetime) -> None:
        """A person does something."""
        self.interactions.append(at)

    def run(self, at: datetime, takes: timedelta) -> None:
        """Something begins to run."""
        self.work.append((at, at + takes))

    def last_interaction(self, now: datetime) -> datetime | None:
        before = bisect_right(self.interactions, now)
        return self.interactions[before - 1] if before else None

    def last_work(self, now: datetime) -> datetime | None:
        return max((min(now, end) for begin, end in self.work if begin <= now), default=None)

    def is_busy(self, now: datetime) -> bool:
        return any(begin <= now < end for begin, end in self.work)

    def last_life(self, now: datetime) -> datetime | None:
        """The newest sign of a person or of work until then."""
        return max(filter(None, (self.last_interaction(now), self.last_work(now))), default=None)

    def level(self, since: datetime, now: datetime) -> int:
        """The highest level of life in that time."""
        if any(since < at <= now for at in reversed(self.interactions[-50:])):
            return INTERACTION
        return WORK if any(begin <= now and end > since for begin, end in self.work) else 0


class Process:
    """A worker's boot client, server and reporter: one run of a machine."""

    def __init__(self, machine: Machine, loop: VirtualLoop) -> None:
        self.machine = machine
        self.life = Life()
        self.is_up = False
        """Does its server answer?"""
        self.unsent: list[tuple[datetime, int]] = []
        """When reports were made that CloudWatch has not got, and their levels."""
        self._loop = loop
        self.task: Any = None

    async def run(
        self,
        environment: Callable[[str], bool],
        report: Callable[["Process", datetime, int], None],
        boots_in: float,
    ) -> None:
        """Asks for its environment until there is one, serves, and reports once a period."""
        await asyncio.sleep(boots_in)
        while not environment(self.machine.instance_id):
            await asyncio.sleep(3)
        await asyncio.sleep(2)
        self.is_up = True
        told = self._loop.now()
        while True:
            await asyncio.sleep(PERIOD.total_seconds())
            now = self._loop.now()
            report(self, now, self.life.level(told, now))
            told = now

    def observed(self) -> Mapping[str, Any]:
        """What its reporter answers just now."""
        now = self._loop.now()
        interaction, work = self.life.last_interaction(now), self.life.last_work(now)
        return {
            "instance_id": self.machine.instance_id,
            "observed_at": now.timestamp(),
            "level": self.life.level(now - timedelta(seconds=5), now),
            "last_interaction": interaction.timestamp() if interaction else None,
            "last_work": work.timestamp() if work else None,
            "details": [],
        }


class Workers:
    """The running processes; what hub.clients.workers.Workers is to the hub."""

    def __init__(
        self, ec2: LeanEC2, cloudwatch: LeanCloudWatch, cluster: str, *, loses: Callable[[], bool]
    ) -> None:
        self._ec2 = ec2
        self._cloudwatch = cloudwatch
        self._namespace = metric_namespace(cluster)
        self._loses = loses
        self.by_instance: dict[str, Process] = {}

    async def wait_for(self, url: str) -> None:
        """Returns as soon as the server at this address answers."""
        while not self._at(url):
            await asyncio.sleep(1)

    async def activity(self, url: str, token: str) -> Mapping[str, Any]:
        """What goes on in a worker. Raises WorkerSilent."""
        await asyncio.sleep(0.05)
        process = self._at(url)
        if process is None or self._loses():
            raise WorkerSilent("no answer", answers=False)
        return process.observed()

    def report(self, process: Process, now: datetime, level: int) -> None:
        """A reporter's PutMetricData. What cannot be sent goes with the next one, as the real one's does."""
        process.unsent = [(at, told) for at, told in process.unsent if now - at <= KEPT] + [(now, level)]
        if self._loses():
            return
        for at, told in process.unsent:
            self._cloudwatch.put(self._namespace, "Activity", process.machine.instance_id, told, at)
        process.unsent = []

    def _at(self, url: str) -> Process | None:
        address = url.removeprefix("http://").partition(":")[0]
        for process in self.by_instance.values():
            if process.machine.address == address and process.is_up:
                return process
        return None
