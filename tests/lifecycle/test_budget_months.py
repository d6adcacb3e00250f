"""Months of users who work until nothing more is allowed, with faults: use beyond a budget, own or shared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from json import dumps
from random import Random

import pytest

from lifecycle_app.adapters.hub_client import HubUser
from lifecycle_app.contract import Level
from lifecycle_app.model.budget import month_begin, next_month, standings, uses
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.evidence import Evidence, Report
from lifecycle_app.model.policy import Policy, policy_for
from lifecycle_app.model.worker import State, split
from lifecycle_app.use_cases import record_activity, record_state, sweep
from tests.lifecycle.examples import HOUR, MINUTE, an_instance
from tests.lifecycle.fakes import MemoryMetrics, World

SWEEP = 5 * MINUTE
OWN, OF_GROUP, OF_ALL = "user/alice", "group/staff", "cluster"
KEYS = {
    OWN: ("alice", "alice/gpu"),
    OF_GROUP: ("alice", "alice/gpu", "bob"),
    OF_ALL: ("alice", "bob", "carol"),
}
"""Of all who share the budget of each scope."""
GROUPS = {"alice": ("staff",), "bob": ("staff", "lab"), "carol": ()}
SLACK = 2 * MINUTE
"""The pass over activity comes each minute, and EC2's events are of whole seconds."""


