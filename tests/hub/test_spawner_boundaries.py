"""What the spawner tells, remembers and asks for, whole; and how often and how long it tries."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.web import HTTPError

from hub.errors import NoCapacity, StopNotSent
from hub.spawn import progress as steps
from hub.spawn.planning import Known
from hub.spawn.progress import Progress
from hub.spawn.spawner import DOUBT_AFTER, MOST_ATTEMPTS, MOST_SILENCES, StartFailed, spawner_class
from hub.spawn.starter import Launched
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, SETTINGS, worker
from tests.hub.test_spawner import FRESH, RUNNING, Case

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SILENT = (
    "Your machine i-00000001 was started, but its server did not answer."
    " Try again; if that does not help, tell your administrator."
)
Cases = Callable[..., Case]


@pytest.fixture
async def cases() -> AsyncIterator[Cases]:
    made: list[Case] = []

    def make(*outcomes: Any, **more: Any) -> Case:
        made.append(Case(*outcomes, **more))
        return made[-1]

    yield make
    for case in made:
        engine = case.db.get_bind()
        case.db.close()
        engine.dispose()


async def told(case: Case) -> list[tuple[int, str]]:
    """The progress page's lines."""
    return [(event["progress"], event["message"]) async for event in case.spawner.progress()]


def quick(case: Case) -> None:
    """A machine may take no time to answer."""
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=5))


def at_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start may take no time: its limit is less than JupyterHub's by a margin."""
    monkeypatch.setattr("hub.spawn.spawner.MARGIN", timedelta(seconds=1000))
    case.spawner.start_timeout = 1000


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0)


async def test_a_start_is_told_whole(cases: Cases) -> None:
    case = cases(FRESH, answer=False)
    starting = asyncio.ensure_future(case.spawner.start())
    await until(lambda: case.workers.urls)
    given = case.spawner.launch_environment()
    assert set(given) == {"env", "args"}
    assert given["args"] == case.spawner.get_args()
    case.workers.answers.set()
    await starting
    assert await told(case) == [
        (steps.ASKED, "Asking AWS for a new machine"),
        (steps.KNOWN, "Your machine is i-00000001"),
        (steps.BOOTING, "Machine i-00000001 is booting"),
        (steps.FETCHED, "The machine has booted and starts JupyterLab"),
        (steps.ANSWERS, "JupyterLab answers"),
    ]


async def test_a_start_begins_anew_whatever_was_before(cases: Cases) -> None:
    case = cases(FRESH, NoCapacity("AWS has no machine free."))
    spawner = case.spawner
    spawner.let_go, spawner.stop_requested_by, spawner.given_up = True, "boss", "i-1"
    await spawner.start()
    assert (spawner.let_go, spawner.stop_requested_by, spawner.given_up) == (False, "", "")
    assert not spawner.is_starting
    with pytest.raises(StartFailed):
        await spawner.start()
    assert not spawner.is_starting
    assert await told(case) == [(steps.KNOWN, "Asking AWS for a new machine")]


async def test_while_it_starts_nothing_of_before_counts(cases: Cases) -> None:
    case = cases(RUNNING, answer=False)
    spawner = case.spawner
    spawner.let_go, spawner.stop_requested_by, spawner.given_up = True, "boss", "i-1"
    starting = asyncio.ensure_future(spawner.start())
    await until(lambda: case.workers.urls)
    assert (spawner.let_go, spawner.stop_requested_by, spawner.given_up) == (False, "", "")
    assert spawner.is_starting is True
    case.workers.answers.set()
    await starting
    assert spawner.is_starting is False


async def test_an_instance_is_noted_when_it_is_first_heard_of(cases: Cases) -> None:
    """Once only, and as alive at that moment: what the records say of the time before does not count."""
    spawner = cases().spawner
    spawner.progress_told = Progress()
    spawner._note(FRESH)
    assert (spawner.instance_id, spawner.address, spawner.alive_at) == ("i-00000001", "127.77.1.4", NOON)
    spawner._say("Asking")
    spawner._note(FRESH)
    spawner.progress_told.end()
    told = [(step.percent, step.message) async for step in spawner.progress_told.follow()]
    assert told == [(steps.KNOWN, "Your machine is i-00000001"), (steps.KNOWN, "Asking")]


async def test_a_failure_has_a_status_a_label_and_words(cases: Cases) -> None:
    with pytest.raises(StartFailed) as failed:
        await cases(NoCapacity("AWS has no machine free.")).spawner.start()
    assert failed.value.status_code == 503
    assert failed.value.reason == "capacity"
    assert failed.value.log_message == failed.value.jupyterhub_message == "AWS has no machine free."
    other = StartFailed("no", reason="r", status_code=400)
    assert (other.status_code, other.reason, other.log_message) == (400, "r", "no")


