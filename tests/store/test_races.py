"""Several write one worker's record at the same moment, through the real store and transitions: nothing gets lost, and
no writer claims a worker after newer activity.

`make races` runs 20,000 such races, `make test` some hundred. What each race is made of follows from its number.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Barrier, Event

import pytest

from bootstrap.operations.workers.stopping import kept
from hub.spawn.planning import Step, next_step
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.decision import Action, decide
from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.keep import answered
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.transitions import is_news, with_claim, with_due, with_life, with_state
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import HOUR, MINUTE, NOON, SECOND, a_worker, quiet
from tests.store import servers

RACES = int(os.environ.get("RACES", "300"))
TRIES = 20
POLICY = Policy()
QUIET = quiet()
LIFE = NOON - SECOND


@dataclass
class Race:
    """One worker, idle for an hour, those who race for its record, and what became of it."""

    store: WorkerStore
    number: int
    gate: Barrier
    is_pending: Event = field(default_factory=Event)
    """The hub's mark that a login is under way."""
    wins: list[tuple[str, Worker, Worker]] = field(default_factory=list)
    """Who wrote, what he had read, and what he wrote."""
    conflicts: int = 0
    is_drained: bool = False
    is_used: bool = False

    @property
    def key(self) -> str:
        return f"u{self.number}"

    def write(self, who: str, step: Callable[[Worker], Worker | None]) -> bool:
        """Reads, decides and writes, again if another was faster, as all writers do."""
        for _ in range(TRIES):
            read = self.store.get(self.key)
            assert read is not None
            wanted = step(read)
            if wanted is None:
                return False
            try:
                written = self.store.put(wanted, NOON)
            except RecordConflict:
                self.conflicts += 1
                continue
            self.wins.append((who, read, written))
            return True
        raise AssertionError(f"race {self.number}: {who} found no end")


def claim(race: Race) -> None:
    """The sweep: claims if it is idle, and then asks the hub, which releases it if no login is pending."""

    def step(read: Worker) -> Worker | None:
        decision = decide(read, QUIET, POLICY, NOON)
        return (
            with_claim(read, decision.reason, decision.message, NOON)
            if decision.action is Action.STOP
            else None
        )

    if race.write("claim", step):
        race.is_drained = not race.is_pending.is_set()


def record_life(race: Race) -> None:
    """record_activity: the user did something a second ago."""
    race.write("life", lambda read: with_due(with_life(read, LIFE, LIFE), NOON + HOUR))


def log_in(race: Race) -> None:
    """The hub: marks the login pending and then reads the record; it uses what is not claimed."""
    race.is_pending.set()
    race.is_used = next_step(race.store.get(race.key), NOON) is Step.ADOPT


def keep(race: Race) -> None:
    """The operator: `cloudjhub workers keep`."""
    race.write("keep", lambda read: kept(read, NOON + HOUR, "boss", NOON))


def ask_to_keep(race: Race) -> None:
    """keep_requested: the user wants it kept; under a claim nothing is written."""
    request = KeepRequest(race.key, f"i-{race.number}", "0f" * 16, HOUR, NOON, race.key)

    def step(read: Worker) -> Worker | None:
        answer = answered(read, request, POLICY)
        return None if answer is read else answer

    race.write("asked", step)


def see_stopped(race: Race) -> None:
    """record_state: EC2 reported that the instance was stopped."""

    def step(read: Worker) -> Worker | None:
        return with_state(read, State.STOPPED, NOON, NOON) if is_news(read, State.STOPPED, NOON) else None

    race.write("stopped", step)


OTHERS = (record_life, log_in, keep, ask_to_keep, see_stopped, claim)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(len(OTHERS)) as threads:
        yield threads


def run(store: WorkerStore, number: int, pool: ThreadPoolExecutor) -> Race:
    rng = random.Random(number)  # noqa: S311 -- chooses who races
    racers = [claim, *rng.sample(OTHERS, rng.randint(1, 3))]
    rng.shuffle(racers)
    race = Race(store, number, Barrier(len(racers)))
    idle = a_worker(key=race.key, instance_id=f"i-{number}", last_activity=NOON - HOUR - MINUTE)
    race.wins.append(("made", idle, store.put(idle, NOON - HOUR)))

    def begin(racer: Callable[[Race], None]) -> None:
        race.gate.wait()
        racer(race)

    list(pool.map(begin, racers))
    return race


def wrongs(race: Race) -> list[str]:
    """What must not be, in words."""
    wins = sorted(race.wins, key=lambda win: win[2].version)
    found = [
        f"{later[0]} wrote over {earlier[0]}" for earlier, later in pairwise(wins) if later[1] != earlier[2]
    ]
    if race.store.get(race.key) != wins[-1][2]:
        found.append("the record is not what was written last")
    names = [name for name, _, _ in wins]
    found += [
        f"{name} wrote under a claim" for name, read, _ in wins if name == "asked" and read.claimed_until
    ]
    for place, (name, _, written) in enumerate(wins):
        if name == "claim" and (
            {"life", "keep", "asked", "stopped"} & set(names[:place]) or written.last_activity == LIFE
        ):
            found.append(f"claimed after {names[:place]}")
    if race.is_drained and race.is_used:
        found.append("stopped although a login uses it")
    return found


@pytest.mark.usefixtures("dynalite")
def test_no_race_loses_a_write_or_claims_after_life(pool: ThreadPoolExecutor) -> None:
    store = WorkerStore(servers.CLUSTER)
    seen: Counter[str] = Counter()
    wrong: dict[int, list[str]] = {}
    for number in range(RACES):
        race = run(store, number, pool)
        seen["conflicts"] += race.conflicts
        seen["drained"] += race.is_drained
        seen["used"] += race.is_used
        seen.update(name for name, _, _ in race.wins)
        if found := wrongs(race):
            wrong[number] = found
    print(f"{RACES} races on dynalite: {dict(seen)}; wrong: {len(wrong)}")
    assert not wrong, f"{len(wrong)} of {RACES} races, by number: {dict(list(wrong.items())[:5])}"
    assert all(
        seen[what] for what in ("conflicts", "drained", "used", "claim", "life", "keep", "asked", "stopped")
    )
