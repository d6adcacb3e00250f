"""What a worker's reporter reports of a run: `bootstrap.worker`'s rules applied to the truth.

Report k is made at `time_of(k)`, within the k-th period of the clock, and covers the time since the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from benchmarks.traces.trace import Kind, Life, Work
from bootstrap.worker.observation import LOAD_PERCENT
from bootstrap.worker.reporter import KERNEL_SAMPLING, phase
from lifecycle_app.contract import Level

SAMPLING = KERNEL_SAMPLING.total_seconds()


@dataclass(slots=True)
class Seen:
    """One report: its level, and whether it includes work."""

    level: Level = Level.QUIET
    worked: bool = False

    def add(self, level: Level) -> None:
        """Adds an activity of this level."""
        self.level = max(self.level, level)
        self.worked = self.worked or level is Level.WORK


class Reporter:
    """One worker's reporter, which reports each `period` seconds."""

    def __init__(self, instance_id: str, period: float) -> None:
        self._phase = phase(instance_id)
        self._period = period

    def time_of(self, number: int) -> float:
        """When a report is made."""
        return (number + self._phase) * self._period

    def number_at(self, at: float) -> int:
        """The number of the report that covers this moment."""
        return ceil(at / self._period - self._phase)

    def active(self, life: Life, until: float) -> Iterator[tuple[int, Seen]]:
        """The reports of a run with activity, in order."""
        pending: dict[int, Seen] = {}
        for sign in life.signs(until):
            begin = sign.begin if isinstance(sign, Work) else sign
            done = self.number_at(begin)
            for number in sorted(number for number in pending if number < done):
                yield number, pending.pop(number)
            for number, level in self._reported(sign):
                pending.setdefault(number, Seen()).add(level)
        yield from sorted(pending.items())

    def look(self, life: Life, at: float) -> Seen:
        """An observation between two reports, as when the hub asks: back to the last report, or the one before."""
        last = self.number_at(at) - 1
        before = last if at - self.time_of(last) >= self._period / 2 else last - 1
        seen = Seen()
        if life.last_interaction(at) > self.time_of(before):
            seen.add(Level.INTERACTION)
        for work in life.works(at):
            if work.end > at or (work.kind is Kind.TERMINAL and _goes_on(work, self.time_of(before))):
                seen.add(Level.WORK)
            elif self._load(work, self.time_of(before), at) >= LOAD_PERCENT:
                seen.add(Level.LOAD)
        return seen

    def _reported(self, sign: float | Work) -> Iterator[tuple[int, Level]]:
        if not isinstance(sign, Work):
            yield self.number_at(sign), Level.INTERACTION
            return
        first, last = self.number_at(sign.begin), self.number_at(sign.end)
        since = self.time_of(last - 1)
        # Processes are looked at when a report is made, kernels every few seconds: busy twice in a row counts.
        least = SAMPLING if sign.begin <= since else 2 * SAMPLING
        is_long = sign.end - max(since, sign.begin) >= least
        is_seen = _goes_on(sign, since) if sign.kind is Kind.TERMINAL else is_long
        for number in range(first, last + is_seen):
            yield number, Level.WORK
        if not is_seen and self._load(sign, since, self.time_of(last)) >= LOAD_PERCENT:
            yield last, Level.LOAD

    @staticmethod
    def _load(work: Work, since: float, until: float) -> float:
        """Percent of a core, on average over that time."""
        overlap = min(work.end, until) - max(work.begin, since)
        return work.cpu * overlap / (until - since) if overlap > 0 else 0.0


def _goes_on(work: Work, at: float) -> bool:
    return work.begin <= at < work.end
