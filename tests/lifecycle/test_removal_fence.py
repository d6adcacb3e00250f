"""Login and removal, in every order in which their steps can fall: no user loses a machine, and none gets two.

The removal is the real code, and so is the hub's verdict. The login is a model of the spawner on the hub's real
decisions: it marks itself pending, reads the record, starts the stopped instance or launches a new one, attaches the
home, and lets the user through.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from hub.drain.verdict import Request, Server, verdict
from hub.spawn.planning import Known, Step, next_step, step_after_check, step_for
from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import CloudError
from lifecycle_app.model.removal import Described
from lifecycle_app.model.transitions import LEASE
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import reconcile, remove_stopped
from tests.lifecycle.examples import ALICE, NOON, SECOND, a_worker, an_instance
from tests.lifecycle.fakes import World

KEPT = timedelta(hours=12)
HOME = "vol-home"
NEW = "i-0e17"
POINTS = 10
"""More than the removal has operations."""
STEPS = 5
"""Of a login."""


class CrashedError(Exception):
    """The function ends without a word."""


@dataclass
class Login:
    """One user's way through the spawner, step by step. It reads and calls without the removal's steps between."""

    world: World
    get: Callable[[str], Worker | None]
    now: datetime = NOON
    pending: bool = False
    uses: str = ""
    """The instance that the user was let through to."""
    started_at: datetime | None = None
    launched: list[str] = field(default_factory=list)

    def steps(self) -> Iterator[None]:
        self.pending = True
        yield
        while True:
            step, known = self._decided()
            yield  # between the reading and the call, the removal may do anything
            if self._brings_up(step, known):
                break
        yield
        self.uses, self.started_at, self.pending = known.instance_id, self.now, False

    def _decided(self) -> tuple[Step, Known]:
        worker = self.get("alice")
        assert worker is not None
        described = Known(
            instance_id=worker.instance_id, state=self.world.cloud.instances[ALICE].state, address=None
        )
        step = next_step(worker, self.now)
        if step is Step.CHECK:
            step = step_after_check(worker, described, self.now)
        if step is Step.LAUNCH and step_for(described) is Step.START:
            step = Step.START  # `find` sees it by its tags
        return step, replace(described, instance_id=NEW) if step is Step.LAUNCH else described

    def _brings_up(self, step: Step, known: Known) -> bool:
        cloud = self.world.cloud
        if step is Step.START and cloud.instances[ALICE].state in (State.STOPPED, State.RUNNING):
            cloud.set_state(ALICE, State.RUNNING)
            return True
        if step is Step.LAUNCH:
            assert cloud.instances[ALICE].state is State.TERMINATED, "two machines"
            self.launched.append(NEW)
            cloud.add(an_instance(instance_id=NEW, home_volume=HOME, launched_at=self.now))
            return True
        return step is Step.ADOPT and cloud.instances[known.instance_id].state is State.RUNNING

    def server(self) -> Server:
        """As the hub knows it."""
        return Server(
            pending="spawn" if self.pending else None,
            active=bool(self.uses),
            started=self.started_at,
            instance_id=self.uses,
        )


@dataclass
class Schedule:
    """Lets the login take its steps before the removal's operations at the chosen points."""

    login: Login
    points: tuple[int, ...]
    crash_at: int | None = None
    count: int = 0
    steps: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self.login.steps()

    def before(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def scheduled(*args: Any, **more: Any) -> Any:
            for _ in range(self.points.count(self.count)):
                self.step()
            self.count += 1
            if self.count - 1 == self.crash_at:
                raise CrashedError
            return operation(*args, **more)

        return scheduled

    def step(self) -> None:
        self.login.now += SECOND
        next(self.steps, None)


def staged(points: tuple[int, ...], *, crash_at: int | None = None) -> tuple[World, Login, Schedule]:
    world = World()
    world.cloud.add(an_instance(state=State.STOPPED, home_volume=HOME))
    record = a_worker(state=State.STOPPED, state_at=NOON - KEPT, started_at=None, due_at=None)
    world.store.put(replace(record, home_volume=HOME), NOON)
    login = Login(world, world.store.get)
    schedule = Schedule(login, points, crash_at)

    def drain(worker: Worker, mode: Drain, since: datetime, counts: Level) -> DrainAnswer:
        asked = Request(
            worker=worker.key, instance_id=worker.instance_id, since=since, mode=mode, counts=counts
        )
        answer = verdict(asked, login.server(), None)
        return DrainAnswer(answer.drained, answer.reason)

    store: Any = world.store
    hub: Any = world.hub
    cloud: Any = world.cloud
    store.get, store.put = schedule.before(store.get), schedule.before(store.put)
    hub.drain = schedule.before(drain)
    cloud.described, cloud.terminate = schedule.before(cloud.described), schedule.before(cloud.terminate)
    return world, login, schedule


def orders(steps: int) -> Iterator[tuple[int, ...]]:
    """Every way in which so many steps of a login fall before, between and after the removal's operations."""
    return combinations_with_replacement(range(POINTS), steps)


def run(world: World) -> dict[str, int]:
    return remove_stopped(world.service, KEPT, lambda: True)


def finish(login: Login, schedule: Schedule) -> None:
    for _ in range(4 * STEPS):
        schedule.step()
    assert login.uses, "the login comes to its end"


def check(world: World, login: Login, points: object) -> None:
    instances = world.cloud.instances
    running = [one for one, instance in instances.items() if instance.state is State.RUNNING]
    assert running == [login.uses], f"the one that the user has runs, and no other: {points}"
    assert login.launched == ([NEW] if world.cloud.terminations else []), points
    assert world.store.workers["alice"].home_volume == HOME, points


def test_no_order_removes_a_machine_that_a_login_uses() -> None:
    outcomes: set[str] = set()
    for points in orders(STEPS):
        world, login, schedule = staged(points)
        outcomes |= set(run(world))
        finish(login, schedule)
        check(world, login, points)
    assert {"removed", "refused"} <= outcomes, "a fence that always refuses, or always removes, is none"


@pytest.mark.parametrize("crash_at", range(8))
def test_nor_does_a_function_that_ends_before_one_of_its_steps(crash_at: int) -> None:
    for points in orders(3):
        world, login, schedule = staged(points, crash_at=crash_at)
        with suppress(CrashedError):
            run(world)
        schedule.crash_at = None
        login.now = max(login.now, NOON + LEASE)
        finish(login, schedule)
        check(world, login, (points, crash_at))


@pytest.mark.parametrize("lands", [True, False])
def test_nor_where_ec2_does_not_answer(lands: bool) -> None:
    """The termination lands before its lease is over, or never."""
    unknown = 0
    for points in orders(3):
        world, login, schedule = staged(points)
        world.cloud.termination_error = CloudError("TerminateInstances", "NoAnswer", "read timeout")
        if run(world) == {"removal-unknown": 1}:
            unknown += 1
            for _ in range(STEPS):
                schedule.step()
            assert not login.uses, "a login waits"
            if lands:
                world.cloud.terminations.append(ALICE)
                world.cloud.set_state(ALICE, State.TERMINATED)
        login.now = max(login.now, NOON + LEASE)
        finish(login, schedule)
        check(world, login, points)
    assert unknown


def test_a_record_that_missed_a_start_costs_no_machine() -> None:
    """The user logged in and works, and neither event came: the hub's server and EC2 itself both say so."""
    for hub_forgot in (False, True):
        world, login, schedule = staged(())
        finish(login, schedule)
        assert world.store.workers["alice"].state is State.STOPPED
        if hub_forgot:
            login.uses, login.started_at = "", None
        assert run(world) == {"not-removed": 1}
        assert world.cloud.terminations == []
        world.now = NOON + LEASE
        reconcile(world.service, world.now, lambda: True)
        assert {worker.state for worker in world.store.workers.values()} == {State.RUNNING}


# Each guard, taken away: the same orders then find a user who is hurt.


def _unasked(world: World) -> None:
    world.hub.drain = lambda *_, **__: DrainAnswer(True, "not asked")  # type: ignore[method-assign]


def _unclaimed(world: World) -> None:
    put: Any = world.store.put
    world.store.put = lambda worker, now: worker if worker.removing else put(worker, now)  # type: ignore[method-assign]


def _hurts(disable: Callable[[World], None]) -> bool:
    for points in orders(STEPS):
        world, login, schedule = staged(points)
        disable(world)
        try:
            run(world)
            finish(login, schedule)
            check(world, login, points)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("disable", [_unasked, _unclaimed])
def test_without_a_guard_a_user_is_hurt(disable: Callable[[World], None]) -> None:
    assert _hurts(disable)


def test_without_the_look_at_ec2_under_the_claim_a_machine_that_runs_is_lost() -> None:
    """The hub was restarted in the middle of a login, and knows no more of it."""
    lost = 0
    for blind in (False, True):
        for points in orders(3):
            world, _, _ = staged(points)
            look = world.cloud.described
            seen: list[Described | None] = []

            def described(
                instance_id: str,
                look: Any = look,
                seen: Any = seen,
                world: World = world,
                blind: bool = blind,
            ) -> Any:
                first = not seen
                seen.append(look(instance_id) if first or not blind else seen[0])
                if first:
                    world.cloud.set_state(ALICE, State.RUNNING)
                return seen[-1]

            world.cloud.described = described  # type: ignore[method-assign]
            world.hub.drain = lambda *_, **__: DrainAnswer(True, "no server")  # type: ignore[method-assign]
            run(world)
            assert blind or not world.cloud.terminations
            lost += len(world.cloud.terminations)
    assert lost
