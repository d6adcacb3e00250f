"""The copy of the records, one read for all spawners; and stop requests."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from hub.clients.lifecycle import Reader, StopRequests, stop_entry
from hub.errors import StopNotSent
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.worker import EPOCH, OVERLAP, State
from tests.hub.fakes import NOON, FakeStore, calls, refusal, worker

MINUTE = timedelta(minutes=1)


def reader(store: FakeStore, **more: Any) -> Reader:
    return Reader(store.changed_since, calls(), interval=timedelta(milliseconds=1), **more)


async def test_first_read_takes_all_then_only_what_changed_with_an_overlap() -> None:
    store = FakeStore(worker("ada"), worker("bob", changed_at=NOON + MINUTE))
    known = reader(store)
    await known.read()
    await known.read()
    assert store.reads == [EPOCH, NOON + MINUTE - OVERLAP]
    assert [one.key for one in known.all()] == ["ada", "bob"]


async def test_record_that_bears_the_time_at_which_a_slow_writer_began_is_read() -> None:
    """A function runs for up to two minutes, and all that time others write newer records."""
    store = FakeStore(worker("bob", changed_at=NOON + 2 * MINUTE))
    known = reader(store)
    await known.read()
    store.workers["ada"] = worker("ada", changed_at=NOON)
    await known.read()
    assert known.get("ada") is not None


async def test_failed_read_changes_nothing_and_reading_goes_on() -> None:
    store = FakeStore(worker("ada"))
    known = reader(store)
    assert await known.loaded()
    store.problems = [StoreUnavailable("down"), RuntimeError("odd")]
    store.workers["ada"] = worker("ada", State.STOPPED, version=2, changed_at=NOON + MINUTE)
    reads = len(store.reads)
    found = known.get("ada")
    assert found is not None
    assert found.state is State.RUNNING
    async with asyncio.timeout(5):
        while found is None or found.state is State.RUNNING:
            await asyncio.sleep(0)
            found = known.get("ada")
    assert len(store.reads) >= reads + 3
    await known.close()


@pytest.mark.parametrize(
    ("version", "changed", "taken"),
    [
        (1, -MINUTE, False),  # an older version, from an index that lags
        (2, timedelta(0), True),
        (3, -MINUTE, True),  # a newer one, by a slower clock
        (1, MINUTE, True),  # made anew after its removal
    ],
)
async def test_older_version_does_not_replace_a_newer_one(
    version: int, changed: timedelta, taken: bool
) -> None:
    store = FakeStore(worker("ada", version=2))
    known = reader(store)
    await known.read()
    seen = worker("ada", State.STOPPED, version=version, changed_at=NOON + changed)
    store.workers["ada"] = seen
    await known.read()
    assert (known.get("ada") == seen) is taken


async def test_worker_is_found_by_the_instance_it_has_now() -> None:
    store = FakeStore(worker("ada", instance_id="i-0000000a"))
    known = reader(store)
    await known.read()
    store.workers["ada"] = worker("ada", instance_id="i-0000000b", version=2)
    await known.read()
    assert known.by_instance("i-0000000a") is None
    assert known.by_instance("i-0000000b") == store.workers["ada"]
    assert known.by_instance("i-0000000c") is None


async def test_memory_is_bounded_and_who_runs_is_kept() -> None:
    stopped = [worker(f"old{n}", State.STOPPED, changed_at=NOON + n * MINUTE) for n in range(8)]
    known = reader(FakeStore(*stopped, worker("ada"), worker("bob")), most_kept=5)
    await known.read()
    assert [one.key for one in known.all()] == ["ada", "bob", "old5", "old6", "old7"]


async def test_hub_does_not_wait_without_end_for_the_first_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.clients.lifecycle.FIRST_LOAD", timedelta(milliseconds=5))
    store = FakeStore()
    store.problems = [StoreUnavailable("down")] * 100_000
    known = reader(store)
    assert not await known.loaded()
    await known.close()


class FakeEvents:
    """Takes events, or does not."""

    def __init__(self, failed: int = 0, error: Exception | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._failed = failed
        self._error = error

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        if self._error:
            raise self._error
        self.entries += Entries
        return {"FailedEntryCount": self._failed, "Entries": [{"ErrorCode": "InternalFailure"}]}


def test_entry_as_a_whole() -> None:
    entry = stop_entry("test", "ada/gpu", "i-1", "boss", NOON)
    assert json.loads(entry.pop("Detail")) == {
        "cluster": "test",
        "worker": "ada/gpu",
        "instance_id": "i-1",
        "requested_at": NOON.timestamp(),
        "requested_by": "boss",
    }
    assert entry == {"Source": "cloudjhub.hub", "DetailType": "Stop Requested"}


async def test_event_is_put() -> None:
    events: Any = FakeEvents()
    await StopRequests(events, calls(), "test").send("ada", "i-1", "ada", NOON)
    assert events.entries == [stop_entry("test", "ada", "i-1", "ada", NOON)]


@pytest.mark.parametrize("events", [FakeEvents(failed=1), FakeEvents(error=refusal("AccessDenied"))])
async def test_event_that_is_not_accepted_is_an_error(events: Any) -> None:
    with pytest.raises(StopNotSent, match="ada"):
        await StopRequests(events, calls(), "test").send("ada", "i-1", "ada", NOON)
