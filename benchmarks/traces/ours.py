"""Our rule: the product's own decisions, queries, alarm and drain, run at the moments of their triggers.

The deciding code is the real one: `decide`, `next_check`, `CloudWatch.evidence` (which turns datapoints into
evidence), the alarm's request, the local cloud's `evaluate`, the hub's `verdict`. The records' table and all
failures are left out, because these moments do not depend on them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge

from benchmarks.traces.reports import Reporter, Seen
from benchmarks.traces.trace import BEGINNING, MINUTE, Delays, Life, Stop, moment
from bootstrap.config.settings import Timing
from bootstrap.local.cloud.cloudwatch.alarms import AlarmState
from hub.drain import verdict
from lifecycle_app.adapters.cloudwatch import (
    CloudWatch,
    idle_alarm,
)
from lifecycle_app.contract import Drain, Level, idle_alarm_name, metric_namespace
from lifecycle_app.model.decision import Action, Decision, decide, next_check
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import SHORT_ALARMS_EVERY, looked_back, query_period
from lifecycle_app.model.transitions import with_life
from lifecycle_app.model.worker import State, Worker
from tests.simulation.cloudwatch import LeanCloudWatch

CLUSTER = "term"
REPORT_PERIOD = Timing().report_period.total_seconds()
SWEEP = 5 * MINUTE
SWEEP_LATE = (0.0, 5.0)
"""Seconds by which a schedule is late."""
DELIVERY = (1.0, 30.0)
"""Seconds from an alarm's change until the function begins: EventBridge and Lambda, with some cold starts."""
ALARMS_LOST = 0.01
FUNCTION = (0.5, 3.0)
"""Seconds that a function takes until StopInstances, including its request to the hub."""
RELEASE_BEFORE = 0.3
"""Seconds before StopInstances at which the hub removes the route."""
UNDER_WAY = 2.0
"""Seconds after which a report can be queried."""
LEEWAY = timedelta(minutes=10)
"""How much longer than decisions need them reports are kept: alarms need a little more."""


@dataclass(slots=True)
class _Known:
    """The reports of a run so far."""

    life: Life
    kept: int
    """Number of reports to keep."""
    reports: dict[int, Seen] = field(default_factory=dict)
    last_life: int = 0
    last_person: int = 0
    last_work: int | None = None
    alarm: "_Look | None" = None
    """One that has fired and is in transit."""

    def note(self, number: int, seen: Seen, lowest: Level) -> None:
        """Adds a report."""
        self.reports[number] = seen
        self.reports.pop(number - self.kept, None)
        if seen.level >= lowest:
            self.last_life = number
        if seen.level >= Level.INTERACTION:
            self.last_person = number
        if seen.worked:
            self.last_work = number


@dataclass(frozen=True, slots=True)
class _Look:
    """A moment at which a trigger asks whether the worker may continue."""

    at: float
    by: str
    window: float = 0.0
    delivery: float = 0.0


