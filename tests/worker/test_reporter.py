"""What happens between two reports counts in the period it happens in."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.worker.facts import AppUse, HomeSpace, Interaction, MachineUse, ProcessTree
from bootstrap.worker.machine import Watch
from bootstrap.worker.reporter import Publisher, Reporter, next_report
from lifecycle_app.contract import Level, Signal, source_number

from .test_publishing import Sink

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD = timedelta(seconds=60)


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


class Server:
    def __init__(self) -> None:
        self.busy: frozenset[str] = frozenset()
        self.fails = 0
        self.interaction: Interaction | None = None
        self.app: AppUse | None = None
        self.space: HomeSpace | None = None

    def busy_kernels(self) -> frozenset[str]:
        """Fails so many times more."""
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the kernels cannot be asked")
        return self.busy

    def terminals(self) -> Mapping[str, int]:
        return {}

    def last_interaction(self, ignored: Collection[Signal] = ()) -> Interaction | None:
        return self.interaction

    def last_app(self) -> AppUse | None:
        return self.app

    def home(self) -> HomeSpace | None:
        return self.space


class Machine:
    """A server, its CPU time and the clock, all moved by hand."""

    def __init__(self) -> None:
        self.server = Server()
        self.sink = Sink()
        self.now = START
        self.cpu = timedelta(0)
        self.looks = 0
        self.overslept = timedelta(0)
        self.busy_at: dict[datetime, str] = {}
        self.ignored: frozenset[Signal] = frozenset()
        self.reporter = Reporter(
            self.server,
            Publisher(lambda: self.sink, cluster="test", instance_id="i-1", report_period=PERIOD),
            read_tree=self.read_tree,
            read_waits=lambda _processes, _asleep: {},
            clock=lambda: self.now,
            sleep=self.sleep,
            ignored=lambda: self.ignored,
            root=1,
            pid=2,
            instance_id="i-1",
            report_period=PERIOD,
        )

    async def sleep(self, seconds: float) -> None:
        """Time passes at once; once, much more of it."""
        self.now += timedelta(seconds=seconds) + self.overslept
        self.overslept = timedelta(0)
        self.server.busy = frozenset({self.busy_at[self.now]} if self.now in self.busy_at else ())
        await asyncio.to_thread(lambda: None)

    def read_tree(self, root: int) -> ProcessTree:
        assert root == 1
        self.looks += 1
        if self.looks == 2:
            raise OSError("the second look fails")
        return ProcessTree((), self.cpu)


@pytest.fixture
async def machine() -> Machine:
    machine = Machine()
    await machine.reporter.start()
    machine.looks = 10
    return machine


async def test_an_interaction_counts_in_its_own_period_only(machine: Machine) -> None:
    machine.server.interaction = Interaction(at=second(1), what="typed")
    assert (await machine.reporter.report(second(60))).level is Level.INTERACTION
    seen = await machine.reporter.report(second(120))
    assert (seen.level, seen.last_interaction) == (Level.QUIET, second(1))


async def test_a_signal_is_ignored_from_when_the_machine_knows(machine: Machine) -> None:
    """Not before, as by a machine that the hub does not tell, or whose image does not know the signal."""
    machine.server.busy = frozenset({"kernel a"})
    assert (await machine.reporter.report(second(60))).level is Level.WORK
    machine.ignored = frozenset({Signal.KERNELS})
    assert (await machine.reporter.report(second(120))).level is Level.QUIET
    machine.now = second(180)
    assert (await machine.reporter.observe_now()).level is Level.QUIET


async def test_a_key_in_a_session_beside_the_server_is_a_persons(machine: Machine) -> None:
    """Unless that is ignored; and no failure there hides what the server sees."""
    typed, fails = second(30), [True]

    class Sessions(Watch):
        def look(self, *_: Any, **__: Any) -> MachineUse:
            if fails:
                raise OSError(fails.pop())
            return MachineUse(typed=typed)

    machine.server.interaction = Interaction(at=second(10), what="ran code")
    machine.reporter._watch = Sessions(8888)
    assert (await machine.reporter.report(second(60))).last_interaction == second(10)
    machine.ignored = frozenset({Signal.SESSIONS})
    assert (await machine.reporter.report(second(120))).last_interaction == second(10)
    machine.ignored = frozenset()
    assert (await machine.reporter.report(second(180))).last_interaction == typed
    machine.server.interaction = Interaction(at=second(31), what="ran code")
    assert (await machine.reporter.report(second(240))).last_interaction == second(31)


async def test_a_look_between_takes_nothing_from_the_next_report(machine: Machine) -> None:
    machine.server.interaction = Interaction(at=second(1), what="typed")
    machine.now = second(59)
    assert (await machine.reporter.observe_now()).level is Level.INTERACTION
    assert (await machine.reporter.report(second(60))).level is Level.INTERACTION


async def test_a_look_measures_cpu_over_at_least_half_a_period(machine: Machine) -> None:
    await machine.reporter.report(second(60))
    machine.cpu = timedelta(seconds=9)
    machine.now = second(61)
    assert (await machine.reporter.observe_now()).cpu_percent == pytest.approx(100 * 9 / 61, abs=0.1)
    machine.now = second(90)
    assert (await machine.reporter.observe_now()).cpu_percent == 30


async def test_work_that_a_look_has_seen_is_remembered(machine: Machine) -> None:
    machine.server.busy = frozenset({"kernel a"})
    machine.now = second(30)
    assert (await machine.reporter.observe_now()).level is Level.WORK
    machine.server.busy = frozenset()
    seen = await machine.reporter.report(second(60))
    assert (seen.level, seen.last_work) == (Level.QUIET, second(30))


async def test_reports_are_published_with_their_own_times(machine: Machine) -> None:
    await machine.reporter.report(second(60))
    await machine.reporter.report(second(120))
    while len(machine.sink.received) < 2:
        await asyncio.sleep(0)
    assert machine.sink.times() == [second(60), second(120)]


async def run_until(machine: Machine, reports: int) -> None:
    """Let the reporter run until so many reports are published."""
    running = asyncio.create_task(machine.reporter.run())
    while len(machine.sink.received) < reports:
        assert not running.done(), "it never stops reporting"
        await asyncio.to_thread(lambda: None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_look_that_fails_does_not_end_the_reports(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.looks = 1
    await run_until(machine, 2)
    first = next_report(START, PERIOD, "i-1")
    assert machine.sink.times()[:2] == [first + PERIOD, first + 2 * PERIOD]
    assert "the second look fails" in caplog.text


async def test_kernels_that_cannot_be_asked_for_once_do_not_end_the_reports(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.server.fails = 1
    await run_until(machine, 2)
    first = next_report(START, PERIOD, "i-1")
    assert machine.sink.times()[:2] == [first, first + PERIOD]
    assert "the kernels cannot be asked" in caplog.text


async def test_a_report_that_cannot_be_sent_is_logged_and_the_next_one_comes(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("a wrong program")

    monkeypatch.setattr(Publisher, "publish", fail)
    await run_until(machine, 1)
    assert machine.sink.times()[0] == next_report(START, PERIOD, "i-1") + PERIOD
    assert "a report is lost" in caplog.text


async def test_a_report_that_is_long_overdue_has_the_present_time(machine: Machine) -> None:
    """As after hibernation, where a sleep of seconds takes hours."""
    machine.overslept = timedelta(hours=2)
    await run_until(machine, 1)
    assert machine.sink.times()[0] == second(5) + timedelta(hours=2)


async def test_a_kernel_that_was_busy_for_a_while_between_reports_counts(machine: Machine) -> None:
    due = next_report(START, PERIOD, "i-1")
    machine.busy_at = {due - timedelta(seconds=20): "kernel a", due - timedelta(seconds=15): "kernel a"}
    machine.now = due - timedelta(seconds=25)
    await run_until(machine, 4)
    values = [(datum["MetricName"], datum["Value"]) for datum in machine.sink.received[:4]]
    source = ("Source", source_number("a running cell"))
    assert values == [("Activity", 2), ("BusyKernels", 1), source, ("Activity", 0)]


async def test_a_kernel_that_answers_a_question_in_between_does_not_count(machine: Machine) -> None:
    due = next_report(START, PERIOD, "i-1")
    machine.busy_at = {due - timedelta(seconds=20): "kernel a", due - timedelta(seconds=10): "kernel a"}
    machine.now = due - timedelta(seconds=25)
    await run_until(machine, 1)
    assert [(datum["MetricName"], datum["Value"]) for datum in machine.sink.received[:1]] == [("Activity", 0)]
