"""What pages tell, in words."""

from datetime import timedelta
from typing import Any

import pytest

from hub.clients.lifecycle import Reader
from hub.pages.texts import Line, Pages, Told, told
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State
from tests.hub.fakes import NOON, FakeStore, calls, worker

STOP = Entry(
    key="ada", at=NOON, kind=Kind.STOP, reason="idle", words="no activity for 60 min", instance_id="i-1"
)


class Store(FakeStore):
    """Records with a history."""

    def history(self, key: str, limit: int) -> list[Entry]:
        return [STOP][:limit]


def pages(store: Any) -> tuple[Pages, Reader]:
    reader = Reader(store.changed_since, calls(), interval=timedelta(seconds=5))
    return Pages(store, reader, calls()), reader


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"state": State.STOPPED}, "Stopped at 2026-11-23 12:00 UTC"),
        ({"state": State.STOPPING}, "Being stopped since 2026-11-23 12:00 UTC"),
        ({"state": State.STOPPING, "claimed_until": NOON}, "Being looked at since 2026-11-23 12:00 UTC"),
        ({"state": State.TERMINATED}, "The machine was removed at 2026-11-23 12:00 UTC"),
        ({"state": State.PENDING}, "Starting since 2026-11-23 12:00 UTC"),
        (
            {"state": State.RUNNING, "started_at": NOON - timedelta(hours=1)},
            "Running since 2026-11-23 11:00 UTC",
        ),
    ],
)
def test_headline(changes: dict[str, Any], headline: str) -> None:
    assert told("ada", worker(**changes), []).headline.startswith(headline)


async def test_stopped_server_tells_why_and_what_was_before() -> None:
    store = Store(
        worker(
            state=State.STOPPED,
            stop_reason="idle",
            evidence="no activity for 60 min",
            instance_type="t3.medium",
        )
    )
    about = await pages(store)[0].about("ada")
    assert about.reason == "No activity for 60 min"
    assert about.machine == "t3.medium i-00000001 us-east-1a"
    assert about.history == (Line(at="2026-11-23 12:00 UTC", words="No activity for 60 min"),)


async def test_a_machine_that_somebody_else_stopped_is_not_given_our_last_words_as_the_reason() -> None:
    about = await pages(Store(worker(state=State.STOPPED, evidence="a busy kernel")))[0].about("ada")
    assert about.reason == ""


async def test_user_without_a_machine_is_told_nothing() -> None:
    assert await pages(FakeStoreWithoutHistory())[0].about("ada", "gpu") == Told(worker="ada/gpu")


class FakeStoreWithoutHistory(FakeStore):
    """Nobody has a history."""

    def history(self, key: str, limit: int) -> list[Entry]:
        return []


async def test_page_is_shown_when_records_cannot_be_read() -> None:
    store = Store(worker(state=State.STOPPED, stop_reason="idle", evidence="no activity"))
    shown, reader = pages(store)
    await reader.read()
    store.problems = [StoreUnavailable("down")]
    about = await shown.about("ada")
    assert (about.reason, about.history) == ("No activity", ())
    assert [one.worker for one in shown.everybody()] == ["ada"]
