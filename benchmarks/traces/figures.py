"""The cost of each rule for users and money, judged by the truth, over the term of a whole group."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from benchmarks.traces.ours import REPORT_PERIOD, Ours
from benchmarks.traces.peers import TIMEOUT, Custodian, Never, Oracle, cloudjhub, idle_culler
from benchmarks.traces.people import Habits, trace
from benchmarks.traces.trace import (
    DAY,
    HOUR,
    MINUTE,
    WEEK,
    Delays,
    Kind,
    Life,
    Rule,
    Run,
    Stop,
    Trace,
    Work,
    runs,
)
from bootstrap.costs import Assumptions, Prices
from bootstrap.costs.serverless import reports_an_hour, watched_hour
from lifecycle_app.model.history import LEAST_SECONDS_BILLED, PER_HOUR

ATTENTION = 5 * MINUTE
"""How long after an action a user counts as still at work: reading, thinking, typing the next cell."""
INSTANT = 0.001
"""Less than this is rounding."""
MACHINE = "t3.medium"
DISKS = (8 + 3) * 0.08
"""$ a month for a person's root disk (8 GB) and home disk (3 GB), gp3; the same under every rule."""
HOURS_A_MONTH = 730
METRICS = 6
"""A worker has no more."""


@dataclass
class Tally:
    """One rule's sums over a whole group of users. Seconds, unless stated otherwise."""

    name: str
    people: int = 0
    runs: int = 0
    up: float = 0.0
    billed: float = 0.0
    idle: float = 0.0
    killed_working: int = 0
    killed_within: int = 0
    within_terminal: int = 0
    """Of those, stops where the last activity was the end of a program in a terminal."""
    late: list[float] = field(default_factory=list)
    """From the last activity to StopInstances, minus the timeout, for each stop that killed no work."""
    late_by_alarm: list[float] = field(default_factory=list)
    delays: list[Delays] = field(default_factory=list)
    whys: dict[str, int] = field(default_factory=dict)
    held: int = 0
    """Stops delayed by a stuck program."""

    def add(self, runs: Sequence[Run]) -> None:
        """Counts one person's runs."""
        self.people += 1
        for run in runs:
            self.runs += 1
            up = max(0.0, run.end - run.life.running)
            self.up += up
            self.billed += max(up, LEAST_SECONDS_BILLED)
            self.idle += up - engaged(run)
            if run.stop is not None:
                self._stopped(run.life, run.stop)

    @property
    def early(self) -> float:
        """How much before the timeout the earliest of these stops came."""
        return max(0.0, -min(self.late, default=0.0))

    @property
    def logins_waited(self) -> int:
        """Logins that found their machine stopped; a person's first one has to wait under every rule."""
        return self.runs - self.people

    def dollars(self, weeks: float) -> float:
        """For the machines, a month."""
        return PER_HOUR[MACHINE] * self.billed / HOUR * HOURS_A_MONTH / (weeks * 168)

    def watched_dollars(self, weeks: float, report_period: float) -> float:
        """For the machines and for watching them, a month."""
        return self.dollars(weeks) * (1 + watching(report_period) / PER_HOUR[MACHINE])

    def _stopped(self, life: Life, stop: Stop) -> None:
        self.whys[stop.why] = self.whys.get(stop.why, 0) + 1
        last = life.last_sign(stop.released_at)
        if is_at_work(life, stop.released_at):
            self.killed_working += 1
            return
        if any(not work.is_useful and work.end > last for work in life.works(stop.released_at)):
            self.held += 1
            return
        late = stop.at - last - TIMEOUT
        if late < -INSTANT:
            self.killed_within += 1
            self.within_terminal += any(
                work.kind is Kind.TERMINAL and work.end == last for work in life.works(stop.released_at)
            )
        self.late.append(late)
        if stop.delays is not None:
            self.late_by_alarm.append(late)
            self.delays.append(stop.delays)


