"""What really happened on one user's machine, and the runs of that machine under a rule.

A machine starts at a login, stops when the rule says so, and starts again at its user's next action. Times are seconds
since the term's first Monday.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

MINUTE, HOUR, DAY, WEEK = 60.0, 3600.0, 86400.0, 604800.0
BEGINNING = datetime(2026, 9, 7, tzinfo=UTC)
"""A Monday, on a whole minute as CloudWatch's periods are."""

Span = tuple[float, float]


def moment(at: float) -> datetime:
    """A trace's time as a time of day."""
    return BEGINNING + timedelta(seconds=at)


class Kind(StrEnum):
    """The kinds of work."""

    KERNEL = "kernel"
    TERMINAL = "terminal"
    """A program in a terminal, or detached from one."""
    STUCK = "stuck"
    """A cell that waits for input() or never ends: the kernel is busy, but does no useful work."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that runs. `cpu` in percent of one core; `prints`: does it print continuously?"""

    begin: float
    end: float
    kind: Kind
    cpu: float = 100.0
    prints: bool = False

    @property
    def is_useful(self) -> bool:
        """Does the user want its result?"""
        return self.kind is not Kind.STUCK


@dataclass(frozen=True)
class Trace:
    """The truth about one worker. Everything is sorted by its start."""

    name: str
    interactions: Sequence[float]
    works: Sequence[Work] = ()
    tabs: Sequence[Span] = ()
    """When JupyterLab was open in a browser that had a network, used or not."""
    idle_kernels: Sequence[Span] = ()
    """When a notebook's kernel was left alive and idle; no rule here is misled by one, unless a tab is open."""
    sessions: int = 0
    begins: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins", [work.begin for work in self.works])

    def next_interaction(self, after: float) -> float | None:
        """The first one later than that."""
        place = bisect_right(self.interactions, after)
        return self.interactions[place] if place < len(self.interactions) else None


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the machine: the part of the trace in it. Work of an earlier run ended with that run."""

    trace: Trace
    start: float
    """When the user started the machine."""
    running: float
    """When EC2 reports `running`: billing starts."""
    ready: float
    """When JupyterLab has loaded, which is the user's first interaction in this run."""

    def interactions(self, until: float) -> Iterator[float]:
        """Those after `ready` and until then; actions during the boot had no effect."""
        found = self.trace.interactions
        for place in range(bisect_right(found, self.ready), bisect_right(found, until)):
            yield found[place]

    def works(self, until: float) -> Iterator[Work]:
        """The works of this run until then, the newest first; none ran before the machine was ready."""
        begins, works = self.trace.begins, self.trace.works
        for place in range(bisect_right(begins, until) - 1, bisect_left(begins, self.start) - 1, -1):
            yield self.clipped(works[place])

    def clipped(self, work: Work) -> Work:
        """The work as it was in this run."""
        if work.begin >= self.ready:
            return work
        return Work(self.ready, max(work.end, self.ready), work.kind, work.cpu, work.prints)

    def signs(self, until: float) -> Iterator[float | Work]:
        """Interactions and works from `ready` on, by their start."""
        yield self.ready
        works, touches = self._works(until), self.interactions(until)
        work, touch = next(works, None), next(touches, None)
        while work is not None or touch is not None:
            if work is None or (touch is not None and touch <= work.begin):
                assert touch is not None
                yield touch
                touch = next(touches, None)
            else:
                yield work
                work = next(works, None)

    def last_interaction(self, at: float) -> float:
        """The newest until then; `ready` if there was none since."""
        found = self.trace.interactions
        place = bisect_right(found, at)
        return max(self.ready, found[place - 1]) if place else self.ready

    def last_sign(self, at: float) -> float:
        """The newest interaction or useful work until then."""
        ends = (min(at, work.end) for work in self.works(at) if work.is_useful)
        return max(self.last_interaction(at), max(ends, default=self.ready))

    def is_tab_open(self, at: float) -> bool:
        """Is a tab open at this moment?"""
        tabs = self.trace.tabs
        place = bisect_right(tabs, (at, float("inf"))) - 1
        # A tab whose server was stopped does not start it; it counts again from the person's next login on.
        return place >= 0 and at < tabs[place][1]

    def last_tab(self, at: float) -> float:
        """When a tab was last open, until then."""
        tabs = self.trace.tabs
        place = bisect_right(tabs, (at, float("inf"))) - 1
        return max(self.ready, min(at, tabs[place][1])) if place >= 0 else self.ready

    def _works(self, until: float) -> Iterator[Work]:
        begins, works = self.trace.begins, self.trace.works
        for place in range(bisect_left(begins, self.start), bisect_right(begins, until)):
            yield self.clipped(works[place])


PENDING = (10.0, 40.0)
"""Seconds until EC2 says `running`."""
SERVING = (15.0, 30.0)
"""Seconds from then on until JupyterLab has loaded: boot and server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """The delays between the last activity and a stop by alarm, without the timeout. Seconds."""

    report: float
    """Until the worker's next report, which contains it."""
    window: float
    """Until the periods that CloudWatch would evaluate, all of the timeout, no longer hold that report."""
    evaluation: float
    """From their end until it evaluates them."""
    delivery: float
    """Until the function begins."""
    function: float
    """Until StopInstances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When StopInstances comes, and why. `released_at`: from this moment on the hub has released the server."""

    at: float
    released_at: float
    why: str
    delays: Delays | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run and how it ended; without a stop it lasts until the term's end."""

    life: Life
    end: float
    stop: Stop | None


class Rule(Protocol):
    """Says when a run ends, looking at what it could know at each moment."""

    @property
    def name(self) -> str: ...

    def stop(self, life: Life, until: float) -> Stop | None:
        """The first stop before `until`, or None."""


def runs(trace: Trace, rule: Rule, until: float, seed: object) -> Iterator[Run]:
    """All runs until then. A run that begins at the same moment boots equally long under every rule."""
    at = trace.interactions[0] if trace.interactions else None
    while at is not None and at < until:
        boots = random.Random(f"{seed}/{trace.name}/boot/{at:.3f}")  # noqa: S311 -- not a secret
        running = at + boots.uniform(*PENDING)
        life = Life(trace, at, running, running + boots.uniform(*SERVING))
        found = rule.stop(life, until)
        yield Run(life, until if found is None else found.at, found)
        at = None if found is None else trace.next_interaction(found.released_at)
