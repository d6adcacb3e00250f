"""What the hub makes of a record that cannot be used: nothing is launched or forgotten, and the operator is told."""

import asyncio
import logging
from datetime import timedelta
from typing import cast

import pytest

from hub.clients.lifecycle import BadRecords, Reader
from hub.errors import RecordUnusable
from hub.pages.texts import Pages
from hub.users.names import People
from hub.users.operator_settings import OperatorSettings
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.history import Entry
from lifecycle_app.model.worker import State
from tests.hub.fakes import NOON, FakeStore, backups, calls, unlimited, worker
from tests.hub.test_start_protocol import Case

BAD = BadRecord("ada", "state is missing", "i-00000001")
MINUTE = timedelta(minutes=1)


async def test_login_neither_starts_nor_launches_and_calls_the_administrator() -> None:
    """At once: trying again does not fix it."""
    case = Case(worker(state=State.STOPPED))
    case.store.problems = [BAD]
    with pytest.raises(RecordUnusable, match=r"is damaged.*administrator") as told:
        await case.bring_up()
    assert case.operations() == case.noted == []
    assert case.store.problems == []
    assert told.value.label == "record"


async def test_record_that_turns_bad_while_a_login_waits_ends_the_wait() -> None:
    case = Case(worker(state=State.STOPPING))
    waiting = asyncio.ensure_future(case.bring_up())
    while not case.said:
        await asyncio.sleep(0)
    case.store.problems = [BAD] * 2
    with pytest.raises(RecordUnusable):
        await waiting
    assert "RunInstances" not in case.operations()


async def test_pages_are_shown_without_it() -> None:
    class Store(FakeStore):
        def history(self, key: str, limit: int) -> list[Entry]:
            raise AssertionError("the record comes first")

    store = Store(worker())
    reader = Reader(store.changed_since, calls(), interval=MINUTE)
    store.problems = [BAD]
    shown = await Pages(
        cast(WorkerStore, store), reader, calls(), unlimited(), lambda: NOON, backups()
    ).about("ada")
    assert (shown.worker, list(shown.headline)) == ("ada", [])


def test_it_is_named_once_and_again_when_it_is_bad_in_another_way(caplog: pytest.LogCaptureFixture) -> None:
    """The hub reads every five seconds."""
    bad = BadRecords()
    for one in (BAD, BAD, BadRecord("bob", BAD.problem), BAD, BadRecord("ada", "worse"), BAD):
        bad.log(one)
    named = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.split()[3] for line in named] == ["ada", "bob", "ada", "ada"]


async def test_record_whose_time_is_to_come_does_not_blind_the_reader() -> None:
    """A clock that was a year ahead has written it; what others write now is read anyway."""
    now = NOON
    ahead = worker("ada", changed_at=NOON + timedelta(days=365))
    store = FakeStore(ahead, worker("bob", changed_at=NOON - MINUTE))
    reader = Reader(store.changed_since, calls(), interval=MINUTE, now=lambda: now)
    await reader.read()
    now += MINUTE
    store.workers["bob"] = worker("bob", State.STOPPED, version=2, changed_at=NOON)
    await reader.read()
    seen = reader.get("bob")
    assert seen is not None
    assert seen.state is State.STOPPED


def test_settings_that_are_no_text_leave_people_and_image_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are not taken for absent, which would bring the hub's first users and image back."""
    texts = {"users": '{"users": {"ada": {}}}', "image": "ami-0123456789abcdef0"}
    wanted = OperatorSettings(lambda: texts, calls(), image="", known=People())
    wanted.read_at_start()
    assert (set(wanted.people.users), wanted.image) == ({"ada"}, "ami-0123456789abcdef0")
    texts = dict.fromkeys(texts, "not text but of DynamoDB's type M")
    wanted.read_at_start()
    assert (set(wanted.people.users), wanted.image) == ({"ada"}, "ami-0123456789abcdef0")
    assert len(caplog.records) == 2
