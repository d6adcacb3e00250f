"""What the operator wants: taken over when it changes, kept when it cannot be read."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from hub.config.announcement import announcement
from hub.users.names import People
from hub.users.operator_settings import OperatorSettings
from lifecycle_app.errors import StoreUnavailable
from tests.hub.fakes import calls

FIRST, SECOND = "ami-0000000000000001", "ami-0000000000000002"
FILE = People(frozenset({"from-the-file"}))
ALICE = {"users": '{"users": {"alice": {}}}'}


class Table:
    """The settings table."""

    def __init__(self, **texts: str) -> None:
        self.texts: Mapping[str, str] = texts
        self.problem: Exception | None = None
        self.reads = 0

    def read(self) -> Mapping[str, str]:
        self.reads += 1
        if self.problem:
            raise self.problem
        return self.texts

    def settings(self, every: timedelta = timedelta(minutes=1)) -> OperatorSettings:
        return OperatorSettings(self.read, calls(), image=FIRST, known=FILE, every=every)


def test_table_outweighs_the_settings_and_the_users_file() -> None:
    settings = Table(**ALICE, image=SECOND).settings()
    assert (settings.people, settings.image) == (FILE, FIRST)
    settings.read_at_start()
    assert (set(settings.people.users), settings.image) == ({"alice"}, SECOND)


def test_settings_count_where_the_table_says_nothing() -> None:
    settings = Table().settings()
    settings.read_at_start()
    assert (settings.people, settings.image) == (FILE, FIRST)


@pytest.mark.parametrize("users", ["[]", "nonsense", '{"users": {"a/b": {}}}'])
async def test_what_is_no_use_leaves_the_last_known(users: str) -> None:
    table = Table(**ALICE, image=SECOND)
    settings = table.settings()
    settings.read_at_start()
    table.texts = {"users": users, "image": "ubuntu"}
    await settings.read_again()
    assert (set(settings.people.users), settings.image) == ({"alice"}, SECOND)


async def test_an_announcement_is_shown_until_it_is_cleared_or_of_no_use() -> None:
    table = Table(announcement='{"text": "Exam on Friday", "level": "warning"}')
    settings = table.settings()
    settings.read_at_start()
    assert settings.announcement == announcement("Exam on Friday", "warning", None)
    table.texts = {"announcement": "nonsense"}
    await settings.read_again()
    assert settings.announcement is None


async def test_failed_read_leaves_the_last_known_and_is_made_up_for() -> None:
    table = Table(**ALICE)
    settings = table.settings(every=timedelta(milliseconds=1))
    settings.read_at_start()
    table.problem = StoreUnavailable("down")
    heard: list[People] = []
    enough = asyncio.Event()

    async def apply(people: People) -> None:
        heard.append(people)
        if len(heard) == 1:
            table.problem = None
            table.texts = {"users": '{"removed": ["alice"]}'}
            raise RuntimeError("the hub is not ready")
        if len(heard) == 2:
            enough.set()

    settings.follow(apply)
    await asyncio.wait_for(enough.wait(), 5)
    await settings.close()
    assert [set(people.users) for people in heard[:2]] == [{"alice"}, set()]
    assert heard[1].removed == {"alice"}


async def test_a_list_without_administrators_is_refused_once_there_was_one() -> None:
    table = Table(users='{"users": {"alice": {"admin": true}}}')
    settings = table.settings()
    settings.read_at_start()
    for wrong in ('{"users": {"alice": {}}}', '{"removed": ["alice"]}'):
        table.texts = {"users": wrong}
        await settings.read_again()
        assert (set(settings.people.admins), settings.people.removed) == ({"alice"}, frozenset())
    table.texts = {"users": '{"users": {"bob": {"admin": true}}}'}
    await settings.read_again()
    assert set(settings.people.admins) == {"bob"}


def test_hub_starts_without_the_table() -> None:
    table = Table(**ALICE)
    table.problem = StoreUnavailable("down")
    settings = table.settings()
    settings.read_at_start()
    assert settings.people == FILE


async def test_launches_read_the_image_again_but_a_class_reads_it_once() -> None:
    """An image that was just built is taken at once; whoever logs in within the same seconds reads nothing."""
    table = Table(image=FIRST)
    now = [100.0]
    settings = OperatorSettings(table.read, calls(), image="", known=FILE, clock=lambda: now[0])
    settings.read_at_start()
    table.texts = {"image": SECOND}
    assert [await settings.image_now() for _ in range(3)] == [FIRST] * 3
    now[0] += 5
    assert [await settings.image_now() for _ in range(3)] == [SECOND] * 3
    assert table.reads == 2


async def test_before_the_first_image_there_is_none() -> None:
    """A hub that is up before the image is built says so, and knows it as soon as it is there."""
    table = Table()
    settings = OperatorSettings(table.read, calls(), image="", known=FILE, clock=lambda: 100.0)
    assert await settings.image_now() == ""
    table.texts = {"image": FIRST}
    assert await settings.image_now() == FIRST
