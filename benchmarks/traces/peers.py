"""The peers' rules, and the two bounds. Each is modelled on its source, and favoured: its stops take no time and never
fail.
"""

import random
from bisect import bisect_right
from itertools import accumulate
from math import ceil

from benchmarks.traces.trace import HOUR, MINUTE, Kind, Life, Stop, Trace, Work

TIMEOUT = HOUR
ACTIVITY_POLL = 5 * MINUTE
"""How often JupyterHub asks the proxy (`last_activity_interval`), and single-user servers report their own."""


class Oracle:
    """Stops exactly at the timeout after the last true activity; knows the truth at every moment."""

    name = "perfect oracle"

    def stop(self, life: Life, until: float) -> Stop | None:
        """The stop of this run, if there is one before `until`."""
        last = life.ready
        for sign in life.signs(until):
            begin, end = (sign.begin, sign.end) if isinstance(sign, Work) else (sign, sign)
            if isinstance(sign, Work) and not sign.is_useful:
                continue
            if begin > last + TIMEOUT:
                break
            last = max(last, end)
        at = last + TIMEOUT
        return Stop(at=at, released_at=at, why="idle") if at < until else None


class Never:
    """Machines are never stopped."""

    name = "never stop"

    def stop(self, life: Life, until: float) -> Stop | None:
        """The stop of this run, if there is one before `until`."""
        return None


class Culler:
    """A culler that checks JupyterHub's `last_activity` every `every` seconds.

    The hub reads the proxy's traffic every five minutes; any open tab is traffic (JupyterLab polls, WebSockets ping).
    `servers_tell`: single-user servers also report kernels' messages every five minutes. Neither sees a cell that
    prints nothing, nor programs in terminals.
    """

    def __init__(self, name: str, every: float, seed: object, *, servers_tell: bool) -> None:
        self.name = name
        self._every = every
        self._servers_tell = servers_tell
        phases = random.Random(f"{seed}/{name}")  # noqa: S311 -- not a secret
        self._check = phases.uniform(0, every)
        self._poll = phases.uniform(0, ACTIVITY_POLL)

    def stop(self, life: Life, until: float) -> Stop | None:
        """The stop of this run, if there is one before `until`."""
        known = life.ready
        while True:
            # Known activity only increases: no check before this one can find it idle.
            at = _next(known + TIMEOUT, self._every, self._check)
            if at >= until:
                return None
            newest = max(known, self._known(life, at))
            if at - newest >= TIMEOUT:
                return Stop(at=at, released_at=at, why="idle")
            known = newest

    def _known(self, life: Life, at: float) -> float:
        polled = max(life.ready, at - (at - self._poll) % ACTIVITY_POLL)
        known = max(life.last_interaction(polled), life.last_tab(polled))
        if not self._servers_tell:
            return known
        reported = max(life.ready, at - (at - life.ready) % ACTIVITY_POLL)
        return max(known, life.last_interaction(reported), self._last_message(life, reported))

    def _last_message(self, life: Life, at: float) -> float:
        """The newest message of a kernel: with output, and when a cell ends."""
        newest = life.ready
        for work in life.works(at):
            if work.kind is Kind.TERMINAL:
                continue
            if work.end <= at:
                newest = max(newest, work.end)
            elif work.prints:
                return at
        return newest


def idle_culler(seed: object) -> Culler:
    """jupyterhub-idle-culler 2.0.0 with timeout 3600 s; `cull_every` is by default half of that."""
    return Culler("jupyterhub-idle-culler", TIMEOUT // 2, seed, servers_tell=True)


def cloudjhub(seed: object) -> Culler:
    """A model of the earlier cloudJHub's call pattern: every 300 s, by the activity that its hub had from the proxy."""
    return Culler("cloudJHub (before)", 5 * MINUTE, seed, servers_tell=False)


class Custodian:
    """cloud-custodian with the usual policy: `instance-uptime` over an hour, the `metrics` filter on CPUUtilization.

    Average below `less_than` percent over an hour (`days: 0.0417`, `period: 3600`), every five minutes. EC2's basic
    monitoring has a figure for each five minutes.
    """

    EVERY = 5 * MINUTE
    MEASURED = 5 * MINUTE
    WINDOW = HOUR
    CORES = 2
    """t3.medium's: CPUUtilization is the percentage of both."""
    BACKGROUND = 0.5
    """Percent of the machine that an idle JupyterLab and system use."""
    TOUCH = 2.5
    """Seconds of one core for an action: a request, completion, saving."""

    def __init__(self, trace: Trace, less_than: float, seed: object) -> None:
        self.name = f"cloud-custodian, {less_than:g} %"
        self._less_than = less_than
        self._phase = random.Random(f"{seed}/custodian").uniform(0, self.EVERY)  # noqa: S311 -- not a secret
        self._trace = trace
        steps = sorted(
            [(work.begin, work.cpu) for work in trace.works] + [(work.end, -work.cpu) for work in trace.works]
        )
        self._times = [at for at, _ in steps]
        self._rates = list(accumulate(change for _, change in steps))
        areas = [
            rate * (after - at)
            for rate, at, after in zip(self._rates, self._times, self._times[1:], strict=False)
        ]
        self._areas = [0.0, *accumulate(areas)]
        self._lost: list[tuple[float, float, float]] = []
        """Work that was killed: from when until when it would have used how much."""

    def stop(self, life: Life, until: float) -> Stop | None:
        """The stop of this run, if there is one before `until`."""
        at = _next(life.running + self.WINDOW, self.EVERY, self._phase)
        while at < until:
            newest = at - at % self.MEASURED
            if self._percent(max(life.running, newest - self.WINDOW), newest) < self._less_than:
                self._lost += [(at, work.end, work.cpu) for work in life.works(at) if work.end > at]
                return Stop(at=at, released_at=at, why="low CPU")
            at += self.EVERY
        return None

    def _percent(self, since: float, until: float) -> float:
        touches = bisect_right(self._trace.interactions, until) - bisect_right(
            self._trace.interactions, since
        )
        used = self._used(until) - self._used(since) + 100 * touches * self.TOUCH
        for begin, end, cpu in self._lost:
            used -= cpu * max(0.0, min(end, until) - max(begin, since))
        return self.BACKGROUND + used / (until - since) / self.CORES

    def _used(self, at: float) -> float:
        """Percent-seconds of one core until then, if nothing is killed."""
        place = bisect_right(self._times, at) - 1
        return 0.0 if place < 0 else self._areas[place] + self._rates[place] * (at - self._times[place])


def _next(at: float, every: float, phase: float) -> float:
    """The first check that is not before `at`."""
    return ceil((at - phase) / every) * every + phase