class InUse(MemoryMetrics):
    """Each machine is used at every moment."""

    def newest(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        return {one: self.evidence(one, Policy(), now) for one in instance_ids}

    def evidence(self, instance_id: str, policy: Policy, now: datetime) -> Evidence:
        return Evidence(period=MINUTE, reports=(Report(now - MINUTE, Level.INTERACTION),))


@dataclass(frozen=True)
class Run:
    """One of EC2's runs that goes on."""

    instance_id: str
    since: datetime


@dataclass
class Life:
    """The users of one budget and their machines, minute by minute. `ran` is what EC2 counts, whatever records say."""

    random: Random
    scope: str = OWN
    world: World = field(default_factory=lambda: World(metrics=InUse()))
    running: dict[str, Run] = field(default_factory=dict)
    ran: dict[datetime, timedelta] = field(default_factory=dict)
    news: list[tuple[datetime, StateChange]] = field(default_factory=list)
    next_sweep: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    runs: int = 0

    @property
    def policy(self) -> Policy:
        return self.policy_of("alice")

    def policy_of(self, user: str) -> Policy:
        return policy_for(user, GROUPS[user], self.world.store.settings)

    def is_over(self, user: str, now: datetime) -> bool:
        """Does the hub start no machine for this user, by the records that it has?"""
        known = uses(self.world.store.workers.values(), now)
        return any(one.is_over for one in standings(user, self.policy_of(user), known, now))

    def minute(self, now: datetime) -> None:
        """What happens in a minute: the user's acts, EC2's events, the functions' passes; some of them fail."""
        world, random = self.world, self.random
        world.now, world.hub.is_down = now, random.random() < 0.1
        users = {split(key)[0] for key in self.running}
        world.hub.users = [HubUser(user, GROUPS[user], frozenset()) for user in sorted(users)]
        self._deliver(now)
        if random.random() > 0.2:
            record_activity(world.service, now)
        if now >= self.next_sweep:
            self.next_sweep = now + SWEEP - timedelta(minutes=random.choice((0, 0, 1, 2)))
            sweep(world.service, lambda: True)
            for key in [key for key, run in self.running.items() if run.instance_id in world.cloud.stops]:
                self._ended(key, now)

    def start(self, key: str, now: datetime) -> bool:
        """Starts a machine as the hub does."""
        if key in self.running or self.is_over(split(key)[0], now):
            return False
        self.runs += 1
        instance = an_instance(key=key, instance_id=f"i-{self.runs:05x}", launched_at=now)
        self.world.cloud.add(instance)
        self.running[key] = Run(instance.instance_id, now)
        self._happens(instance.instance_id, State.RUNNING, now)
        return True

    def stop(self, key: str, now: datetime) -> None:
        """The user has stopped the machine."""
        self.world.cloud.set_state(self.running[key].instance_id, State.STOPPING)
        self._ended(key, now)

    def used(self, begin: datetime) -> timedelta:
        """What ran in the month that is just over, and what still runs."""
        still = (next_month(begin) - max(run.since, begin) for run in self.running.values())
        return self.ran.get(begin, timedelta(0)) + sum(still, timedelta(0))

    def _ended(self, key: str, now: datetime) -> None:
        run = self.running.pop(key)
        since = run.since
        while since < now:
            until = min(now, next_month(since))
            self.ran[month_begin(since)] = self.ran.get(month_begin(since), timedelta(0)) + until - since
            since = until
        self._happens(run.instance_id, State.STOPPING, now)
        self._happens(run.instance_id, State.TERMINATED, now + MINUTE)

    def _happens(self, instance_id: str, state: State, at: datetime) -> None:
        """EC2's event comes late, and sometimes twice."""
        for _ in range(self.random.choice((1, 1, 2))):
            late = timedelta(seconds=self.random.choice((0, 0, 30, 60)))
            self.news.append((at + late, StateChange(instance_id, state, at)))

    def _deliver(self, now: datetime) -> None:
        due = sorted((one for one in self.news if one[0] <= now), key=lambda one: one[0])
        self.news = [one for one in self.news if one[0] > now]
        for _, event in due:
            if event.state is State.TERMINATED:
                self.world.cloud.set_state(event.instance_id, State.TERMINATED)
            record_state(self.world.service, event, now)


def drawn(seed: int) -> Random:
    """The same draws for the same seed."""
    return Random(seed)  # noqa: S311 -- a test's draw


def months(life: Life, count: int) -> Iterator[datetime]:
    """The begin of each month, once it is over. Its budget and grace are drawn anew."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(count):
        begin, hours, grace = now, life.random.choice((1, 3, 7.5)), life.random.choice((0, 600, 1800))
        name = "budget_hours" if life.scope == OWN else "shared_budget_hours"
        said = {name: hours, "budget_grace": grace, "budget_stops_work": True}
        life.world.store.settings[life.scope] = dumps(said)
        while now < next_month(begin):
            now = min(_next(life, now), next_month(begin))
        yield begin


def _next(life: Life, now: datetime) -> datetime:
    """Lets a minute pass; where nothing runs and nothing is under way, some hours."""
    random = life.random
    if not life.running and not life.news:
        if not life.start(random.choice(KEYS[life.scope]), now):
            return now + 12 * HOUR
    elif random.random() < 0.004:
        life.start(random.choice(KEYS[life.scope]), now)
    elif random.random() < 0.004 and life.running:
        life.stop(random.choice(sorted(life.running)), now)
    life.minute(now)
    return now + MINUTE


def overshoots(life: Life, count: int) -> list[timedelta]:
    """By month, how much more ran than was allowed, beyond the grace and one sweep of each machine."""
    found = []
    for begin in months(life, count):
        policy = life.policy
        (limit,) = policy.limits("alice")
        assert limit.scope == life.scope
        allowed = (limit.time or timedelta(0)) + len(KEYS[life.scope]) * (policy.budget_grace + SWEEP + SLACK)
        found.append(life.used(begin) - allowed)
    return found


@pytest.mark.parametrize("scope", KEYS)
def test_no_month_of_these_overshoots_by_more_than_grace_and_sweep(scope: str) -> None:
    assert max(overshoots(Life(drawn(7), scope=scope), 12)) <= timedelta(0)


@pytest.mark.deep
@pytest.mark.parametrize(("seed", "scope"), list(zip(range(10), cycle(KEYS), strict=False)))
def test_no_month_of_a_thousand_overshoots_by_more_than_grace_and_sweep(seed: int, scope: str) -> None:
    assert max(overshoots(Life(drawn(seed), scope=scope), 100)) <= timedelta(0)


@pytest.mark.parametrize("scope", [OWN, OF_GROUP])
def test_without_sweeps_some_month_overshoots(scope: str) -> None:
    """The tests above can fail."""
    life = Life(drawn(7), scope=scope, next_sweep=datetime(2100, 1, 1, tzinfo=UTC))
    assert max(overshoots(life, 12)) > HOUR
