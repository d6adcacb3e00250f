"""The traces' reports say what the worker's own reporter says of the same minutes."""

import asyncio
import random
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import pytest

from benchmarks.traces.reports import Reporter
from benchmarks.traces.trace import HOUR, MINUTE, Kind, Life, Trace, Work, moment
from bootstrap.worker.facts import Interaction, ProcessTree
from bootstrap.worker.proc import Process
from bootstrap.worker.reporter import Publisher, next_report
from bootstrap.worker.reporter import Reporter as RealReporter
from lifecycle_app.contract import Signal
from tests.worker.test_publishing import Sink

READY = 8 * HOUR
SHELL, PROGRAM = 3, 4


class Machine:
    """A server whose truth is a run; the real reporter looks at it."""

    def __init__(self, life: Life, instance_id: str, period: timedelta) -> None:
        self.life = life
        # Up before the person's page has loaded.
        self.now = READY - 5
        self.sink = Sink()
        self.reporter = RealReporter(
            self,
            Publisher(lambda: self.sink, cluster="test", instance_id=instance_id, report_period=period),
            read_tree=self.read_tree,
            read_waits=lambda _processes, _asleep: {},
            clock=lambda: moment(self.now),
            sleep=self.sleep,
            root=1,
            pid=2,
            instance_id=instance_id,
            report_period=period,
        )

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.to_thread(lambda: None)

    def busy_kernels(self) -> frozenset[str]:
        return frozenset("kernel" for one in self._running() if one.kind is not Kind.TERMINAL)

    def terminals(self) -> Mapping[str, int]:
        return {"1": SHELL}

    def last_interaction(self, ignored: Collection[Signal] = ()) -> Interaction | None:
        return Interaction(at=moment(self.life.last_interaction(self.now)), what="ran code")

    def last_app(self) -> None:
        return None

    def home(self) -> None:
        return None

    def read_tree(self, root: int) -> ProcessTree:
        used = sum(
            max(0.0, min(one.end, self.now) - one.begin) * one.cpu / 100 for one in self.life.works(self.now)
        )
        runs = any(one.kind is Kind.TERMINAL for one in self._running())
        programs = (Process(pid=PROGRAM, parent=SHELL, name="sleep"),) if runs else ()
        return ProcessTree(programs, timedelta(seconds=used))

    def _running(self) -> list[Work]:
        return [one for one in self.life.works(self.now) if one.end > self.now]


def a_life(seed: int) -> Life:
    """Half an hour with one work after the other, and an action now and then."""
    chance = random.Random(seed)  # noqa: S311 -- not a secret
    at, works, touches = READY + 120.0, [], [READY]
    while at < READY + 30 * MINUTE:
        end = at + chance.choice((3.0, 30.0, 61.0, 200.0)) + chance.random()
        works.append(Work(at, end, chance.choice((Kind.KERNEL, Kind.TERMINAL)), chance.choice((1.0, 100.0))))
        if chance.random() < 0.3:
            touches.append(at)
        at = end + chance.uniform(1, 400)
    return Life(Trace("alice", touches, works), READY, READY, READY)


@pytest.mark.parametrize("period", [30.0, 60.0])
@pytest.mark.parametrize("seed", range(8))
async def test_the_levels_are_those_of_the_real_reporter(seed: int, period: float) -> None:
    """But for cells so short that two looks, five seconds apart, may or may not hit them."""
    life, instance_id = a_life(seed), f"i-{seed}"
    model, machine = Reporter(instance_id, period), Machine(life, instance_id, timedelta(seconds=period))
    reported = dict(model.active(life, READY + HOUR))
    await machine.reporter.start()
    numbers = range(model.number_at(READY + 1), model.number_at(READY + 35 * MINUTE))
    for number in numbers:
        due = next_report(moment(machine.now), timedelta(seconds=period), instance_id)
        assert due == pytest.approx(moment(model.time_of(number)), abs=timedelta(milliseconds=1))
        await machine.reporter._report_once()
    while len(levels := _levels(machine.sink)) < len(numbers):
        await asyncio.sleep(0)
    unsure = {model.number_at(end) for end in _edges(life)}
    differing = {
        number: (int(reported[number].level) if number in reported else 0, level)
        for number, level in zip(numbers, levels, strict=True)
        if number not in unsure and level != (int(reported[number].level) if number in reported else 0)
    }
    assert not differing, f"seed {seed}: (model, reporter) by report: {differing}"


def _levels(sink: Sink) -> list[int]:
    data = [one for one in sink.received if one["MetricName"] == "Activity"]
    times: list[datetime] = [one["Timestamp"] for one in data]
    assert times == sorted(times)
    return [int(one["Value"]) for one in data]


def _edges(life: Life) -> list[float]:
    """Where a kernel was busy in a report's period for about the time between two looks."""
    return [
        at
        for one in life.works(READY + HOUR)
        if one.kind is Kind.KERNEL and one.end - one.begin < 15
        for at in (one.begin, one.end)
    ]
