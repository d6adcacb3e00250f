"""A small class: what `report` says was used is what EC2 metered, however it is divided.

A month of a day, cut out of the middle of people's work; its number is its seed. Whole ones take minutes each:
`CLOUDJHUB_MONTHS=20 CLOUDJHUB_MONTH_DAYS=30 pytest -n 2 tests/simulation/test_report.py`.
"""

import logging
import os
from datetime import datetime, timedelta
from typing import Any

import pytest

from bootstrap.costs import Assumptions
from bootstrap.costs.serverless import CALLS_AN_HOUR
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.operations.report.period import Month, Period
from bootstrap.operations.report.statement import By, rows, summed
from bootstrap.operations.report.usage import Tariff, found
from lifecycle_app.model.history import PER_HOUR
from tests.simulation.ec2 import Machine
from tests.simulation.people import HOUR, Person
from tests.simulation.world import World

MONTHS = int(os.environ.get("CLOUDJHUB_MONTHS", "1"))
LASTS = timedelta(days=int(os.environ.get("CLOUDJHUB_MONTH_DAYS", "1")))
AROUND = timedelta(hours=7)
"""Before and after the month people work too."""
GROUPS = {"alice": ("bio", "chem"), "bob": ("bio",)}
TARIFF = Tariff(is_known=True, running_hour=0.0, disk_month=0.08)


class Meter:
    """What EC2 bills: from `running` to `stopping`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, datetime] = {}
        self.runs: list[tuple[datetime, datetime, str]] = []
        """From when to when, and the type."""
        told = world.ec2.told

        def heard(machine: Machine, state: State) -> None:
            if state is State.RUNNING:
                self._since[machine.instance_id] = world.now()
            elif machine.instance_id in self._since:
                self._end(machine)
            told(machine, state)

        world.ec2.told = heard

    def close(self) -> None:
        """What still runs counts until now."""
        for instance_id in [*self._since]:
            self._end(self._world.ec2.by_id[instance_id])

    def _end(self, machine: Machine) -> None:
        begin = self._since.pop(machine.instance_id)
        self.runs.append((begin, self._world.now(), machine.instance_type))


def live(world: World, name: str) -> None:
    world.loop.create_task(Person(world, name, away=3 * HOUR).live())


class Logged(logging.Handler):
    """How much the functions log, in the form that Lambda gives each line."""

    PREFIX = len("[WARNING]\t2026-11-23T12:00:00.000Z\t00000000-0000-0000-0000-000000000000\t\n")
    LAMBDAS_OWN = 400
    """Bytes of START, END and REPORT in each call."""
    OF_A_LINE = 26
    """Bytes that CloudWatch adds to each."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.bytes += len(self.format(record).encode()) + self.PREFIX + self.OF_A_LINE


def test_a_call_logs_as_much_as_the_bill_says() -> None:
    """A day of three people, whose machines are stopped; every call of a schedule or an event."""
    world, logged = World("a day's log"), Logged()
    app = logging.getLogger("lifecycle_app")
    level = app.level
    for name in ("alice", "bob", "carol"):
        world.loop.call_soon(live, world, name)
    app.addHandler(logged)
    app.setLevel(logging.INFO)
    try:
        world.run(timedelta(days=1))
    finally:
        app.removeHandler(logged)
        app.setLevel(level)
        world.close()
    calls = 24 * CALLS_AN_HOUR
    assert logged.bytes > calls * 50
    assert logged.bytes / calls + Logged.LAMBDAS_OWN <= 1000 * Assumptions().log_kb_a_call


@pytest.mark.parametrize("seed", range(MONTHS))
@pytest.mark.parametrize("faults", [0.0, 0.02])
def test_the_report_is_what_was_metered(seed: int, faults: float) -> None:
    world = World(f"month {seed}")
    meter = Meter(world)
    begin = world.now() + AROUND
    period = Period(Month(begin, begin + LASTS), begin, begin + LASTS)
    for name in ("alice", "bob", "carol"):
        world.loop.call_soon(live, world, name)
    try:
        with world.failing(faults):
            world.run(AROUND + LASTS + AROUND)
        meter.close()
        now = world.now()
        entries = world.store.runs_of_days(period.history_days(now))
        seen = found(entries, world.store.scan(), disks(world), 8, TARIFF, period, now)
        sums = [summed(row.amount for row in rows(by, seen.cells, GROUPS, 12.5, period)) for by in By]
        hours, dollars = metered(meter, period)
        assert hours > 10
        for total in sums:
            assert total.hours == pytest.approx(hours, rel=0.02)
            assert total.machines == pytest.approx(dollars, rel=0.02)
            assert total.total == pytest.approx(sums[0].total)
    finally:
        world.close()


def disks(world: World) -> list[dict[str, Any]]:
    """A root disk of each machine that is there."""
    return [
        {
            "VolumeId": f"vol-{one.instance_id}",
            "Size": 8,
            "CreateTime": one.launched_at,
            "State": "in-use",
            "Attachments": [{"InstanceId": one.instance_id}],
            "Tags": [{"Key": "cloudjhub:user", "Value": one.tags["cloudjhub:user"]}],
        }
        for one in world.ec2.by_id.values()
        if one.state is not State.TERMINATED
    ]


def metered(meter: Meter, period: Period) -> tuple[float, float]:
    """Hours and US dollars in the period."""
    hours = dollars = 0.0
    for begin, end, kind in meter.runs:
        inside = max((min(end, period.end) - max(begin, period.begin)) / timedelta(hours=1), 0.0)
        hours += inside
        dollars += inside * PER_HOUR[kind]
    return hours, dollars
