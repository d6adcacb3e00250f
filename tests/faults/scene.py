"""One cluster of three workers, through the real service and adapters, of which one part can be at fault."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lifecycle_app.adapters.cloudwatch import CloudWatch
from lifecycle_app.adapters.ec2 import Ec2
from lifecycle_app.adapters.hub_client import HubClient
from lifecycle_app.adapters.hub_session import session
from lifecycle_app.model.history import sentence
from lifecycle_app.model.messages import joined, text
from lifecycle_app.model.worker import Worker
from lifecycle_app.use_cases import Service
from tests.faults.hostile_hub import Answer, Asked, HostileHub, hostile_hub, releasing, told, users_page
from tests.faults.wire import Wire, every
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, a_worker
from tests.lifecycle.fakes import MemoryStore
from tests.lifecycle.test_hub_contract import Token

CAROL = "i-0ca401"
SHORT = 1.5
"""Seconds that the hub may take for an answer."""
NO_HUB = "http://127.0.0.1:9/hub/api"


@dataclass
class Scene:
    """Alice's worker is the one that a fault is about, Bob's is idle, Carol's in use.

    Those in `alive` have activity, or it cannot be known that they have none.
    """

    wire: Wire
    hub: HostileHub
    service: Service
    store: MemoryStore
    alive: set[str]
    log: list[str] = field(default_factory=list)
    now: datetime = NOON

    @property
    def wrong_stops(self) -> list[str]:
        """Stops of workers that must not be stopped."""
        return [one for one in self.wire.stops if one in self.alive]

    def recorded_about(self, key: str) -> str:
        """All that was recorded or logged about a worker, and about all."""
        worker = self.store.get(key)
        kept = [
            f"{entry.kind} {entry.reason}: {joined(sentence(entry))}" for entry in self.store.history(key)
        ]
        return "\n".join([text(worker.message) if worker else "", *kept, *self.log])


def plain(asked: Asked) -> Iterator[bytes]:
    """A hub that releases every server, and has servers of all three."""
    if asked.path.endswith("/drain"):
        yield told(releasing(asked))
    else:
        yield told(users_page({"alice": [""], "bob": [""], "carol": [""]}))


def only_alice(answer: Answer) -> Answer:
    """The answer to what is asked of Alice; a plain one to everything else."""

    def chosen(asked: Asked) -> Iterator[bytes]:
        is_hers = asked.path.endswith("/drain") and asked.body["worker"] == "alice"
        yield from (answer if is_hers else plain)(asked)

    return chosen


@contextmanager
def scene(
    answer: Answer = plain,
    *,
    api: str | None = None,
    clock: Callable[[], datetime] | None = None,
    alive: tuple[str, ...] = (ALICE, CAROL),
    certificate: str | None = None,
    tls: object = None,
) -> Iterator[Scene]:
    """The scene at noon: all three have run for two hours, Alice and Bob without activity for one and more."""
    wire, store = Wire(), MemoryStore()
    with hostile_hub(answer, tls) as hub, session(certificate) as made:  # type: ignore[arg-type]
        client = HubClient(api or hub.api, Token(), made, read_seconds=SHORT)
        found = Scene(wire, hub, _service(wire, store, client), store, set(alive))
        found.service = _service(wire, store, client, clock or (lambda: found.now))
        wire.ours = clock or (lambda: found.now)
        for instance_id, key, level in ((ALICE, "alice", 0.0), (BOB, "bob", 0.0), (CAROL, "carol", 3.0)):
            wire.add(instance_id, key)
            wire.activity[instance_id] = every(1, level, NOON - 2 * HOUR, NOON)
            store.put(_worker(key, instance_id), NOON - HOUR)
        with _heard(found.log):
            yield found


def _service(
    wire: Wire, store: MemoryStore, hub: HubClient, clock: Callable[[], datetime] = lambda: NOON
) -> Service:
    cloud = Ec2(wire.client("ec2"), wire.client("ec2"), "test")
    return Service(
        "test", store, store, cloud, CloudWatch(wire.client("cloudwatch"), "test", MINUTE), hub, clock
    )


def _worker(key: str, instance_id: str) -> Worker:
    # Alice is due first: trouble with her must not keep the others from their turn.
    due = NOON - HOUR + timedelta(minutes=("alice", "bob", "carol").index(key))
    return a_worker(key=key, instance_id=instance_id, due_at=due, groups=("staff",))


@contextmanager
def _heard(log: list[str]) -> Iterator[None]:
    """Keeps what the lifecycle app logs."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(record.getMessage())

    logger, keep = logging.getLogger("lifecycle_app"), Keep()
    logger.addHandler(keep)
    try:
        yield
    finally:
        logger.removeHandler(keep)


def always() -> bool:
    return True