async def test_without_a_machine_in_time_aws_had_none(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases()

    async def never(*_: Any) -> Known:
        await asyncio.Event().wait()
        raise AssertionError

    case.startup.bring_up = never  # type: ignore[method-assign,assignment]
    at_once(case, monkeypatch)
    with pytest.raises(StartFailed) as failed:
        await asyncio.wait_for(case.spawner.start(), 10)
    assert failed.value.reason == "timeout"
    case.spawner.start_timeout = 3600
    assert case.spawner._too_late() == ("AWS had no machine for you within 60 minutes. Try again in a while.")


async def test_without_an_answer_in_time_the_machine_is_named(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases(FRESH, answer=False)
    at_once(case, monkeypatch)
    with pytest.raises(StartFailed) as failed:
        await asyncio.wait_for(case.spawner.start(), 10)
    assert (failed.value.jupyterhub_message, failed.value.reason) == (SILENT, "timeout")


async def test_a_silent_machine_is_asked_to_stop_in_these_words(cases: Cases) -> None:
    case = cases(*[RUNNING] * MOST_SILENCES, answer=False)
    quick(case)
    with pytest.raises(StartFailed) as failed:
        await case.spawner.start()
    assert (failed.value.jupyterhub_message, failed.value.reason) == (SILENT, "start")
    by = "the hub, because nothing on it answered,"
    assert case.stops.sent == [("ada", "i-00000001", by, NOON)] * (MOST_SILENCES - 1)
    assert (steps.KNOWN, "Your machine is i-00000001") in await told(case)
    assert (
        steps.BOOTING,
        "The machine runs but does not answer; it is stopped and started again",
    ) in await told(case)
    assert case.startup.outcomes == []


@pytest.mark.parametrize(
    ("second", "marks"),
    [
        (FRESH, [("bring_up", ""), ("wait", ""), ("bring_up", "i-00000001"), ("wait", ""), ("bring_up", "")]),
        (RUNNING, [("bring_up", ""), ("wait", ""), *[("bring_up", "i-00000001"), ("wait", "i-00000001")]]),
    ],
    ids=["started again", "still running"],
)
async def test_a_machine_is_marked_as_given_up_until_it_is_started_again_or_answers(
    cases: Cases, second: Known, marks: list[tuple[str, str]]
) -> None:
    """While it is marked, the hub lets a stop of it happen in spite of the login."""
    case = cases(RUNNING, second, RUNNING, answer=False)
    quick(case)
    seen: list[tuple[str, str]] = []
    keys: list[str] = []
    bring_up, wait_for = case.startup.bring_up, case.workers.wait_for

    async def see_bring_up(key: str, *more: Any) -> Known:
        keys.append(key)
        seen.append(("bring_up", case.spawner.given_up))
        return await bring_up(key, *more)

    async def see_wait(url: str) -> None:
        seen.append(("wait", case.spawner.given_up))
        if len(case.stops.sent) == 1:
            case.workers.answers.set()
        await wait_for(url)

    case.startup.bring_up, case.workers.wait_for = see_bring_up, see_wait  # type: ignore[method-assign,assignment]
    await asyncio.wait_for(case.spawner.start(), 10)
    assert seen[: len(marks)] == marks
    assert seen[-2:] == [("bring_up", ""), ("wait", "")]
    assert set(keys) == {"ada"}


async def test_a_silent_machine_that_cannot_be_stopped_is_told_at_once(cases: Cases) -> None:
    case = cases(RUNNING, RUNNING, answer=False)
    quick(case)

    async def fail(*_: Any) -> None:
        raise StopNotSent("no bus")

    case.parts.stops = SimpleNamespace(send=fail)
    with pytest.raises(StartFailed) as failed:
        await case.spawner.start()
    assert failed.value.jupyterhub_message == SILENT
    assert case.startup.outcomes == [RUNNING]


async def test_a_machine_that_goes_down_each_time_is_tried_so_often(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(0))
    case = cases(*[FRESH] * (MOST_ATTEMPTS + 1), answer=False)
    case.startup.looks = [replace(FRESH, state=State.STOPPED)] * MOST_ATTEMPTS
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + MINUTE)
    with pytest.raises(StartFailed) as failed:
        await case.spawner.start()
    assert failed.value.jupyterhub_message == (
        "Your machine goes down each time it is started. Report your administrator."
    )
    assert failed.value.reason == "start"
    assert len(case.startup.outcomes) == 1
    assert (steps.BOOTING, "The machine does not run after all; starting it again") in await told(case)


def watching(case: Case, known: Known, seen: Known | None) -> tuple[list[tuple[str, str]], Any]:
    """The looks at EC2 that a watch takes, and the watch, which ends by an answer after the first look."""
    looks: list[tuple[str, str]] = []

    async def look(key: str, instance_id: str) -> Known | None:
        looks.append((key, instance_id))
        case.workers.answers.set()
        return seen

    case.startup.look = look  # type: ignore[method-assign]
    return looks, case.spawner._watch("http://127.77.1.4:8888/user/ada/", known)


@pytest.mark.parametrize(("late", "looks_at_it"), [(timedelta(0), False), (SECOND, True)])
async def test_what_is_said_to_run_is_doubted_after_a_while(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, late: timedelta, looks_at_it: bool
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(0))
    case = cases(answer=False)
    looks, watch = watching(case, RUNNING, RUNNING)
    watched = asyncio.ensure_future(watch)
    await until(lambda: case.workers.urls)
    case.time = NOON + DOUBT_AFTER + late
    for _ in range(20):
        await asyncio.sleep(0)
    case.workers.answers.set()
    assert await asyncio.wait_for(watched, 10) is None
    assert looks == ([("ada", "i-00000001")] if looks_at_it else [])
    if looks_at_it:
        assert case.spawner.alive_at == NOON + DOUBT_AFTER + late


@pytest.mark.parametrize("state", [State.STOPPED, State.STOPPING, State.TERMINATED])
async def test_what_does_not_run_is_handed_back(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(0))
    case = cases(answer=False)
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + MINUTE)
    seen = replace(RUNNING, state=state)
    looks, watch = watching(case, FRESH, seen)
    assert await asyncio.wait_for(watch, 10) == seen
    assert looks == [("ada", "i-00000001")]


