"""What pages show of workers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from hub.clients.lifecycle import Reader
from hub.pages import texts
from hub.pages.texts import LINES, READ, READ_OF_ONE, Pages, Summary, live, past, summary
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import FOR_ADMINISTRATORS, Time, joined, message, plain
from lifecycle_app.model.messages import TEMPLATES as MESSAGES
from lifecycle_app.model.worker import State
from tests.hub.fakes import NOON, FakeStore, backups, calls, unlimited, worker

TEMPLATES = Path(texts.__file__).parent / "templates"
IDLE = message("idle", timeout=timedelta(hours=1), last_used=NOON - timedelta(hours=1))
STOP = Entry(key="ada", at=NOON, kind=Kind.STOP, reason="idle", message=IDLE, instance_id="i-1")


class Store(FakeStore):
    """Records with a history."""

    def history(self, key: str, limit: int) -> list[Entry]:
        return [STOP][:limit]


def pages(store: Any) -> tuple[Pages, Reader]:
    reader = Reader(store.changed_since, calls(), interval=timedelta(seconds=5))
    return Pages(store, reader, calls(), unlimited(), lambda: NOON, backups()), reader


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"state": State.STOPPED}, "Stopped at 2026-11-23 12:00:00 UTC"),
        ({"state": State.STOPPING}, "Stopping since 2026-11-23 12:00:00 UTC"),
        (
            {"state": State.STOPPING, "claimed_until": NOON},
            "About to be stopped, unless it is used (since 2026-11-23 12:00:00 UTC)",
        ),
        (
            {"state": State.STOPPING, "claimed_until": NOON, "removing": True},
            "Stopped at 2026-11-23 12:00:00 UTC, about to be removed",
        ),
        ({"state": State.TERMINATED}, "No machine: it was removed at 2026-11-23 12:00:00 UTC"),
        (
            {"state": State.TERMINATED, "home_volume": "vol-1"},
            "No machine: it was removed at 2026-11-23 12:00:00 UTC, files in the home directory are kept, "
            "programs installed with sudo are not",
        ),
        ({"state": State.PENDING}, "Starting since 2026-11-23 12:00:00 UTC"),
        (
            {"state": State.RUNNING, "started_at": NOON - timedelta(hours=1)},
            "Running since 2026-11-23 11:00:00 UTC",
        ),
    ],
)
def test_headline(changes: dict[str, Any], headline: str) -> None:
    assert joined(list(summary("ada", worker(**changes), []).headline)) == headline


async def test_stopped_server_shows_why_and_what_was_before() -> None:
    store = Store(worker(state=State.STOPPED, stop_reason="idle", message=IDLE, instance_type="t3.medium"))
    about = await pages(store)[0].about("ada")
    last_used = Time(NOON - timedelta(hours=1))
    assert list(about.reason) == ["Not used for ", "1 hour", " (last used ", last_used, ")"]
    assert about.machine == "t3.medium, 2 CPUs, 4 GB memory"
    assert [line.at for line in about.history] == [Time(NOON, True)]
    assert list(about.history[0].parts) == [
        "Stopped: ",
        "not used for ",
        "1 hour",
        " (last used ",
        last_used,
        ")",
    ]


async def test_a_machine_that_someone_else_stopped_is_not_shown_our_last_message_as_the_reason() -> None:
    about = await pages(Store(worker(state=State.STOPPED, message=IDLE)))[0].about("ada")
    assert about.reason == ()


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("changes", "kept", "is_own"),
    [
        ({}, "", False),
        ({"keep_until": NOON, "keep_by": "ada"}, "", False),
        ({"keep_until": NOON + HOUR, "keep_by": "ada", "state": State.STOPPED}, "", False),
        (
            {"keep_until": NOON + HOUR, "keep_by": "ada"},
            "Kept on until 2026-11-23 13:00:00 UTC, whether it is used or not",
            True,
        ),
        (
            {"keep_until": NOON + HOUR, "keep_by": "boss"},
            "Kept on until 2026-11-23 13:00:00 UTC by boss, whether it is used or not",
            False,
        ),
        (
            {"keep_until": NOON + HOUR},
            "Kept on until 2026-11-23 13:00:00 UTC by an administrator, whether it is used or not",
            False,
        ),
    ],
)
async def test_a_keep_is_shown_as_the_record_has_it(changes: dict[str, Any], kept: str, is_own: bool) -> None:
    """Also in a page that is opened later; only the user's own can be ended there."""
    about = await pages(Store(worker(**changes)))[0].about("ada")
    assert (joined(list(about.kept)), about.is_kept_by_user) == (kept, is_own)


async def test_a_keep_is_said_once_and_a_page_notices_a_new_one() -> None:
    kept = worker(keep_until=NOON + HOUR, keep_by="ada", message=message("kept", until=NOON + HOUR, by="ada"))
    assert (await pages(Store(kept))[0].about("ada")).reason == ()
    ended = replace(kept, keep_until=None, message=message("keep-ended", by="ada"))
    about = await pages(Store(ended))[0].about("ada")
    assert (joined(list(about.reason)), about.kept) == ("No longer kept running: ada asked for it", ())
    assert live({}, [kept]).version != live({}, [ended]).version


