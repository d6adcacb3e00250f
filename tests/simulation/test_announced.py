"""What a machine says beforehand about its stop, against the real decision: 500 machines that are left alone.

A page asks its machine once a minute and shows a notice ten minutes before the stop that the last status names.
"""

import random
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby, starmap
from operator import itemgetter

from bootstrap.worker.facts import Observation
from bootstrap.worker.presence import as_counted
from bootstrap.worker.reporter import next_report
from bootstrap.worker.settings import ReporterSettings
from bootstrap.worker.standing import standing
from bootstrap.worker.terms import Terms
from lifecycle_app.contract import REPORT_PERIOD, Level
from lifecycle_app.model.decision import Action, Reason, decide
from lifecycle_app.model.evidence import Evidence, Report
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import looked_back, query_period
from lifecycle_app.model.worker import EPOCH, State, Worker

START = datetime(2026, 11, 30, 9, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
MACHINES = 500
NOTICE = 10 * MINUTE
EARLIEST, LATEST = NOTICE + 35 * SECOND, NOTICE - 35 * SECOND
LONGEST_TIMEOUT = 6 * 60 * 60


RUNNING = Worker(
    key="alice",
    instance_id="i-a11ce",
    state=State.RUNNING,
    state_at=START,
    version=1,
    changed_at=START,
    started_at=START,
)


@dataclass
class Machine:
    """One that is used last at `used`, and then reports that nothing happens."""

    instance_id: str
    policy: Policy
    used: datetime
    asks_at: timedelta
    """The page's own moment within a minute."""

    @property
    def step(self) -> timedelta:
        return query_period(REPORT_PERIOD, looked_back(self.policy, REPORT_PERIOD))

    @cached_property
    def reports(self) -> list[tuple[datetime, Level]]:
        """The moments at which it reports, and what; those in the middle, which say the same, are left out."""
        first = next_report(self.used - 2 * REPORT_PERIOD, REPORT_PERIOD, self.instance_id)
        count = int((self.policy.idle_timeout + 5 * MINUTE) / REPORT_PERIOD)
        moments = [first + n * REPORT_PERIOD for n in sorted({*range(10), *range(count - 30, count)})]
        return [
            (at, Level.INTERACTION if at - REPORT_PERIOD < self.used <= at else Level.QUIET) for at in moments
        ]

    def due(self) -> datetime:
        """The first second at which the lifecycle app stops it."""
        first = self.used + self.policy.idle_timeout - MINUTE
        seconds = bisect_left(range(180), True, key=lambda n: self.is_stopped(first + n * SECOND))
        return first + seconds * SECOND

    def is_stopped(self, now: datetime) -> bool:
        """Is it stopped as idle, by its reports as CloudWatch gives them?"""
        found = [
            (EPOCH + (at - EPOCH) // self.step * self.step, level) for at, level in self.reports if at <= now
        ]
        highest = {begin: max(level for _, level in some) for begin, some in groupby(found, itemgetter(0))}
        evidence = Evidence(period=self.step, reports=tuple(starmap(Report, highest.items())))
        decided = decide(RUNNING, evidence, self.policy, now)
        assert decided.reason in (Reason.ACTIVE, Reason.IDLE)
        return decided.action is Action.STOP

    def stops_at(self, now: datetime) -> datetime:
        """What it says of itself."""
        terms = Terms(
            idle_timeout=self.policy.idle_timeout,
            busy_allowance=self.policy.busy_allowance,
            app_allowance=self.policy.app_allowance,
            start_grace=self.policy.start_grace,
            step=self.step,
        )
        seen = Observation(
            at=now,
            level=Level.QUIET,
            last_interaction=self.used,
            last_work=None,
            busy_kernels=0,
            busy_terminals=0,
            cpu_percent=0.0,
            details=(),
        )
        reporting = ReporterSettings(
            cluster="c", instance_id=self.instance_id, report_period=REPORT_PERIOD, boot_pid=None
        )
        said = standing(as_counted(seen, reporting, terms), terms, START, None)
        assert said.stops_at is not None
        return said.stops_at

    def announced(self) -> tuple[datetime, datetime]:
        """When the page shows its notice, and the stop that it names."""
        asked = self.used + self.asks_at + (self.policy.idle_timeout - 15 * MINUTE) // MINUTE * MINUTE
        while True:
            stop = self.stops_at(asked)
            if stop - NOTICE < asked + MINUTE:
                return max(asked, stop - NOTICE), stop
            asked += MINUTE


def machines() -> list[Machine]:
    chosen = random.Random(14)  # noqa: S311 -- not a secret
    return [
        Machine(
            instance_id=f"i-{number:08x}",
            policy=replace(
                Policy(), idle_timeout=timedelta(seconds=chosen.randint(15 * 60, LONGEST_TIMEOUT))
            ),
            used=START + Policy().start_grace + timedelta(seconds=chosen.uniform(0, 3600)),
            asks_at=timedelta(seconds=chosen.uniform(0, 60)),
        )
        for number in range(MACHINES)
    ]


def test_each_stop_is_announced_ten_minutes_before_and_none_comes_earlier_than_announced() -> None:
    ahead = []
    for machine in machines():
        due, (at, stop) = machine.due(), machine.announced()
        assert stop <= due, machine
        assert LATEST <= due - at <= EARLIEST, (machine, due - at)
        ahead.append(due - at)
    assert len(ahead) == MACHINES


def test_without_the_reports_rounding_a_stop_is_announced_too_early() -> None:
    """So the test above has something to find."""
    late = [one for one in machines() if one.due() - (one.used + one.policy.idle_timeout) > 35 * SECOND]
    assert late
