"""The spawner with JupyterHub's own database and user around it, and fakes where AWS and the worker are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm, roles
from jupyterhub.objects import Server as JupyterServer
from jupyterhub.user import User
from tornado.web import HTTPError

from hub.drain.verdict import Mode, Request, Server, verdict
from hub.errors import CloudRefused, NoCapacity, StartError
from hub.identity import worker_token
from hub.spawn.planning import Known
from hub.spawn.spawner import (
    MOST_ATTEMPTS,
    StartFailed,
    WorkerSpawner,
    apply_options,
    options_form,
    spawner_class,
)
from hub.spawn.starter import Launched
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, SETTINGS, worker

FRESH = Known(instance_id="i-00000001", state=State.PENDING, address="127.77.1.4", is_fresh=True)
RUNNING = Known(instance_id="i-00000001", state=State.RUNNING, address="127.77.1.4")


class FakeStartup:
    """Brings up what it is given, one after the other."""

    def __init__(self, *outcomes: Known | Exception) -> None:
        self.outcomes = list(outcomes)
        self.looks: list[Known | Exception | None] = []
        self.looked: list[Known | None] = []
        self.types: list[str] = []

    async def bring_up(
        self, key: str, kind: str, say: Callable[[str], None], note: Any, looked: Known | None
    ) -> Known:
        self.types.append(kind)
        self.looked.append(looked)
        say("Asking AWS for a new machine")
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        note(outcome)
        return outcome

    async def look(self, key: str, instance_id: str) -> Known | None:
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look


class FakeHomes:
    """There is no old home."""

    async def wait_for(self, instance_id: str) -> None:
        """Is there at once."""


class FakeWorkers:
    """Servers that answer when they are told to."""

    def __init__(self, *, answer: bool = True) -> None:
        self.answers = asyncio.Event()
        self.urls: list[str] = []
        if answer:
            self.answers.set()

    async def wait_for(self, url: str) -> None:
        self.urls.append(url)
        await self.answers.wait()


class FakeReader:
    """The shared reader."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    async def loaded(self) -> bool:
        return True

    def get(self, key: str) -> Worker | None:
        return self.workers.get(key)


class FakeStarter:
    """A launch that may be under way."""

    def __init__(self) -> None:
        self.launched: Launched | None = None

    def is_launching(self, _: str) -> bool:
        return self.launched is not None

    async def unfinished(self, _: str) -> Launched | None:
        return self.launched