def is_at_work(life: Life, at: float) -> bool:
    """Does useful work run at this moment, or did the user do something just before?"""
    if at - life.last_interaction(at) < ATTENTION:
        return True
    return any(work.is_useful and work.end > at for work in life.works(at))


def engaged(run: Run) -> float:
    """How long work or its user was active in a run."""
    total, until = 0.0, run.life.running
    for begin, end in _spans(run):
        if end > until:
            total += end - max(begin, until)
            until = end
    return total


def _spans(run: Run) -> Iterator[tuple[float, float]]:
    # The boot is not idle time: the user waits for it.
    yield run.life.running, run.life.ready
    for sign in run.life.signs(run.end):
        if not isinstance(sign, Work):
            yield sign, min(run.end, sign + ATTENTION)
        elif sign.is_useful:
            yield sign.begin, min(run.end, sign.end)


def watching(report_period: float) -> float:
    """$ an hour of a running worker, at most: all metrics have data, and no report is free."""
    period, prices = timedelta(seconds=report_period), Prices()
    return (
        watched_hour(period, METRICS, prices, Assumptions()) + reports_an_hour(period) * prices.metric_request
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def share_within(values: Sequence[float], most: float) -> float:
    """The share of values that are at most `most`, of 1."""
    return sum(value <= most for value in values) / len(values)


LAST_STOPS = 2 * DAY
"""After the term's end, so that its last sessions' stops are seen."""

RULES: tuple[Callable[[Trace, object], Rule], ...] = (
    lambda trace, seed: Ours(f"i-{trace.name}", seed),
    lambda _trace, _seed: Oracle(),
    lambda _trace, seed: idle_culler(seed),
    lambda _trace, seed: cloudjhub(seed),
    lambda trace, seed: Custodian(trace, 5.0, seed),
    lambda trace, seed: Custodian(trace, 2.0, seed),
    lambda _trace, _seed: Never(),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """Our rule with one change."""

    label: str
    period: float = REPORT_PERIOD
    is_rolling: bool = True

    def rule(self, trace: Trace, seed: object) -> Ours:
        """Our rule with this change, for one trace."""
        return Ours(f"i-{trace.name}", seed, period=self.period, is_rolling=self.is_rolling)


VARIANTS = (
    Variant(
        f"reports each {REPORT_PERIOD:.0f} s, if CloudWatch followed the clock's half minutes",
        is_rolling=False,
    ),
    Variant("reports each 60 s", period=MINUTE),
)


@dataclass(frozen=True)
class Term:
    """The results by rule: ours, the oracle's, the peers'."""

    title: str
    people: int
    weeks: int
    sessions: int
    tallies: tuple[Tally, ...]
    variants: tuple[Tally, ...]
    """Of VARIANTS."""

    @property
    def ours(self) -> Tally:
        """Our tally."""
        return self.tallies[0]

    @property
    def oracle(self) -> Tally:
        """The oracle's tally."""
        return self.tallies[1]

    @property
    def length(self) -> float:
        """Weeks for which machines are counted."""
        return self.weeks + LAST_STOPS / WEEK


def term(title: str, habits: Habits, people: int, weeks: int, seed: object) -> Term:
    """Every user's trace under each rule."""
    tallies = tuple(Tally(rule(Trace("nameless", ()), seed).name) for rule in RULES)
    variants = tuple(Tally(variant.label) for variant in VARIANTS)
    sessions = 0
    until = weeks * WEEK + LAST_STOPS
    for number in range(people):
        life = trace(seed, f"{title} {number}", habits, weeks)
        sessions += life.sessions
        for tally, rule in zip(tallies, RULES, strict=True):
            tally.add(list(runs(life, rule(life, seed), until, seed)))
        for tally, variant in zip(variants, VARIANTS, strict=True):
            tally.add(list(runs(life, variant.rule(life, seed), until, seed)))
    return Term(title, people, weeks, sessions, tallies, variants)
