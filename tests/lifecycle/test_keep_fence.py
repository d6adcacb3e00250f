"""A user's keep and an idle stop, in every order in which their steps can fall: exactly one of them wins.

The stop is the real code, and so are the hub's verdict, its reading of the record and the decision about the keep.
What is modelled is the way of the request: marked in the hub, the record read there, written by the lifecycle app, read
again, and sent again while there is no answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from hub.drain.handler import noted
from hub.drain.verdict import Request, Server, verdict
from hub.keep.answer import TOO_LATE, Answer, first_answer, later_answer
from hub.spawn.parts import PendingKeep
from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import HubUnreachable, RecordConflict
from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.keep import answered
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import sweep
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, SECOND, a_worker, an_instance, quiet
from tests.lifecycle.fakes import World
from tests.lifecycle.test_fence import QUIET, Schedule

POINTS = 7
"""As many as the stop has operations, and one for after them."""
STEPS = 5
ASKED = KeepRequest("alice", ALICE, "0f" * 16, HOUR, NOON, "alice")


@dataclass
class Keep:
    """A user's request on its way, step by step. `is_marked`: does the hub refuse drains meanwhile?"""

    world: World
    is_marked: bool = True
    now: datetime = NOON
    keep: PendingKeep | None = None
    was_sent: bool = False
    answer: Answer | None = None
    is_released: bool = False
    get: Any = field(init=False)
    put: Any = field(init=False)

    def __post_init__(self) -> None:
        self.get, self.put = self.world.store.get, self.world.store.put

    def steps(self) -> Iterator[None]:
        self.keep = PendingKeep(NOON + HOUR)
        yield
        self.answer = TOO_LATE if self.is_released else first_answer(
            self.record(), ALICE, has_refused=self.keep.has_refused
        )  # fmt: skip
        if self.answer is None:
            while self.record().state is not State.RUNNING:
                yield
            self.was_sent = True
        while self.answer is None:
            yield
            yield from self._written()
            yield
            self.answer = later_answer(self.record(), ALICE, ASKED.id)
        self.keep = None

    def record(self) -> Worker:
        worker: Worker = self.get("alice")
        return worker

    def _written(self) -> Iterator[None]:
        """use_cases.keep_requested, with the stop's operations between its reading and its writing."""
        while True:
            worker = self.record()
            changed = answered(worker, ASKED, Policy())
            yield
            try:
                if changed is not worker:
                    self.put(changed, self.now)
            except RecordConflict:
                continue
            return

    def server(self) -> Server | None:
        if self.is_released:
            return None
        pending = self.is_marked and self.keep is not None
        return Server(
            pending=None, active=True, started=NOON - 3 * HOUR, instance_id=ALICE, is_keep_pending=pending
        )


def staged(points: tuple[int, ...], *, is_marked: bool = True, hub_is_down: bool = False) -> Any:
    """An idle worker, its user's request to keep it, and the two of them scheduled."""
    world = World()
    world.cloud.add(an_instance())
    world.store.put(a_worker(), NOON)
    world.metrics.reports[ALICE] = quiet().reports
    keep = Keep(world, is_marked)
    schedule = Schedule(keep, points)  # type: ignore[arg-type]  # has what a login has

    def drain(
        worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        if hub_is_down:
            raise HubUnreachable("down")
        request = Request(worker=worker.key, instance_id=ALICE, since=since, mode=mode, counts=counts)
        decided: Any = noted(verdict(request, keep.server(), QUIET), keep)  # type: ignore[arg-type]
        keep.is_released = decided.drained
        return DrainAnswer(decided.drained, decided.reason, decided.evidence)

    store: Any = world.store
    hub: Any = world.hub
    cloud: Any = world.cloud
    store.get, store.put = schedule.before(store.get), schedule.before(store.put)
    hub.drain, cloud.stop = schedule.before(drain), schedule.before(cloud.stop)
    return world, keep, schedule


def orders() -> Iterator[tuple[int, ...]]:
    return combinations_with_replacement(range(POINTS), STEPS)


def outcome(world: World, keep: Keep, schedule: Schedule) -> tuple[bool, bool]:
    """Was the machine stopped, and was the keep confirmed? After everything has come to its end."""
    sweep(world.service, lambda: True)
    for _ in range(3 * STEPS):
        schedule.step()
    assert keep.answer is not None
    return bool(world.cloud.stops), keep.answer.kept_until is not None


def test_exactly_one_of_keep_and_stop_wins() -> None:
    seen = set()
    for points in orders():
        world, keep, schedule = staged(points)
        stopped, kept = outcome(world, keep, schedule)
        seen.add((stopped, kept))
        if kept:
            assert not stopped, points
            assert keep.record().keep_until == NOON + HOUR, points
        assert kept == keep.was_sent, f"what was sent is confirmed: {points}"
        assert kept or keep.answer == TOO_LATE, points
    assert seen >= {(True, False), (False, True)}


def test_what_was_kept_stays_and_what_was_not_is_stopped_by_the_next_sweep() -> None:
    for points in orders():
        world, keep, schedule = staged(points)
        _, kept = outcome(world, keep, schedule)
        world.now = NOON + 10 * MINUTE
        world.metrics.reports[ALICE] = quiet(now=world.now).reports
        sweep(world.service, lambda: True)
        assert bool(world.cloud.stops) is not kept, points


def test_without_the_mark_a_stop_overtakes_a_request_that_saw_no_claim() -> None:
    """So the test above has something to find."""
    overtaken = 0
    for points in orders():
        world, keep, schedule = staged(points, is_marked=False)
        stopped, kept = outcome(world, keep, schedule) if keep else (False, False)
        assert not (stopped and kept), "the conditional write alone sees to this"
        overtaken += keep.was_sent and stopped
    assert overtaken


def test_with_the_hub_down_the_write_alone_decides() -> None:
    """The request was sent, then the hub ended: kept or stopped, never both."""
    for points in orders():
        world, keep, schedule = staged(points, hub_is_down=True)
        stopped, kept = outcome(world, keep, schedule)
        assert not (stopped and kept), points


@pytest.mark.parametrize(("late", "stops"), [(timedelta(0), 0), (HOUR - SECOND, 0), (HOUR, 1)])
def test_a_keep_ends_by_itself(late: timedelta, stops: int) -> None:
    world, keep, schedule = staged((0,) * STEPS)
    assert outcome(world, keep, schedule) == (False, True)
    world.now = NOON + late
    world.metrics.reports[ALICE] = quiet(now=world.now).reports
    sweep(world.service, lambda: True)
    assert len(world.cloud.stops) == stops