class FakeStops:
    """Stop requests."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, datetime]] = []

    async def send(self, *request: Any) -> None:
        self.sent.append(request)


class Case:
    """A spawner and what is around it."""

    def __init__(self, *outcomes: Known | Exception, answer: bool = True) -> None:
        self.time = NOON
        self.startup = FakeStartup(*outcomes)
        self.workers = FakeWorkers(answer=answer)
        self.reader, self.starter, self.stops = FakeReader(), FakeStarter(), FakeStops()
        self.parts: Any = SimpleNamespace(
            settings=SETTINGS,
            token_key="key",
            startup=self.startup,
            homes=FakeHomes(),
            workers=self.workers,
            reader=self.reader,
            starter=self.starter,
            stops=self.stops,
            now=lambda: self.time,
        )
        self.spawner = self._spawner()

    def _spawner(self) -> Any:
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        for role in roles.get_default_roles():
            roles.create_role(self.db, role)
        self.db.add(orm.OAuthClient(identifier="jupyterhub"))
        user = orm.User(name="ada")
        self.db.add(user)
        self.db.commit()
        roles.assign_default_roles(self.db, user)
        settings = {
            "authenticator": SimpleNamespace(blocked_users=set()),
            "spawner_class": spawner_class(self.parts),
            "base_url": "/",
            "hub": SimpleNamespace(
                public_host="", base_url="/hub/", api_url="http://127.77.0.10:8081/hub/api"
            ),
        }
        found = User(user, settings, db=self.db).spawner
        server = orm.Server(base_url="/user/ada/")
        self.db.add(server)
        self.db.commit()
        found.server = JupyterServer(orm_server=server)
        found.api_token = user.new_api_token(scopes=["users:activity!user=ada"])
        return found

    async def progress(self) -> list[str]:
        return [event["message"] async for event in self.spawner.progress()]


@pytest.fixture
async def cases() -> AsyncIterator[Callable[..., Case]]:
    made: list[Case] = []

    def make(*outcomes: Any, **more: Any) -> Case:
        made.append(Case(*outcomes, **more))
        return made[-1]

    yield make
    for case in made:
        engine = case.db.get_bind()
        case.db.close()
        engine.dispose()


Cases = Callable[..., Case]


async def test_start_returns_the_url_when_the_server_answers(cases: Cases) -> None:
    case = cases(FRESH)
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    assert case.workers.urls == ["http://127.77.1.4:8888/user/ada/"]
    assert await case.spawner.poll() is None
    assert await case.progress() == [
        "Asking AWS for a new machine",
        "Your machine is i-00000001",
        "Machine i-00000001 is booting",
        "JupyterLab answers",
    ]


async def test_token_is_the_workers_own_and_known_before_its_server_uses_it(cases: Cases) -> None:
    case = cases(FRESH, answer=False)
    starting = asyncio.ensure_future(case.spawner.start())
    async with asyncio.timeout(5):
        while not case.workers.urls:
            await asyncio.sleep(0)
    token = worker_token("key", "test", "ada", "i-00000001")
    assert case.spawner.api_token == token
    found = orm.APIToken.find(case.db, token)
    assert found is not None
    assert found.user.name == "ada"
    assert "users:activity!user=ada" in found.scopes
    given = case.spawner.launch_environment()
    assert given["env"]["JUPYTERHUB_API_TOKEN"] == token
    assert given["env"]["JUPYTERHUB_SERVICE_URL"] == "http://127.77.1.4:8888/user/ada/"
    case.workers.answers.set()
    await starting
    assert token not in str(case.spawner.get_state())


@pytest.mark.parametrize("error", [NoCapacity("AWS has no machine free."), CloudRefused("AWS refused.")])
async def test_failure_is_told_in_words(cases: Cases, error: Exception) -> None:
    with pytest.raises(StartFailed) as failed:
        await cases(error).spawner.start()
    assert failed.value.jupyterhub_message == str(error)


async def test_server_that_does_not_answer_in_time_is_told_in_words(cases: Cases) -> None:
    case = cases(FRESH, answer=False)
    case.spawner.start_timeout = 5
    with pytest.raises(StartFailed, match="did not answer"):
        await case.spawner.start()


async def test_a_machine_that_never_answers_is_stopped_and_started_again_by_the_same_login(
    cases: Cases,
) -> None:
    """The hub asks for the stop, and marks the login so that its own request is not refused for its sake."""
    case = cases(RUNNING, FRESH, RUNNING, answer=False)
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=20))
    marks = []

    async def send(*request: Any) -> None:
        marks.append(case.spawner.given_up)
        case.stops.sent.append(request)
        case.workers.answers.set()

    case.parts.stops = SimpleNamespace(send=send)
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    [(key, instance_id, by, _)] = case.stops.sent
    assert (key, instance_id) == ("ada", "i-00000001")
    assert "nothing on it answered" in by
    assert marks == ["i-00000001"]
    assert case.spawner.given_up == ""


@pytest.mark.parametrize("taken_up", [RUNNING, FRESH])
async def test_a_machine_that_answers_after_its_stop_was_asked_for_is_used_only_if_that_is_withdrawn_before(
    cases: Cases, taken_up: Known
) -> None:
    """The hub may have let go of it already: then the record is claimed, and read after the hub began to refuse."""
    case = cases(RUNNING, taken_up, RUNNING, answer=False)
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=20))
    bring_up, let_go = case.startup.bring_up, []

    async def watched(*wished: Any) -> Known:
        let_go.append(hub_lets_go(case.spawner))
        if let_go == [False, True]:
            case.workers.answers.set()
        return await bring_up(*wished)

    case.startup.bring_up = watched  # type: ignore[method-assign, assignment]
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    assert let_go == [False, True, False]
    assert case.startup.outcomes == []


def hub_lets_go(spawner: WorkerSpawner) -> bool:
    """Would the hub agree to a stop of the machine, were it asked in this moment?"""
    request = Request(worker="ada", instance_id="i-00000001", since=NOON, mode=Mode.REGARDLESS)
    server = Server(
        pending="spawn",
        active=True,
        started=None,
        instance_id=spawner.instance_id,
        is_given_up=spawner.given_up == request.instance_id,
    )
    return verdict(request, server, None).drained


async def test_a_machine_that_never_answers_is_given_up_in_the_end(cases: Cases) -> None:
    case = cases(FRESH, FRESH, answer=False)
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=20))
    with pytest.raises(StartFailed, match="did not answer"):
        await case.spawner.start()
    assert len(case.stops.sent) == 1
    assert case.spawner.given_up == ""


async def test_machine_that_does_not_run_after_all_is_started_again(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.spawner.DOUBT_AFTER", timedelta(0))
    case = cases(RUNNING, FRESH, answer=False)
    stopped = Known(instance_id="i-00000001", state=State.STOPPED, address="127.77.1.4")

    class Looks(list[Known | Exception | None]):
        def pop(self, *_: Any) -> Known:
            case.workers.answers.set()
            return stopped

    case.startup.looks = Looks()
    starting = asyncio.ensure_future(case.spawner.start())
    await asyncio.sleep(0)
    case.time += timedelta(seconds=1)
    assert await starting == "http://127.77.1.4:8888"
    assert case.startup.looked == [None, stopped]


async def test_fresh_machine_is_not_doubted(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.spawner.DOUBT_AFTER", timedelta(0))
    case = cases(FRESH, answer=False)
    starting = asyncio.ensure_future(case.spawner.start())
    await asyncio.sleep(0.02)
    case.time += timedelta(minutes=2)
    await asyncio.sleep(0.02)
    case.workers.answers.set()
    assert await starting == "http://127.77.1.4:8888"


async def test_machine_of_which_ec2_knows_nothing_yet_is_waited_for(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.spawner.DOUBT_AFTER", timedelta(seconds=-1))
    case = cases(RUNNING, answer=False)
    case.startup.looks = [None, None, RUNNING]
    starting = asyncio.ensure_future(case.spawner.start())
    async with asyncio.timeout(5):
        while case.startup.looks:
            await asyncio.sleep(0)
    case.workers.answers.set()
    assert await starting == "http://127.77.1.4:8888"


async def test_machine_that_goes_down_while_it_boots_is_noticed_from_the_records(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.spawner.GLANCE", timedelta(milliseconds=1))
    case = cases(*[FRESH] * MOST_ATTEMPTS, answer=False)
    gone = Known(instance_id="i-00000001", state=State.TERMINATED, address=None)
    case.startup.looks = [gone] * MOST_ATTEMPTS
    case.reader.workers["ada"] = worker(state=State.TERMINATED, state_at=NOON + timedelta(minutes=1))
    with pytest.raises(StartFailed, match="goes down each time"):
        await case.spawner.start()
    assert case.startup.looks == []


async def test_poll_knows_and_does_not_guess(cases: Cases) -> None:
    case = cases(FRESH)
    assert await case.spawner.poll() == 0
    await case.spawner.start()
    later = NOON + timedelta(minutes=1)
    assert await case.spawner.poll() is None
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON - timedelta(days=1))
    assert await case.spawner.poll() is None
    case.reader.workers["ada"] = worker(state=State.STOPPING, claimed_until=later, state_at=later)
    assert await case.spawner.poll() is None
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=later)
    assert await case.spawner.poll() == 0


@pytest.mark.parametrize(
    ("seen", "polls"),
    [
        (State.STOPPED, [0, 0]),
        (State.STOPPING, [0, 0]),
        (State.TERMINATED, [0, 0]),
        (State.RUNNING, [None, None]),
        (StartError("AWS is silent"), [None, None]),
        (None, [None, None]),
    ],
)
async def test_poll_asks_ec2_about_a_machine_that_went_down_as_its_server_answered(
    cases: Cases, seen: State | Exception | None, polls: list[int | None]
) -> None:
    """Its record says so, of the second in which the server was seen: which came first nobody can tell from that."""
    case = cases(FRESH)
    await case.spawner.start()
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + timedelta(seconds=1))
    assert await case.spawner.poll() is None  # without a look, of which there is none yet
    case.time += timedelta(minutes=1)
    look = replace(FRESH, state=seen) if isinstance(seen, State) else seen
    case.startup.looks = [look, look]
    assert [await case.spawner.poll() for _ in polls] == polls
    assert len(case.startup.looks) == (1 if seen is State.RUNNING else 0)


async def test_server_that_was_let_go_is_down_for_jupyterhub(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner.let_go = True
    assert await case.spawner.poll() == 0


async def test_restarted_hub_takes_the_server_up_again(cases: Cases) -> None:
    before = cases(FRESH)
    await before.spawner.start()
    after = cases()
    after.spawner.load_state(before.spawner.get_state())
    assert await after.spawner.poll() is None
    assert after.spawner.api_token == before.spawner.api_token
    assert (after.spawner.ip, after.spawner.port) == ("127.77.1.4", 8888)
    after.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + timedelta(minutes=1))
    assert await after.spawner.poll() == 0


async def test_stop_that_somebody_asked_for_is_sent(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner._stop_future = asyncio.get_running_loop().create_future()
    case.spawner.stop_requested_by = "boss"
    await case.spawner.stop()
    assert case.stops.sent == [("ada", "i-00000001", "boss", NOON)]


async def test_stop_after_a_failed_start_stops_nothing(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    await case.spawner.stop()
    assert case.stops.sent == []


async def test_stop_during_a_launch_stops_what_it_has_launched(cases: Cases) -> None:
    case = cases()
    case.starter.launched = Launched(
        instance_id="i-0000000b", address="127.77.1.5", zone="a", instance_type="t3.medium"
    )
    assert await case.spawner.poll() is None
    case.spawner._stop_future = asyncio.get_running_loop().create_future()
    await case.spawner.stop()
    assert case.stops.sent == [("ada", "i-0000000b", "ada", NOON)]


async def test_blocked_users_server_is_stopped(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner.authenticator.blocked_users.add("ada")
    await case.spawner.stop()
    assert [one[1] for one in case.stops.sent] == ["i-00000001"]


async def test_chosen_type_is_asked_for(cases: Cases) -> None:
    case = cases(FRESH)
    apply_options(case.spawner, {"instance_type": "t3.large"})
    await case.spawner.start()
    assert case.startup.types == ["t3.large"]


async def test_wrong_choice_is_refused_once_and_forgotten(cases: Cases) -> None:
    case = cases()
    case.spawner.orm_spawner.user_options = {"instance_type": "p5.48xlarge"}
    with pytest.raises(StartFailed, match="no machine type"):
        apply_options(case.spawner, {"instance_type": "p5.48xlarge"})
    assert case.spawner.orm_spawner.user_options == {}


@pytest.mark.parametrize(
    ("record", "shown"),
    [(None, True), (worker(state=State.TERMINATED), True), (worker(state=State.STOPPED), False)],
)
async def test_form_is_for_who_gets_a_new_machine(cases: Cases, record: Worker | None, shown: bool) -> None:
    case = cases()
    if record:
        case.reader.workers["ada"] = record
    assert bool(await options_form(case.spawner)) is shown


@pytest.mark.parametrize("names", [("", "gpu"), ("gpu", "cpu")])
async def test_server_keeps_its_name(cases: Cases, names: tuple[str, str]) -> None:
    """Its machine and its files are found by it."""
    with pytest.raises(HTTPError, match="display name") as refused:
        await cases().spawner.rename(*names)
    assert refused.value.status_code == 400


def test_each_hub_has_a_spawner_class_of_its_own() -> None:
    parts: Any = object()
    assert issubclass(spawner_class(parts), WorkerSpawner)
    assert spawner_class(parts).parts is parts
