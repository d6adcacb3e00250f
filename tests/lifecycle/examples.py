"""Workers, instances and times that the tests start from."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle_app.contract import Level
from lifecycle_app.model.evidence import Evidence, Report
from lifecycle_app.model.worker import Instance, State, Worker

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ALICE = "i-0a11ce"
BOB = "i-0b0b"


def a_worker(**changes: Any) -> Worker:
    """Alice's worker, running since two hours before noon."""
    facts: dict[str, Any] = {
        "key": "alice",
        "instance_id": ALICE,
        "state": State.RUNNING,
        "state_at": NOON - 2 * HOUR,
        "version": 0,
        "changed_at": NOON - 2 * HOUR,
        "address": "10.0.1.5",
        "instance_type": "t3.medium",
        "zone": "us-east-1a",
        "started_at": NOON - 2 * HOUR,
        "due_at": NOON - HOUR,
    }
    return Worker(**(facts | changes))


def an_instance(**changes: Any) -> Instance:
    """Alice's instance, running since two hours before noon."""
    facts: dict[str, Any] = {
        "key": "alice",
        "cluster": "test",
        "instance_id": ALICE,
        "state": State.RUNNING,
        "launched_at": NOON - 2 * HOUR,
        "address": "10.0.1.5",
        "instance_type": "t3.medium",
        "zone": "us-east-1a",
    }
    return Instance(**(facts | changes))


def reports(level: Level, since: datetime, until: datetime, period: timedelta = MINUTE) -> tuple[Report, ...]:
    """A report of this level for each period from `since` until before `until`."""
    count = int((until - since) / period)
    return tuple(Report(since + n * period, level) for n in range(count))


def quiet(back: timedelta = 2 * HOUR, now: datetime = NOON, **more: Any) -> Evidence:
    """Reports of nothing, without a hole, over so long."""
    return Evidence(period=MINUTE, reports=reports(Level.QUIET, now - back, now), **more)