class Ours:
    """One worker under our rule. It reports each `period` seconds.

    `is_rolling`: does CloudWatch move an alarm's periods on at each evaluation, or use the clock's?
    """

    name = "cloudJHub (ours)"

    def __init__(
        self,
        instance_id: str,
        seed: object,
        policy: Policy | None = None,
        *,
        period: float = REPORT_PERIOD,
        is_rolling: bool = True,
    ) -> None:
        self._instance_id = instance_id
        self._policy = policy or Policy()
        self._random = random.Random(f"{seed}/{instance_id}/ours")  # noqa: S311 -- not a secret
        self._seed = seed
        self._reporter = Reporter(instance_id, period)
        self._period = timedelta(seconds=period)
        self._now = BEGINNING
        self._fired = False
        is_short = idle_alarm(self._policy, self._period).period.total_seconds() < MINUTE
        self._every = SHORT_ALARMS_EVERY.total_seconds() if is_short else MINUTE
        """Seconds between two evaluations of the alarm."""
        slot = int(min(self._every, period))
        self._lean = LeanCloudWatch(
            now=lambda: self._now, rang=self._on_alarm, slot=slot, is_rolling=is_rolling
        )
        self._cloudwatch = CloudWatch(self._lean, CLUSTER, self._period)
        self._cloudwatch.put_idle_alarm(instance_id, self._policy)
        back = looked_back(self._policy, self._period)
        self._step = query_period(self._period, back).total_seconds()
        self._kept = (back + LEEWAY) // self._period
        self._first_slot = int(moment(self._reporter.time_of(0)).timestamp()) // slot
        self._slots = int(period) // slot
        """From one report's slot to the next one's."""
        self._offset = self._random.uniform(0, self._every)
        """From the end of an alarm's periods until CloudWatch evaluates them; it cannot be chosen."""

    def stop(self, life: Life, until: float) -> Stop | None:
        """The stop of this run, if there is one before `until`."""
        first = self._reporter.number_at(life.ready)
        known = _Known(life, self._kept, last_life=first, last_person=first)
        for number, seen in self._reporter.active(life, until):
            found = self._before(known, self._reporter.time_of(number) + UNDER_WAY)
            if found is not None:
                return found
            known.note(number, seen, self._policy.lowest_level)
        return self._before(known, until)

    def _before(self, known: _Known, until: float) -> Stop | None:
        """The stop before the next report with activity is known, if there is one."""
        watched = self._watched_from(known)
        if watched >= until and known.alarm is None:
            return None
        # It fires even if the user has come back when the event is delivered.
        known.alarm = self._alarm(known, until) or known.alarm
        sweeps = self._sweeps(known, watched, until)
        alarm = [known.alarm] if known.alarm is not None and known.alarm.at < until else []
        for look in merge(alarm, sweeps, key=lambda look: look.at):
            if look.by == "alarm":
                known.alarm = None
            found = self._asked(known, look)
            if found is not None:
                return found
        return None

    def _watched_from(self, known: _Known) -> float:
        """A time before anything can be due, so that checks from here on miss nothing; checking from the start is
        slow."""
        policy = self._policy
        soonest = self._covered_until(known.last_life) + policy.idle_timeout.total_seconds() / 2
        if policy.busy_allowance is None:
            return soonest
        return min(
            soonest, self._covered_until(known.last_person) + policy.busy_allowance.total_seconds() / 2
        )

    def _alarm(self, known: _Known, until: float) -> _Look | None:
        """The alarm after the last activity, if it fires before `until` and is not lost."""
        alarm = self._lean.alarms[idle_alarm_name(CLUSTER, self._instance_id)]
        alarm.state, self._fired = AlarmState.OK, False
        looks_back = alarm.period * alarm.condition.evaluation_periods
        reported = self._reporter.time_of(known.last_life)
        end = reported // self._every * self._every + looks_back
        while not self._fired:
            end += self._every
            if end + self._offset >= until:
                return None
            self._fill(known, end + self._offset)
            self._now = moment(end)
            self._lean.evaluate()
        delivery = self._random.uniform(*DELIVERY)
        if self._random.random() < ALARMS_LOST:
            return None
        at = end + self._offset + delivery
        return _Look(at, "alarm", window=end - looks_back - reported, delivery=delivery)

    def _sweeps(self, known: _Known, since: float, until: float) -> Iterator[_Look]:
        """The sweeps that find the worker's record due; before `since` it cannot be."""
        since = max(since, self._reporter.time_of(max(known.reports, default=0)) + UNDER_WAY)
        number = int(since // SWEEP)
        while number * SWEEP < until:
            late = random.Random(f"{self._seed}/sweep/{number}")  # noqa: S311 -- all workers' sweep
            at = number * SWEEP + late.uniform(*SWEEP_LATE)
            if since <= at < until and self._is_due(known, at):
                yield _Look(at, "sweep")
            number += 1

    def _is_due(self, known: _Known, at: float) -> bool:
        """According to what record_activity has written."""
        now = moment(at)
        blank = Evidence(period=self._period)
        return next_check(self._record(known, now), blank, self._policy, now) <= now

    def _asked(self, known: _Known, look: _Look) -> Stop | None:
        takes = self._random.uniform(*FUNCTION)
        decision = self._decision(known, look.at)
        asked_at = look.at + takes - RELEASE_BEFORE
        if decision.action is Action.KEEP or not self._verdict(known, decision, asked_at).drained:
            return None
        delays = self._delays(known, look, takes) if look.by == "alarm" else None
        return Stop(
            at=look.at + takes, released_at=asked_at, why=f"{look.by}: {decision.reason}", delays=delays
        )

    def _decision(self, known: _Known, at: float) -> Decision:
        self._fill(known, at)
        now = moment(at)
        evidence = self._cloudwatch.evidence(self._instance_id, self._policy, now)
        return decide(self._record(known, now), evidence, self._policy, now)

    def _record(self, known: _Known, now: datetime) -> Worker:
        """The worker's record, with the activity that record_activity knows."""
        running = moment(known.life.running)
        worker = Worker(
            key="someone",
            instance_id=self._instance_id,
            state=State.RUNNING,
            state_at=running,
            version=1,
            changed_at=running,
            started_at=running,
        )
        return with_life(worker, self._end_of(known.last_life, now), self._end_of(known.last_person, now))

    def _end_of(self, number: int, now: datetime) -> datetime:
        return min(now, moment(self._covered_until(number)))

    def _covered_until(self, number: int) -> float:
        """The end of the step that contains this report."""
        return (self._reporter.time_of(number) // self._step + 1) * self._step

    def _verdict(self, known: _Known, decision: Decision, at: float) -> verdict.Verdict:
        life, now = known.life, moment(at)
        seen = self._reporter.look(life, at)
        work = None if known.last_work is None else moment(self._reporter.time_of(known.last_work))
        observed = verdict.Observation(
            last_interaction=moment(life.last_interaction(at)),
            last_work=now if seen.worked else work,
            level=int(seen.level),
            evidence={},
        )
        server = verdict.Server(
            pending=None, active=True, started=moment(life.ready), instance_id=self._instance_id
        )
        request = verdict.Request(
            worker="someone",
            instance_id=self._instance_id,
            since=decision.since or now,
            mode=Drain(decision.drain),
            counts=int(decision.counts),
        )
        return verdict.verdict(request, server, observed)

    def _delays(self, known: _Known, look: _Look, takes: float) -> Delays:
        reported = self._reporter.time_of(known.last_life)
        return Delays(
            report=reported - known.life.last_sign(look.at),
            window=look.window,
            evaluation=self._offset,
            delivery=look.delivery,
            function=takes,
        )

    def _fill(self, known: _Known, at: float) -> None:
        """CloudWatch's series as it is at that moment."""
        newest = self._reporter.number_at(at - UNDER_WAY) - 1
        first = max(self._reporter.number_at(known.life.ready), newest - known.kept)
        quiet = Seen()
        self._lean.series[(metric_namespace(CLUSTER), "Activity", self._instance_id)] = {
            self._first_slot + number * self._slots: float(known.reports.get(number, quiet).level)
            for number in range(first, newest + 1)
        }

    def _on_alarm(self, _name: str, _instance_id: str) -> None:
        self._fired = True