REPAIR = replace(STOP, kind=Kind.REPAIR, reason="orphan", message=message("orphan", instance="i-1"))
REPORT = replace(STOP, kind=Kind.REPORT, reason="bad-policy", message=message("bad-policy", detail="x"))
RELEASE = replace(STOP, kind=Kind.RELEASE, reason="hub-down", message=message("hub-down", detail="timeout"))
KEPT = replace(STOP, kind=Kind.DECISION, reason="busy", message=message("busy", last_busy=NOON))


def test_what_only_administrators_can_fix_is_shown_to_them_alone() -> None:
    known = worker(message=message("stuck", since=NOON, state="stopping"), instance_type="t3.medium")
    entries = [REPAIR, REPORT, RELEASE, KEPT, STOP]
    told = [summary("ada", known, entries, for_administrators=shown) for shown in (False, True)]
    assert [joined(list(about.reason)) for about in told] == [
        "",
        "Stopping since 2026-11-23 12:00:00 UTC",
    ]
    assert [[joined(list(line.parts))[:5] for line in about.history] for about in told] == [
        ["Kept:", "Stopp"],
        ["Insta", "X: a ", "Not s", "Kept:", "Stopp"],
    ]
    assert told[1].machine == "t3.medium i-00000001 us-east-1a"


def test_users_are_shown_as_many_lines_however_many_are_not_for_them() -> None:
    entries = [REPAIR] * (READ - LINES) + [KEPT] * (LINES + 1)
    assert len(summary("ada", worker(), entries).history) == LINES


def test_there_are_no_codes_for_administrators_that_no_message_has() -> None:
    assert MESSAGES.keys() >= FOR_ADMINISTRATORS


async def test_what_a_page_shows_is_what_the_page_then_waits_for() -> None:
    """A start and a stop between two reads: the copy of the records has nothing of the machine that is shown."""
    shown, reader = pages(Store(worker(state=State.RUNNING)))
    assert (await shown.about("ada", is_up=False)).headline == ["Stopping"]
    of_user = SimpleNamespace(name="ada", spawners={"": SimpleNamespace(pending=None, active=False)})
    assert reader.get("ada")
    assert shown.live(of_user).is_changing


async def test_user_without_a_machine_is_shown_nothing() -> None:
    assert await pages(FakeStoreWithoutHistory())[0].about("ada", "gpu") == Summary(worker="ada/gpu")


class FakeStoreWithoutHistory(FakeStore):
    """No user has a history."""

    def history(self, key: str, limit: int) -> list[Entry]:
        return []


async def test_page_is_shown_when_records_cannot_be_read() -> None:
    store = Store(worker(state=State.STOPPED, stop_reason="idle", message=plain("no activity")))
    shown, reader = pages(store)
    await reader.read()
    store.problems = [StoreUnavailable("down")]
    about = await shown.about("ada")
    assert (list(about.reason), about.history) == (["No activity"], ())


async def test_the_history_of_a_machine_has_evidence_and_the_month_for_who_looks_after_it() -> None:
    run = Entry(
        key="ada", at=NOON, kind=Kind.RUN, reason="run", message=message("run", ran=timedelta(hours=2)),
        instance_id="i-1", seconds=7200, cost=0.08, evidence={"cpu_percent": 3, "odd": None, "list": [1]},
    )  # fmt: skip
    repair = replace(run, kind=Kind.REPAIR, at=NOON - timedelta(days=40), evidence={})
    found = past([run, repair], NOON, for_administrators=True)
    assert found.this_month == "2.0 hours, 8 ¢ for the machine"
    assert [line.evidence for line in found.lines] == [("cpu percent: 3",), ()]
    assert len(past([run, repair], NOON, for_administrators=False).lines) == 1
    assert past([replace(run, cost=None)] * READ_OF_ONE, NOON, for_administrators=True).this_month.startswith(
        "at least 400.0 hours"
    )
    assert past([repair], NOON, for_administrators=True).this_month == ""
    shown, _ = pages(Store(worker()))
    assert await shown.past("ada", "", NOON, for_administrators=True)


async def test_a_history_that_cannot_be_read_is_none() -> None:
    class Broken(Store):
        def history(self, key: str, limit: int) -> list[Entry]:
            raise StoreUnavailable(f"{key} {limit}")

    shown, _ = pages(Broken(worker()))
    assert await shown.past("ada", "", NOON, for_administrators=True) is None


async def test_times_are_elements_that_are_right_without_a_script_too() -> None:
    """And whatever a reason says is text, not HTML."""
    why = message("refused", detail="<b>a user</b>")
    store = Store(worker(state=State.STOPPED, stop_reason="idle", message=why))
    about = await pages(store)[0].about("ada")
    page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("last_stop.html")
    shown = page.render(about=about)
    assert 'Stopped <time datetime="2026-11-23T12:00:00+00:00">at 2026-11-23 12:00 UTC</time>' in shown
    assert '<time datetime="2026-11-23T12:00:00+00:00" data-clock>2026-11-23 12:00 UTC</time></td>' in shown
    assert (
        '(last used <time datetime="2026-11-23T11:00:00+00:00">at 2026-11-23 11:00 UTC</time>)</td>' in shown
    )
    assert "&lt;b&gt;a user&lt;/b&gt;" in shown
