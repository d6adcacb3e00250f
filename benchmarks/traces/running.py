"""A worker's runs under a rule: up at a login, down when the rule says so, up again when its person does something."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from benchmarks.traces.trace import Life, Trace

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
