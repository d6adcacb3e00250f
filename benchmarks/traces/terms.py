"""A whole group's term under every rule."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.traces.figures import Tally
from benchmarks.traces.habits import Habits
from benchmarks.traces.ours import REPORT_PERIOD, Ours
from benchmarks.traces.peers import Custodian, Never, Oracle, cloudjhub, idle_culler
from benchmarks.traces.people import trace
from benchmarks.traces.running import Rule, runs
from benchmarks.traces.trace import DAY, MINUTE, WEEK, Trace

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
        return self.tallies[0]

    @property
    def oracle(self) -> Tally:
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
