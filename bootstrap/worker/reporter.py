"""Looks at the machine once a report period, and whenever the hub asks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .facts import Facts, Interaction, Observation
from .observation import observe
from .processes import ProcessTree
from .publishing import Publisher
from .schedule import next_report

log = logging.getLogger(__name__)

# How often kernels are looked at between two reports. It costs nothing: the server keeps their states.
KERNEL_SAMPLING = timedelta(seconds=5)


class Server(Protocol):
    """What is asked of the Jupyter server."""

    def busy_kernels(self) -> frozenset[str]: ...

    def terminals(self) -> Mapping[str, int]: ...

    def last_interaction(self) -> Interaction | None: ...


class Reporter:
    """Observes one server and publishes what it sees. ``read_tree`` is run in a thread."""

    def __init__(
        self,
        server: Server,
        publisher: Publisher,
        *,
        read_tree: Callable[[int], ProcessTree],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        root: int,
        pid: int,
        instance_id: str,
        report_period: timedelta,
    ) -> None:
        self._server = server
        self._publisher = publisher
        self._read_tree = read_tree
        self._clock = clock
        self._sleep = sleep
        self._root = root
        self._pid = pid
        self._instance_id = instance_id
        self._period = report_period
        # The facts of the last two reports.
        self._before: tuple[Facts, Facts] | None = None
        self._last_work: datetime | None = None
        self._sampled: frozenset[str] = frozenset()
        self._ran: frozenset[str] = frozenset()
        self._sending: asyncio.Task[None] | None = None
        self._unsent: list[Observation] = []

    async def start(self) -> None:
        """Take the first look, against which the first report is made."""
        first = await self._facts(self._clock())
        self._before = (first, first)

    async def run(self) -> None:
        """Report for ever, at the moments that ``next_report`` gives. A failed look is logged and the next one made."""
        while True:
            try:
                await self._report_once()
            except Exception:
                log.exception("Worker %s: cannot look at the machine", self._instance_id)
                await self._sleep(KERNEL_SAMPLING.total_seconds())

    async def _report_once(self) -> None:
        due = next_report(self._clock(), self._period, self._instance_id)
        await self._sample_kernels_until(due)
        now = self._clock()
        # After hibernation the moment that was due is long gone, and says nothing about what was then.
        await self.report(due if now - due < self._period else now)

    async def report(self, at: datetime) -> Observation:
        """Close the period at ``at``, and publish it in the background."""
        facts = await self._facts(at)
        _, last = self._reports()
        observation = observe(facts, last, self._last_work)
        self._before = (last, facts)
        self._last_work = observation.last_work
        self._ran = frozenset()
        self._unsent.append(observation)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
            self._sending.add_done_callback(self._tell_failure)
        return observation

    async def look(self) -> Observation:
        """A fresh observation, over at least half a report period so that its CPU figure means something."""
        facts = await self._facts(self._clock())
        last_but_one, last = self._reports()
        before = last if facts.at - last.at >= self._period / 2 else last_but_one
        observation = observe(facts, before, self._last_work)
        self._last_work = observation.last_work
        return observation

    def _reports(self) -> tuple[Facts, Facts]:
        if self._before is None:
            raise RuntimeError("the reporter has not been started")
        return self._before

    async def _facts(self, at: datetime) -> Facts:
        tree = await asyncio.to_thread(self._read_tree, self._root)
        return Facts(
            at=at,
            root=self._root,
            server=self._pid,
            processes=tree.processes,
            cpu_time=tree.cpu_time,
            terminals=self._server.terminals(),
            busy_kernels=tuple(sorted(self._ran | self._server.busy_kernels())),
            last_interaction=self._server.last_interaction(),
        )

    async def _sample_kernels_until(self, due: datetime) -> None:
        """Note kernels that are busy at two looks in a row: work that would be over at the report."""
        while (left := due - self._clock()) > timedelta(0):
            await self._sleep(min(left, KERNEL_SAMPLING).total_seconds())
            busy = self._server.busy_kernels()
            self._ran |= busy & self._sampled
            self._sampled = busy

    async def _send(self) -> None:
        while self._unsent:
            observations, self._unsent = self._unsent, []
            await asyncio.to_thread(self._publisher.publish, observations, self._clock())

    def _tell_failure(self, sending: "asyncio.Task[None]") -> None:
        """What a task ends with is seen by nobody, unless somebody asks. The next report sends again."""
        if not sending.cancelled() and (error := sending.exception()):
            log.error("Worker %s: a report is lost", self._instance_id, exc_info=error)


def utc_now() -> datetime:
    return datetime.now(UTC)