async def test_what_ec2_cannot_tell_of_is_doubted_again(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(0))
    case = cases(answer=False)
    looks: list[datetime] = []

    async def look(*_: str) -> Known | None:
        looks.append(case.time)
        if len(looks) == 2:
            case.workers.answers.set()
        return None

    case.startup.look = look  # type: ignore[method-assign,assignment]
    watched = asyncio.ensure_future(case.spawner._watch("url", RUNNING))
    await until(lambda: case.workers.urls)
    for later in (DOUBT_AFTER, DOUBT_AFTER + SECOND, 2 * DOUBT_AFTER + SECOND, 2 * DOUBT_AFTER + 2 * SECOND):
        case.time = NOON + later
        for _ in range(20):
            await asyncio.sleep(0)
    assert await asyncio.wait_for(watched, 10) is None
    assert looks == [NOON + DOUBT_AFTER + SECOND, NOON + 2 * DOUBT_AFTER + 2 * SECOND]
    assert case.spawner.alive_at is None


async def test_a_watch_that_ends_leaves_nothing_running(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases(FRESH, answer=False)
    at_once(case, monkeypatch)
    before = asyncio.all_tasks()
    with pytest.raises(StartFailed):
        await case.spawner.start()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_homes_disk_is_waited_for(cases: Cases) -> None:
    case = cases(FRESH)
    waited: list[str] = []

    async def wait_for(instance_id: str) -> None:
        waited.append(instance_id)

    case.parts.homes = SimpleNamespace(wait_for=wait_for)
    await case.spawner.start()
    assert waited == ["i-00000001"]


async def test_a_machine_without_a_choice_is_of_the_first_type(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    assert case.startup.types == ["t3.medium"]
    assert case.startup.looked == [None]


async def test_the_launch_under_way_is_asked_for_by_key(cases: Cases) -> None:
    case = cases()
    asked: list[str] = []

    async def unfinished(key: str) -> Launched | None:
        asked.append(key)
        return None

    def is_launching(key: str) -> bool:
        asked.append(key)
        return True

    case.parts.starter = SimpleNamespace(unfinished=unfinished, is_launching=is_launching)
    assert await case.spawner.poll() is None
    await case.spawner.stop()
    assert asked == ["ada", "ada"]
    assert case.stops.sent == []


async def test_a_start_under_way_is_up_for_jupyterhub(cases: Cases) -> None:
    case = cases()
    case.spawner.is_starting = True
    assert await case.spawner.poll() is None
    case.spawner.let_go = True
    assert await case.spawner.poll() == 0


async def test_nobody_s_stop_of_nothing_is_sent(cases: Cases) -> None:
    """A stop that somebody asked for, of a server that never had a machine."""
    case = cases()
    case.spawner._stop_future = asyncio.get_running_loop().create_future()
    await case.spawner.stop()
    assert case.stops.sent == []


@pytest.mark.parametrize(("instance_id", "alive_at"), [("", None), ("", NOON), ("i-00000001", None)])
async def test_what_is_not_known_to_be_alive_is_not_remembered(
    cases: Cases, instance_id: str, alive_at: datetime | None
) -> None:
    spawner = cases().spawner
    spawner.instance_id, spawner.alive_at = instance_id, alive_at
    assert spawner.get_state() == {}


async def test_what_is_remembered_is_taken_up_whole(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    state = case.spawner.get_state()
    assert state == {"instance_id": "i-00000001", "address": "127.77.1.4", "alive_at": NOON.timestamp()}
    again = cases().spawner
    again.load_state(state)
    assert (again.instance_id, again.address, again.alive_at) == ("i-00000001", "127.77.1.4", NOON)
    assert again.alive_at.tzinfo is UTC
    before = cases().spawner
    token = before.api_token
    before.load_state({})
    assert (before.instance_id, before.alive_at, before.api_token) == ("", None, token)


async def test_a_cleared_server_knows_nothing(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner.clear_state()
    assert (case.spawner.instance_id, case.spawner.address, case.spawner.alive_at) == ("", "", None)
    assert case.spawner.api_token == ""
    assert case.spawner.get_state() == {}
    assert await case.spawner.poll() == 0


async def test_a_machine_without_an_address_leaves_the_old_one(cases: Cases) -> None:
    """JupyterHub would make a URL without a host of it."""
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner._note(replace(FRESH, address=None))
    assert (case.spawner.address, case.spawner.ip, case.spawner.port) == ("", "127.77.1.4", 8888)


async def test_a_token_is_registered_once(cases: Cases) -> None:
    case = cases(FRESH, FRESH)
    await case.spawner.start()
    tokens = [token.note for token in case.spawner.user.orm_user.api_tokens]
    await case.spawner.start()
    assert [token.note for token in case.spawner.user.orm_user.api_tokens] == tokens
    assert "Server of worker ada" in tokens


async def test_without_a_token_of_jupyterhubs_none_is_registered(cases: Cases) -> None:
    """Nobody could tell what it may do."""
    case = cases(FRESH)
    case.spawner.api_token = ""
    await case.spawner.start()
    assert "Server of worker ada" not in [token.note for token in case.spawner.user.orm_user.api_tokens]
    assert case.spawner.api_token != ""


async def test_a_rename_is_refused_in_these_words(cases: Cases) -> None:
    with pytest.raises(HTTPError) as refused:
        await cases().spawner.rename("", "gpu")
    assert refused.value.log_message == (
        "A server keeps its name, because its machine and files are found by it."
        " Its display name can be changed."
    )


async def test_steps_that_nobody_follows_are_no_trouble(cases: Cases) -> None:
    case = cases(FRESH)
    case.spawner.tell(5, "x")
    assert case.spawner.progress_told is None
    following = asyncio.ensure_future(told(case))
    await asyncio.sleep(0)
    await case.spawner.start()
    assert (steps.ANSWERS, "JupyterLab answers") in await following


def test_a_spawner_class_is_told_by_its_name() -> None:
    made = spawner_class(SimpleNamespace())  # type: ignore[arg-type]
    assert (made.__name__, made.__module__) == ("WorkerSpawner", "hub.spawn.spawner")


async def test_a_worker_that_is_unknown_to_the_records_is_up(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    other: Worker = worker(key="bob", state=State.STOPPED, state_at=NOON + MINUTE)
    case.reader.workers["bob"] = other
    assert await case.spawner.poll() is None


@pytest.mark.parametrize(
    "record",
    [
        worker(state=State.RUNNING, state_at=NOON + MINUTE),
        worker(state=State.STOPPED, state_at=NOON - MINUTE),
    ],
    ids=["it runs", "of the run before"],
)
async def test_what_the_records_do_not_tell_of_this_run_is_no_reason_to_look(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, record: Worker
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(0))
    case = cases(answer=False)
    case.spawner.alive_at = NOON
    case.reader.workers["ada"] = record
    looks, watch = watching(case, FRESH, replace(FRESH, state=State.STOPPED))
    watched = asyncio.ensure_future(watch)
    await until(lambda: case.workers.urls)
    for _ in range(20):
        await asyncio.sleep(0)
    case.workers.answers.set()
    assert await asyncio.wait_for(watched, 10) is None
    assert looks == []


async def test_a_named_server_has_a_worker_of_its_own(cases: Cases) -> None:
    spawner = cases().spawner
    assert spawner.key == "ada"
    spawner.orm_spawner.name = "gpu"
    assert spawner.key == "ada/gpu"
