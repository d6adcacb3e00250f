"""Traces of simulated users: the same seed, name and habits give the same trace."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.traces.habits import Habits, LogNormal
from benchmarks.traces.trace import DAY, HOUR, MINUTE, WEEK, Kind, Span, Trace, Work

LESSON = 1.5 * HOUR
STUCK_UNTIL = 7 * DAY
"""Maximum, if the user does not come back."""


def trace(seed: object, name: str, habits: Habits, weeks: int) -> Trace:
    """One person's term."""
    return _Person(random.Random(f"{seed}/{name}"), habits).term(name, weeks)  # noqa: S311 -- not a secret


@dataclass
class _Person:
    random: random.Random
    habits: Habits
    touches: list[float] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    tabs: list[Span] = field(default_factory=list)
    kernels: list[Span] = field(default_factory=list)

    def term(self, name: str, weeks: int) -> Trace:
        diligence = self.random.gammavariate(4, 1 / 4)
        planned = sorted(self._planned(weeks, diligence))
        sessions, free_at = 0, 0.0
        for place, (begin, lasts) in enumerate(planned):
            if begin < free_at:
                continue
            following = planned[place + 1][0] if place + 1 < len(planned) else weeks * WEEK
            free_at = self._session(begin, lasts, following)
            sessions += 1
        return Trace(
            name,
            sorted(self.touches),
            sorted(self.works, key=lambda work: work.begin),
            _joined(sorted(self.tabs)),
            _joined(sorted(self.kernels)),
            sessions,
        )

    def _planned(self, weeks: int, diligence: float) -> Iterator[Span]:
        habits = self.habits
        for week in range(weeks):
            busier = habits.crowded if week in habits.crowded_weeks else 1.0
            for day, mean in enumerate(habits.week):
                midnight = week * WEEK + day * DAY
                for _ in range(self._poisson(mean * busier * diligence)):
                    hour = self.random.choices(*zip(*habits.hours, strict=True))[0]
                    yield midnight + (hour + self.random.random()) * HOUR, self._draw(habits.session)
            for day, hour in habits.lessons:
                if self.random.random() < habits.attendance:
                    late = self.random.gauss(0, 3 * MINUTE)
                    yield week * WEEK + day * DAY + hour * HOUR + late, LESSON

    def _session(self, begin: float, lasts: float, following: float) -> float:
        """Works from `begin` on for about `lasts`; returns the time at which the user leaves."""
        habits, end = self.habits, begin + lasts
        at = begin
        break_at = (
            self.random.uniform(begin, end) if self.random.random() < habits.near_timeout else float("inf")
        )
        while at < end:
            at = self._act(at)
            if at > break_at:
                pause = self.random.uniform(50 * MINUTE, 62 * MINUTE)
                at, end, break_at = at + pause, end + pause, float("inf")
            elif self.random.random() < habits.pause_share:
                at += self._draw(habits.pause)
            else:
                at += self.random.expovariate(1 / habits.act_every)
        last = self.touches[-1]
        self._leave_something(last, following)
        closed = self._tab_until(last)
        self.tabs.append((begin, closed))
        if self.random.random() < habits.keeps_kernel:
            self.kernels.append((begin, max(closed, following)))
        return last

    def _act(self, at: float) -> float:
        """One action; returns when the user is free for the next."""
        self.touches.append(at)
        if self.random.random() >= self.habits.cell_share:
            return at
        end = at + self._draw(self.habits.cell)
        self.works.append(Work(at, end, Kind.KERNEL, cpu=90.0))
        return end

    def _leave_something(self, at: float, following: float) -> None:
        habits, chance = self.habits, self.random.random()
        if chance < habits.long_cell:
            self._long(at, Kind.KERNEL, habits.long_cell_takes)
        elif chance < habits.long_cell + habits.terminal:
            self._long(at, Kind.TERMINAL, habits.terminal_takes)
        elif chance < habits.long_cell + habits.terminal + habits.stuck:
            until = min(following, at + STUCK_UNTIL)
            self.works.append(Work(at, until, Kind.STUCK, cpu=self.random.choice((0.5, 100.0))))

    def _long(self, at: float, kind: Kind, takes: LogNormal) -> None:
        cpu = 2.0 if self.random.random() < self.habits.waits else 100.0
        prints = self.random.random() < self.habits.prints
        self.works.append(Work(at, at + self._draw(takes), kind, cpu, prints))

    def _tab_until(self, at: float) -> float:
        habits, chance = self.habits, self.random.random()
        if chance < habits.tab_closed:
            return at + 5.0
        if chance < habits.tab_closed + habits.tab_sleeps:
            return at + self.random.expovariate(1 / habits.tab_sleeps_after)
        return at + self._draw(habits.tab_left)

    def _draw(self, spread: LogNormal) -> float:
        return min(spread.cap, spread.median * self.random.lognormvariate(0, spread.sigma))

    def _poisson(self, mean: float) -> int:
        count, passed = 0, self.random.expovariate(1)
        while passed < mean:
            count, passed = count + 1, passed + self.random.expovariate(1)
        return count


def _joined(spans: list[Span]) -> list[Span]:
    """The spans without overlaps."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
