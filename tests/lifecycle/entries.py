"""Lines of a worker's history, as a test finds and expects them."""

from typing import Any

from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import Message, message
from tests.lifecycle.examples import ALICE, HOUR, NOON
from tests.lifecycle.fakes import World

IDLE = message("idle", timeout=HOUR, last_used=NOON - HOUR)
IDLE_FACTS = {
    "started_at": "2026-11-23T10:00:00+00:00",
    "last_life": "2026-11-23T11:00:00+00:00",
    "last_interaction": "2026-11-23T11:00:00+00:00",
    "last_report": "2026-11-23T12:00:00+00:00",
    "reports": 64,
    "cpu": [],
    "hub_server": None,
}
"""What a decision at noon rests on in the world of conftest.py."""


def lines(world: World, key: str = "alice") -> list[Entry]:
    """A worker's history, oldest first."""
    return list(reversed(world.store.history(key)))


def last(world: World) -> Entry:
    """The newest line of Alice's history."""
    return lines(world)[-1]


def entry(kind: Kind, reason: str, why: Message, **more: Any) -> Entry:
    """A line of Alice's history at noon, without evidence."""
    facts: dict[str, Any] = {"key": "alice", "at": NOON, "instance_id": ALICE}
    return Entry(kind=kind, reason=reason, message=why, **(facts | more))
