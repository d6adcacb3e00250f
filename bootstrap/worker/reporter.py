"""Observes the machine once a report period, and whenever the hub asks, and publishes to CloudWatch.

It needs ``cloudwatch:PutMetricData`` on the cluster's namespace and nothing else. CloudWatch sorts datapoints into
periods that begin at multiples of their length. Each worker reports at a moment of its own within each period, so that
every period has exactly one datapoint, whatever the delays, and not all workers call in the same second.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from lifecycle_app.contract import (
    METRIC_APP,
    METRIC_HOME_FREE,
    METRIC_HOME_SIZE,
    METRIC_LEVEL,
    METRIC_SOURCE,
    METRIC_UNITS,
    Level,
    Signal,
    is_filling,
    metric_namespace,
)

from .facts import AppUse, Awaited, Facts, HomeSpace, Interaction, MachineUse, Observation, ProcessTree
from .machine import Watch
from .observation import observe
from .proc import Process
from .work import candidates, waits_of

log = logging.getLogger(__name__)

# Where handlers find the reporter of their server, and its settings, among the web application's settings.
REPORTER, SETTINGS = "cloudjhub_reporter", "cloudjhub_reporter_settings"

# How often kernels are checked between two reports. It costs nothing: the server has their states in memory.
KERNEL_SAMPLING = timedelta(seconds=5)


# For how long after a person's last act it is not reported what else keeps the machine busy.
NAMED_AFTER = timedelta(minutes=2)

# CloudWatch accepts much older datapoints; but a decision about a machine does not wait longer than this for a report.
KEPT = timedelta(minutes=10)
# PutMetricData's limit for one call.
MAX_METRICS = 1000
HIGH_RESOLUTION_BELOW = timedelta(seconds=60)


class MetricSink(Protocol):
    """The part of boto3's CloudWatch client that is used."""

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> Any:  # noqa: N803 (AWS's names)
        """Sends up to MAX_METRICS datapoints. Raises botocore's errors."""


def metric_data(observation: Observation, instance_id: str, report_period: timedelta) -> list[dict[str, Any]]:
    """An observation as PutMetricData takes it: the level always, its explanation only where there is one."""
    values = [
        (METRIC_LEVEL, float(observation.level)),
        ("Interaction", float(observation.level >= 3)),
        ("BusyKernels", float(observation.busy_kernels)),
        ("BusyTerminals", float(observation.busy_terminals)),
        ("CPU", observation.cpu_percent),
        (METRIC_APP, float(observation.app if observation.has_app_traffic else 0)),
        (METRIC_SOURCE, 0.0 if _has_person(observation) else observation.source),
        *_home_values(observation.home),
    ]
    return [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
            "Timestamp": observation.at,
            "Value": value,
            "Unit": METRIC_UNITS[name],
            "StorageResolution": 1 if report_period < HIGH_RESOLUTION_BELOW else 60,
        }
        for name, value in values
        if value or name in (METRIC_LEVEL, METRIC_HOME_FREE)
    ]


def _has_person(observation: Observation) -> bool:
    """Was a person there just now? Then nothing else has to be named, and each metric costs money."""
    used = observation.last_interaction
    return used is not None and observation.at - used < NAMED_AFTER


def _home_values(home: HomeSpace | None) -> list[tuple[str, float]]:
    """A home is reported while it fills: each metric costs money in the hours that have data."""
    if home is None or not is_filling(home.size, home.free):
        return []
    return [(METRIC_HOME_SIZE, home.size), (METRIC_HOME_FREE, home.free)]


class Publisher:
    """Sends observations; those that could not be sent are sent next time. Used by one thread at a time."""

    def __init__(
        self, connect: Callable[[], MetricSink], *, cluster: str, instance_id: str, report_period: timedelta
    ) -> None:
        self._connect = connect
        self._sink: MetricSink | None = None
        self._namespace = metric_namespace(cluster)
        self._instance_id = instance_id
        self._report_period = report_period
        self._unsent: deque[Observation] = deque()
        self._failing = False

    def publish(self, observations: Iterable[Observation], now: datetime) -> None:
        """Send them with those still unsent, oldest first. A failure is logged once, until it is over."""
        self._unsent.extend(observations)
        while self._unsent and now - self._unsent[0].at > KEPT:
            self._unsent.popleft()
        try:
            self._send()
        except Exception as error:  # whatever botocore raises: the user's server must not suffer from it
            if not self._failing:
                log.warning("Worker %s: activity is not published for now: %s", self._instance_id, error)
            self._failing = True
            return
        if self._failing:
            log.info("Worker %s: activity is published again", self._instance_id)
        self._failing = False

    def _send(self) -> None:
        if self._sink is None:
            self._sink = self._connect()
        data: list[dict[str, Any]] = []
        for observation in self._unsent:
            data += metric_data(observation, self._instance_id, self._report_period)
        for start in range(0, len(data), MAX_METRICS):
            self._sink.put_metric_data(
                Namespace=self._namespace, MetricData=data[start : start + MAX_METRICS]
            )
        self._unsent.clear()


