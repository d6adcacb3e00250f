"""Traces of simulated users: the same seed, name and habits give the same trace.

Every distribution of the habits has its parameters and a reason. None was measured at a real site. Unknown figures were
chosen so that the hard cases (long silence, return just before the timeout, tabs and programs left behind) are frequent
enough to be counted, not to favour a rule.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.traces.trace import DAY, HOUR, MINUTE, WEEK, Kind, Span, Trace, Work


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Durations spread over orders of magnitude: a median, a spread (sigma of the logarithm), and a cap."""

    median: float
    sigma: float
    cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """One kind of people."""

    week: tuple[float, ...]
    """Sessions each day from Monday on, on average, besides fixed lessons."""
    hours: tuple[tuple[float, float], ...]
    """(hour of the day, weight): when they begin."""
    lessons: tuple[tuple[int, float], ...]
    """(day, hour) of lessons, for which all come at the same time."""
    attendance: float
    crowded_weeks: frozenset[int]
    """Weeks before a deadline or an exam."""
    crowded: float
    """How much more they do then."""
    session: LogNormal
    act_every: float
    """Mean time between two actions while typing and running cells: some a minute."""
    pause: LogNormal
    pause_share: float
    """Reading, talking, coffee: in between, nothing is typed."""
    near_timeout: float
    """Share of sessions with a break of 50 to 62 minutes, such as lunch: the worst length for a timeout of an hour."""
    cell_share: float
    """Of all actions, those that run a cell."""
    cell: LogNormal
    """Most cells take seconds; a few take minutes."""
    long_cell: float
    """Share of sessions that end with a cell that takes hours, while the person goes away."""
    long_cell_takes: LogNormal
    """At most 20 h: by default work without a person may go on for 24 h, and what is longer is a matter of policy."""
    terminal: float
    """Share of sessions that end with a program in a terminal, or a detached one."""
    terminal_takes: LogNormal
    prints: float
    """Of long work, what prints all the time (progress bars); the rest is silent."""
    waits: float
    """Of long work, what uses hardly any CPU: it waits for a database, a download or another machine."""
    stuck: float
    """Share of sessions that leave a cell waiting for input() or looping: busy until the person is back."""
    tab_closed: float
    """Share of sessions whose tab is closed at their end."""
    tab_sleeps: float
    """Share whose computer goes to sleep soon, which ends the tab's traffic; the others leave it open."""
    tab_sleeps_after: float
    tab_left: LogNormal
    """A tab left open on a computer that stays awake: a desktop, a lab's machine, a laptop on its charger."""
    keeps_kernel: float
    """Share of sessions whose notebook is not shut down: nearly all, since closing a tab does not do it."""


AFTERNOONS = tuple(zip(range(8, 24), (1, 2, 3, 3, 2, 3, 4, 5, 5, 5, 4, 4, 5, 5, 4, 2), strict=True))
"""Students work in the afternoon and the evening."""
OFFICE = tuple(zip(range(7, 21), (1, 4, 6, 4, 3, 2, 4, 5, 4, 3, 2, 1, 1, 1), strict=True))
"""A team works in the office's hours, with a dip at noon."""

STUDENTS = Habits(
    week=(0.35, 0.35, 0.4, 0.4, 0.4, 0.55, 0.8),  # homework is due on Sunday night
    hours=AFTERNOONS,
    lessons=((1, 10.0), (3, 10.0)),
    attendance=0.8,
    crowded_weeks=frozenset({6, 7, 13, 14}),  # a midterm and the final project
    crowded=1.8,
    session=LogNormal(50 * MINUTE, 0.7, 5 * HOUR),
    act_every=50,
    pause=LogNormal(5 * MINUTE, 0.9, 45 * MINUTE),
    pause_share=0.04,
    near_timeout=0.05,
    cell_share=0.3,
    cell=LogNormal(2, 1.5, 10 * MINUTE),
    long_cell=0.04,
    long_cell_takes=LogNormal(1.5 * HOUR, 0.8, 20 * HOUR),
    terminal=0.02,
    terminal_takes=LogNormal(40 * MINUTE, 0.9, 20 * HOUR),
    prints=0.3,
    waits=0.25,
    stuck=0.003,
    tab_closed=0.4,
    tab_sleeps=0.4,
    tab_sleeps_after=20 * MINUTE,
    tab_left=LogNormal(4 * HOUR, 0.9, 3 * DAY),
    keeps_kernel=0.85,
)

TEAM = Habits(
    week=(2.0, 2.0, 2.0, 2.0, 1.8, 0.2, 0.15),
    hours=OFFICE,
    lessons=(),
    attendance=0.0,
    crowded_weeks=frozenset({2, 5, 8, 11, 14}),  # a delivery every three weeks
    crowded=1.4,
    session=LogNormal(1.6 * HOUR, 0.7, 9 * HOUR),
    act_every=70,
    pause=LogNormal(8 * MINUTE, 1.0, 55 * MINUTE),
    pause_share=0.06,
    near_timeout=0.1,
    cell_share=0.35,
    cell=LogNormal(5, 1.7, 30 * MINUTE),
    long_cell=0.15,
    long_cell_takes=LogNormal(3 * HOUR, 0.9, 20 * HOUR),
    terminal=0.1,
    terminal_takes=LogNormal(2 * HOUR, 1.0, 20 * HOUR),
    prints=0.4,
    waits=0.35,
    stuck=0.004,
    tab_closed=0.25,
    tab_sleeps=0.35,
    tab_sleeps_after=30 * MINUTE,
    tab_left=LogNormal(9 * HOUR, 0.8, 4 * DAY),  # till the next morning, or over the weekend
    keeps_kernel=0.9,
)


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
        """The trace of one term."""
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
