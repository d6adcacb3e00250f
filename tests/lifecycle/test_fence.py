"""Login and stop, in every order in which their steps can fall: no stop hits a login that was let through.

The stop is the real code, and so is the hub's verdict. The login is a model of the spawner: it marks itself
pending, reads the record, waits while a stop is under way, asks EC2 itself now and then, and uses the instance if it
runs. What it makes of the record and of EC2's word is the hub's real code.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations_with_replacement
from typing import Any

import pytest

from hub.drain.verdict import Observation, Request, Server, verdict
from hub.spawn.planning import Known, Step, next_step, step_after_check
from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import CloudError, HubUnreachable
from lifecycle_app.model.transitions import LEASE
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import sweep
from tests.lifecycle.examples import ALICE, NOON, SECOND, a_worker, an_instance, quiet
from tests.lifecycle.fakes import World

POINTS = 10
"""More than the stop has operations."""
CLAIM = 1
"""The second operation: reading the record comes first."""
QUIET = Observation(last_interaction=None, last_work=None, level=0, evidence={"observed_at": 1})


class CrashedError(Exception):
    """The holder of a claim ends without a word."""


@dataclass
class Login:
    """One user's way through the spawner, step by step."""

    world: World
    now: datetime = NOON
    pending: bool = False
    is_let_through: bool = False
    started_at: datetime | None = None

    def steps(self) -> Iterator[None]:
        self.pending = True
        yield
        while not self._may_use():
            yield
        self.is_let_through = True
        yield
        self.started_at = self.now
        self.pending = False

    def _may_use(self) -> bool:
        """Asks EC2 each time, which is more often than the hub does; EC2 says that the instance runs until it stops."""
        worker = self.world.record()
        if next_step(worker, self.now) is Step.ADOPT:
            return True
        looked = Known(instance_id=ALICE, state=self.world.cloud.instances[ALICE].state, address=None)
        return step_after_check(worker, looked, self.now) is Step.ADOPT

    def server(self) -> Server:
        """As the hub sees it: an old server until the login begins, a fresh one after it."""
        return Server(
            pending="spawn" if self.pending else None,
            active=True,
            started=self.started_at or NOON - 3 * 3600 * SECOND,
            instance_id=ALICE,
        )


@dataclass
class Schedule:
    """Lets the login take its steps before the stop's operations at the chosen points."""

    login: Login
    points: tuple[int, ...]
    crash_at: int | None = None
    count: int = 0
    ended: bool = False
    steps: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self.login.steps()

    def before(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def scheduled(*args: Any, **more: Any) -> Any:
            self.tick()
            return operation(*args, **more)

        return scheduled

    def tick(self) -> None:
        for _ in range(self.points.count(self.count)):
            self.step()
        if self.count == self.crash_at:
            self.count += 1
            raise CrashedError
        self.count += 1

    def step(self) -> None:
        self.login.now += SECOND
        next(self.steps, None)


def staged(points: tuple[int, ...], *, hub_is_down: bool = False, crash_at: int | None = None) -> Any:
    """An idle worker, its user's login, and the two of them scheduled."""
    world = World()
    world.cloud.add(an_instance())
    world.store.put(a_worker(), NOON)
    world.metrics.reports[ALICE] = quiet().reports
    login = Login(world)
    schedule = Schedule(login, points, crash_at)
    store: Any = world.store
    get = world.store.get
    login.world = World(store=_Reader(get), cloud=world.cloud)  # type: ignore[arg-type]

    def drain(
        worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        if hub_is_down:
            raise HubUnreachable("down")
        request = Request(
            worker=worker.key,
            instance_id=worker.instance_id,
            since=since,
            mode=Drain(mode),
            counts=counts,
        )
        answer = verdict(request, login.server(), QUIET)
        return DrainAnswer(answer.drained, answer.reason, answer.evidence)

    hub: Any = world.hub
    cloud: Any = world.cloud
    store.get, store.put = schedule.before(store.get), schedule.before(store.put)
    hub.drain, cloud.stop = schedule.before(drain), schedule.before(cloud.stop)
    return world, login, schedule


@dataclass
class _Reader:
    """The store as the hub reads it: without a step of the stop in between."""

    get: Callable[[str], Worker | None]


def orders(steps: int) -> Iterator[tuple[int, ...]]:
    """Every way in which so many steps of a login fall before, between and after the stop's operations."""
    return combinations_with_replacement(range(POINTS), steps)


def test_no_order_stops_a_login_that_was_let_through() -> None:
    outcomes = set()
    for points in orders(3):
        world, login, schedule = staged(points)
        outcomes |= set(sweep(world.service, lambda: True))
        for _ in range(3):
            schedule.step()
        stopped, used = bool(world.cloud.stops), login.is_let_through
        assert stopped != used, f"either the machine stops, or the user has it: {points}"
        assert stopped == (login.world.record().state is State.STOPPING), points
    assert outcomes == {"stopped", "refused"}, "a fence that always refuses, or always stops, is none"


@pytest.mark.parametrize("crash_at", range(8))
def test_nor_does_a_holder_that_crashes_and_a_sweep_after_it(crash_at: int) -> None:
    """The holder ends before one of its operations; when its lease is over, another sweep comes."""
    for points in orders(3):
        world, login, schedule = staged(points, crash_at=crash_at)
        with suppress(CrashedError):
            sweep(world.service, lambda: True)
        if not world.cloud.stops:
            schedule.crash_at = None
            login.now = max(login.now, NOON + LEASE)
            schedule.step()
            world.now = NOON + LEASE
            sweep(world.service, lambda: True)
        assert not (world.cloud.stops and login.is_let_through), (points, crash_at)


def test_with_the_hub_down_a_claim_makes_the_next_login_wait() -> None:
    """Without the hub there is no login under way; one that begins during the stop finds the claim."""
    for points in orders(2):
        if points[0] <= CLAIM:
            continue
        world, login, _ = staged(points, hub_is_down=True)
        assert sweep(world.service, lambda: True) == {"stopped": 1}
        assert not login.is_let_through, points


@pytest.mark.parametrize("lands", range(4))
def test_a_stop_that_is_not_answered_and_that_lands_late_hits_no_user(lands: int) -> None:
    """Until it lands EC2 says that the instance runs, and whoever looks must not believe it."""
    stopped = 0
    for points in orders(2):
        world, login, schedule = staged(points)
        world.cloud.stop_error = CloudError("StopInstances", "NoAnswer", "read timeout")
        if sweep(world.service, lambda: True) != {"stop-unknown": 1}:
            continue
        for step in range(4):
            if step == lands:
                world.cloud.set_state(ALICE, State.STOPPING)
            schedule.step()
            assert not login.is_let_through, (points, step)
        stopped += 1
    assert stopped, "in some orders the stop is asked for"


def test_a_stop_that_ec2_accepts_but_does_not_show_yet_hits_no_user() -> None:
    stopped = 0
    for points in orders(2):
        world, login, schedule = staged(points)
        world.cloud.set_state = lambda *_: None
        if sweep(world.service, lambda: True) != {"stopped": 1}:
            continue
        for _ in range(4):
            schedule.step()
            assert not login.is_let_through, points
        stopped += 1
    assert stopped, "in some orders the stop is asked for"