def cloudwatch() -> MetricSink:
    """A CloudWatch client for the machine's own region and role. Its timeouts are short: unsent reports are kept."""
    # Imported late, in the publishing thread: it takes a quarter of a second of the login.
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    client: Any = boto3.client("cloudwatch", config=config)
    sink: MetricSink = client
    return sink


EPOCH = datetime.fromtimestamp(0, UTC)

# Not at a period's edges, so that a small step of the clock cannot move a report into the next one.
EARLIEST, LATEST = 0.2, 0.8


def next_report(now: datetime, period: timedelta, instance_id: str) -> datetime:
    """The next moment after ``now`` at which this worker reports."""
    first = EPOCH + period * phase(instance_id)
    passed = (now - first) // period
    return first + (passed + 1) * period


def counts_from(at: datetime, period: timedelta, instance_id: str, step: timedelta) -> datetime:
    """From when on a timeout counts after activity at ``at``: the end of the step in which it is reported.

    What happens between two reports is known by the next one; the lifecycle app reads reports by periods of ``step``.
    """
    reported = next_report(at - timedelta.resolution, period, instance_id)
    return EPOCH + ((reported - EPOCH) // step + 1) * step if step else reported


def phase(instance_id: str) -> float:
    """A worker's own moment within a period, as a fraction of it, always the same for the same worker."""
    digest = hashlib.sha256(instance_id.encode()).digest()
    return EARLIEST + (LATEST - EARLIEST) * int.from_bytes(digest[:4]) / 2**32


class Server(Protocol):
    """What the reporter uses of the Jupyter server."""

    def busy_kernels(self) -> frozenset[str]:
        """The ids of the kernels that run something."""

    def terminals(self) -> Mapping[str, int]:
        """The process id of each terminal's shell, by the terminal's name."""

    def last_interaction(self, ignored: Collection[Signal] = ()) -> Interaction | None:
        """What a user last did that is not of an ignored signal, None before anything."""

    def last_app(self) -> AppUse | None:
        """The newest traffic of a web app, None before any."""

    def home(self) -> HomeSpace | None:
        """The space of the user's home, None if it cannot be asked."""


class Reporter:
    """Observes one server and publishes the observations. ``read_tree`` and ``read_waits`` run in a thread.

    ``ignored``: the signals that do not count now. ``watch``: watches a machine that is the server's alone.
    """

    def __init__(
        self,
        server: Server,
        publisher: Publisher,
        *,
        read_tree: Callable[[int], ProcessTree],
        read_waits: Callable[[Sequence[Process], Sequence[int]], Mapping[int, frozenset[Awaited]]],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ignored: Callable[[], frozenset[Signal]] = frozenset,
        watch: Watch | None = None,
        root: int,
        pid: int,
        instance_id: str,
        report_period: timedelta,
    ) -> None:
        self._server = server
        self._publisher = publisher
        self._read_tree = read_tree
        self._read_waits = read_waits
        self._clock = clock
        self._sleep = sleep
        self._ignored = ignored
        self._watch = watch
        self.root = root
        self._pid = pid
        self._instance_id = instance_id
        self._period = report_period
        # The facts of the last two reports.
        self._before: tuple[Facts, Facts] | None = None
        self._last_work: datetime | None = None
        self.last_load: datetime | None = None
        """When load was last seen without work or a person."""
        self._sampled: frozenset[str] = frozenset()
        self._ran: frozenset[str] = frozenset()
        self._sending: asyncio.Task[None] | None = None
        self._unsent: list[Observation] = []

    async def start(self) -> None:
        """Observe the machine once, as the start of the first report's period."""
        first = await self._facts(self._clock())
        self._before = (first, first)

    async def run(self) -> None:
        """Report at the moments that ``next_report`` gives, until cancelled. A failed observation is only logged."""
        while True:
            try:
                await self._report_once()
            except Exception:
                log.exception("Worker %s: cannot observe the machine", self._instance_id)
                await self._sleep(KERNEL_SAMPLING.total_seconds())

    async def _report_once(self) -> None:
        due = next_report(self._clock(), self._period, self._instance_id)
        await self._sample_kernels_until(due)
        now = self._clock()
        # After hibernation the due moment is long past, and this observation is not about it.
        await self.report(due if now - due < self._period else now)

    async def report(self, at: datetime) -> Observation:
        """Close the period at ``at``, and publish it in the background."""
        facts = await self._facts(at, is_report=True)
        _, last = self._reports()
        observation = observe(facts, last, self._last_work, self._ignored())
        self._before = (last, facts)
        self._remember(observation)
        self._ran = frozenset()
        self._unsent.append(observation)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
            self._sending.add_done_callback(self._log_failure)
        return observation

    async def observe_now(self) -> Observation:
        """A new observation, over at least half a report period, so that its CPU figure is meaningful."""
        facts = await self._facts(self._clock())
        last_but_one, last = self._reports()
        before = last if facts.at - last.at >= self._period / 2 else last_but_one
        observation = observe(facts, before, self._last_work, self._ignored())
        self._remember(observation)
        return observation

    def _remember(self, observation: Observation) -> None:
        self._last_work = observation.last_work
        if observation.level is Level.LOAD:
            self.last_load = observation.at

    def _reports(self) -> tuple[Facts, Facts]:
        if self._before is None:
            raise RuntimeError("the reporter has not been started")
        return self._before

    async def _facts(self, at: datetime, *, is_report: bool = False) -> Facts:
        tree = await asyncio.to_thread(self._read_tree, self.root)
        machine = await asyncio.to_thread(self._machine, at, tree.others, is_report)
        facts = Facts(
            at=at,
            root=self.root,
            server=self._pid,
            processes=tree.processes,
            cpu_time=tree.cpu_time,
            terminals=self._server.terminals(),
            busy_kernels=tuple(sorted(self._ran | self._server.busy_kernels())),
            last_interaction=self._last_interaction(machine),
            machine=machine,
            last_app=self._server.last_app(),
            home=self._server.home(),
        )
        asleep = candidates(facts)
        waits = await asyncio.to_thread(self._read_waits, facts.processes, asleep) if asleep else {}
        before = self._before[1] if self._before else None
        return replace(facts, waits=waits_of(facts.processes, waits, before))

    def _machine(self, at: datetime, others: Sequence[Process], is_report: bool) -> MachineUse:
        """What goes on beside the server. What of that cannot be read must not keep the rest from being reported."""
        try:
            return self._watch.look(at, others, is_report=is_report) if self._watch else MachineUse()
        except Exception:
            log.exception("Worker %s: cannot observe the whole machine", self._instance_id)
            return MachineUse()

    def _last_interaction(self, machine: MachineUse) -> Interaction | None:
        """The newest of what the user did in the server and in sessions beside it."""
        ignored = self._ignored()
        seen = self._server.last_interaction(ignored)
        typed = None if Signal.SESSIONS in ignored else machine.typed
        if typed is None or (seen is not None and seen.at >= typed):
            return seen
        return Interaction(at=typed, what="typed in a session beside JupyterLab")

    async def _sample_kernels_until(self, due: datetime) -> None:
        """Note kernels that are busy at two checks in a row: work that may be over at the report."""
        while (left := due - self._clock()) > timedelta(0):
            await self._sleep(min(left, KERNEL_SAMPLING).total_seconds())
            busy = self._server.busy_kernels()
            self._ran |= busy & self._sampled
            self._sampled = busy

    async def _send(self) -> None:
        while self._unsent:
            observations, self._unsent = self._unsent, []
            await asyncio.to_thread(self._publisher.publish, observations, self._clock())

    def _log_failure(self, sending: "asyncio.Task[None]") -> None:
        """Log the exception of a task that nothing awaits. The next report sends again."""
        if not sending.cancelled() and (error := sending.exception()):
            log.error("Worker %s: a report is lost", self._instance_id, exc_info=error)
