"""The spawner with JupyterHub's own database and user around it, and fakes where AWS and the worker are."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm, roles
from jupyterhub.objects import Server as JupyterServer
from jupyterhub.user import User
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import StaticPool
from tornado.web import HTTPError

from hub.config.profiles import Profile
from hub.drain.verdict import Request, Server, verdict
from hub.errors import CloudRefused, NoCapacity, StartError, StopNotSent
from hub.identity import worker_token
from hub.spawn import start as steps
from hub.spawn.launcher import Launched
from hub.spawn.options import options_form
from hub.spawn.parts import ServerInstance
from hub.spawn.planning import Known
from hub.spawn.spawner import (
    WorkerSpawner,
    apply_options,
    spawner_class,
)
from hub.spawn.start import DOUBT_AFTER, MOST_ATTEMPTS, MOST_SILENCES, Start, StartFailed
from lifecycle_app.contract import SET_ASIDE, Drain, Problem
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, SETTINGS, worker

FRESH = Known(instance_id="i-00000001", state=State.PENDING, address="127.77.1.4", is_fresh=True)
RUNNING = Known(instance_id="i-00000001", state=State.RUNNING, address="127.77.1.4")

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SILENT = (
    "Your machine was started, but its server did not answer."
    " Try again; if that does not help, tell your administrator."
)


class FakeProtocol:
    """Brings up what it is given, one after the other."""

    def __init__(self, *outcomes: Known | Exception) -> None:
        self.outcomes = list(outcomes)
        self.looks: list[Known | Exception | None] = []
        self.looked: list[Known | None] = []
        self.profiles: list[Profile] = []
        self.backups: list[str] = []

    async def bring_up(
        self,
        key: str,
        profile: Profile,
        say: Callable[[str], None],
        note: Any,
        looked: Known | None,
        *,
        backup: str = "",
    ) -> Known:
        self.profiles.append(profile)
        self.backups.append(backup)
        self.looked.append(looked)
        say("Requesting a new machine")
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        note(outcome)
        return outcome

    async def describe(self, key: str, instance_id: str) -> Known | None:
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look


class FakeHomes:
    """There is no old home."""

    async def wait_for(self, instance_id: str) -> None:
        """Is there at once."""


class FakeWorkers:
    """Servers that answer when they are told to, once their machine has fetched its environment."""

    def __init__(self, *, answer: bool = True) -> None:
        self.answers = asyncio.Event()
        self.urls: list[str] = []
        self.fetch: Callable[[], object] = lambda: None
        if answer:
            self.answers.set()

    async def wait_for(self, url: str) -> None:
        self.urls.append(url)
        await self.answers.wait()
        self.fetch()


class NoBudgets:
    """No user has one."""

    async def check(self, key: str, groups: object) -> None:
        """Does not even wait."""


class FakeReader:
    """The shared reader."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    async def loaded(self) -> bool:
        return True

    def get(self, key: str) -> Worker | None:
        return self.workers.get(key)


class FakeLauncher:
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


@cache
def tables() -> bytes:
    """JupyterHub's database with its tables and roles alone: making them takes longer than most tests."""
    session = orm.new_session_factory("sqlite:///:memory:")()
    for role in roles.get_default_roles():
        roles.create_role(session, role)
    session.add(orm.OAuthClient(identifier="jupyterhub"))
    session.commit()
    found: bytes = session.connection().connection.driver_connection.serialize()
    session.close()
    session.get_bind().dispose()
    return found


def a_database() -> Any:
    """A session of a copy of it."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.deserialize(tables())
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    orm.register_foreign_keys(engine)
    return sessionmaker(bind=engine, expire_on_commit=False)()


class Case:
    """A spawner and what is around it."""

    def __init__(self, *outcomes: Known | Exception, answer: bool = True) -> None:
        self.time = NOON
        self.protocol = FakeProtocol(*outcomes)
        self.workers = FakeWorkers(answer=answer)
        self.reader, self.launcher, self.stops = FakeReader(), FakeLauncher(), FakeStops()
        self.parts: Any = SimpleNamespace(
            settings=SETTINGS,
            token_key="key",
            protocol=self.protocol,
            homes=FakeHomes(),
            workers=self.workers,
            reader=self.reader,
            budgets=NoBudgets(),
            launcher=self.launcher,
            stops=self.stops,
            now=lambda: self.time,
        )
        self.spawner = self._spawner()
        self.workers.fetch = self.fetch

    def fetch(self) -> None:
        if self.spawner.latest_start:
            self.spawner.latest_start.is_fetched = True

    def _spawner(self) -> Any:
        self.db = a_database()
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

    def answer(self) -> None:
        """From now on its server answers, and has the time for that."""
        self.parts.settings = SETTINGS
        self.workers.answers.set()

    def close(self) -> None:
        engine = self.db.get_bind()
        self.db.close()
        engine.dispose()

    async def progress(self) -> list[str]:
        return [event["message"] async for event in self.spawner.progress()]


@pytest.fixture
async def cases(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Case]]:
    """Makes cases; the time of the latest is also JupyterHub's."""
    made: list[Case] = []
    monkeypatch.setattr(orm.APIToken, "now", staticmethod(lambda: made[-1].time))

    def make(*outcomes: Any, **more: Any) -> Case:
        made.append(Case(*outcomes, **more))
        return made[-1]

    yield make
    for case in made:
        case.close()


Cases = Callable[..., Case]


async def test_start_returns_the_url_when_the_server_answers(cases: Cases) -> None:
    case = cases(FRESH)
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    assert case.workers.urls == ["http://127.77.1.4:8888/user/ada/"]
    assert await case.spawner.poll() is None
    assert await case.progress() == [
        "Requesting a new machine",
        "Your machine is assigned",
        "Your machine is booting",
        "JupyterLab answers",
    ]


async def test_token_is_the_workers_own_and_known_before_its_server_uses_it(cases: Cases) -> None:
    case = cases(FRESH, answer=False)
    starting = asyncio.ensure_future(case.spawner.start())
    async with asyncio.timeout(5):
        while not case.workers.urls:
            await asyncio.sleep(0)
    token = case.spawner.api_token
    assert token == worker_token("key", "test", "ada", "i-00000001", case.spawner.grant.nonce)
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
async def test_failure_is_described_in_words(cases: Cases, error: Exception) -> None:
    with pytest.raises(StartFailed) as failed:
        await cases(error).spawner.start()
    assert failed.value.jupyterhub_message == str(error)


async def test_server_that_does_not_answer_in_time_is_described_in_words(cases: Cases) -> None:
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
        case.answer()

    case.parts.stops = SimpleNamespace(send=send)
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    [(key, instance_id, by, _)] = case.stops.sent
    assert (key, instance_id) == ("ada", "i-00000001")
    assert "it did not answer" in by
    assert marks == ["i-00000001"]
    assert case.spawner.given_up == ""


@pytest.mark.parametrize("taken_up", [RUNNING, FRESH])
async def test_a_machine_that_answers_after_its_stop_was_asked_for_is_used_only_if_that_is_withdrawn_before(
    cases: Cases, taken_up: Known
) -> None:
    """The hub may have released it already: then the record is claimed, and read after the hub began to refuse."""
    case = cases(RUNNING, taken_up, RUNNING, answer=False)
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=20))
    bring_up, released = case.protocol.bring_up, []

    async def watched(*wished: Any, **more: Any) -> Known:
        released.append(hub_would_release(case.spawner))
        if released == [False, True]:
            case.answer()
        return await bring_up(*wished, **more)

    case.protocol.bring_up = watched  # type: ignore[method-assign]
    assert await case.spawner.start() == "http://127.77.1.4:8888"
    assert released == [False, True, False]
    assert case.protocol.outcomes == []


def hub_would_release(spawner: WorkerSpawner) -> bool:
    """Would the hub agree to a stop of the machine, were it asked in this moment?"""
    request = Request(worker="ada", instance_id="i-00000001", since=NOON, mode=Drain.REGARDLESS)
    server = Server(
        pending="spawn",
        active=True,
        started=None,
        instance_id=spawner.instance.id,
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


@pytest.mark.parametrize("stop_fails", [False, True])
async def test_a_machine_that_cannot_mount_its_home_disk_says_so_and_is_stopped(
    stop_fails: bool, cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: another start would find the same disk."""
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(milliseconds=1))
    case = cases(FRESH, answer=False)
    marks = []

    async def send(*request: Any) -> None:
        marks.append(case.spawner.given_up)
        case.stops.sent.append(request)
        if stop_fails:
            raise StopNotSent("no event bus")

    case.parts.stops = SimpleNamespace(send=send)
    starting = asyncio.ensure_future(case.spawner.start())
    while not case.spawner.instance.id:
        await asyncio.sleep(0)
    case.spawner.report_problem(Problem.HOME)
    with pytest.raises(StartFailed, match=r"home disk could not be mounted.* not touched") as failed:
        await starting
    assert failed.value.reason == "home"
    [(key, instance_id, by, _)] = case.stops.sent
    assert (key, instance_id, by) == ("ada", "i-00000001", "the hub, because its home disk cannot be mounted")
    assert (marks, case.spawner.given_up) == (["i-00000001"], "")


async def test_problem_of_an_earlier_start_does_not_fail_the_next_one(cases: Cases) -> None:
    case = cases(FRESH, FRESH)
    await case.spawner.start()
    case.spawner.report_problem(Problem.HOME)
    assert await case.spawner.start() == "http://127.77.1.4:8888"


async def test_machine_that_does_not_run_after_all_is_started_again(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.start.DOUBT_AFTER", timedelta(0))
    case = cases(RUNNING, FRESH, answer=False)
    stopped = Known(instance_id="i-00000001", state=State.STOPPED, address="127.77.1.4")

    class Looks(list[Known | Exception | None]):
        def pop(self, *_: Any) -> Known:
            case.workers.answers.set()
            return stopped

    case.protocol.looks = Looks()
    starting = asyncio.ensure_future(case.spawner.start())
    await asyncio.sleep(0)
    case.time += timedelta(seconds=1)
    assert await starting == "http://127.77.1.4:8888"
    assert case.protocol.looked == [None, stopped]


async def test_fresh_machine_is_not_doubted(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.start.DOUBT_AFTER", timedelta(0))
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
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr("hub.spawn.start.DOUBT_AFTER", timedelta(seconds=-1))
    case = cases(RUNNING, answer=False)
    case.protocol.looks = [None, None, RUNNING]
    starting = asyncio.ensure_future(case.spawner.start())
    async with asyncio.timeout(5):
        while case.protocol.looks:
            await asyncio.sleep(0)
    case.workers.answers.set()
    assert await starting == "http://127.77.1.4:8888"


async def test_machine_that_goes_down_while_it_boots_is_noticed_from_the_records(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(milliseconds=1))
    case = cases(*[FRESH] * MOST_ATTEMPTS, answer=False)
    gone = Known(instance_id="i-00000001", state=State.TERMINATED, address=None)
    case.protocol.looks = [gone] * MOST_ATTEMPTS
    case.reader.workers["ada"] = worker(state=State.TERMINATED, state_at=NOON + timedelta(minutes=1))
    with pytest.raises(StartFailed, match="stops each time"):
        await case.spawner.start()
    assert case.protocol.looks == []


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
    """Its record says so, of the second in which the server was seen: which came first cannot be told from that."""
    case = cases(FRESH)
    await case.spawner.start()
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + timedelta(seconds=1))
    assert await case.spawner.poll() is None  # without a look, of which there is none yet
    case.time += timedelta(minutes=1)
    look = replace(FRESH, state=seen) if isinstance(seen, State) else seen
    case.protocol.looks = [look, look]
    assert [await case.spawner.poll() for _ in polls] == polls
    assert len(case.protocol.looks) == (1 if seen is State.RUNNING else 0)


async def test_server_that_was_released_is_down_for_jupyterhub(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner.is_released = True
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


async def test_requested_stop_is_sent(cases: Cases) -> None:
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
    case.launcher.launched = Launched(
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
    assert case.protocol.profiles[0].types == ("t3.large", "t3.medium")


async def test_the_groups_of_a_user_decide_at_each_start_what_may_be_chosen(cases: Cases) -> None:
    """Whatever a form or a kept choice says."""
    case = cases(FRESH)
    case.parts.settings = replace(
        SETTINGS,
        profiles=(
            Profile(name="Standard", types=("t3.medium",)),
            Profile(name="GPU", types=("g4dn.xlarge",), groups=("ml",)),
        ),
    )
    with pytest.raises(StartFailed, match="only for members of ml"):
        apply_options(case.spawner, {"profile": "GPU"})
    assert case.spawner.chosen.name == "Standard"
    assert await options_form(case.spawner) == "", "there is one to choose"
    case.spawner.user.orm_user.groups = [orm.Group(name="ml")]
    apply_options(case.spawner, {"profile": ["GPU"]})
    assert "GPU" in await options_form(case.spawner)
    await case.spawner.start()
    assert case.protocol.profiles[0].types == ("g4dn.xlarge",)
    case.spawner.user.orm_user.groups = []
    with pytest.raises(StartFailed, match="Choose one of Standard"):
        apply_options(case.spawner, {"profile": ["GPU"]})


async def test_wrong_choice_is_refused_once_and_forgotten(cases: Cases) -> None:
    case = cases()
    case.spawner.orm_spawner.user_options = {"instance_type": "p5.48xlarge"}
    with pytest.raises(StartFailed, match="Unknown machine type"):
        apply_options(case.spawner, {"instance_type": "p5.48xlarge"})
    assert case.spawner.orm_spawner.user_options == {}


async def test_a_clean_profile_is_for_one_start_and_ends_with_it(cases: Cases) -> None:
    case = cases(FRESH, answer=False)
    options = {"instance_type": "t3.large", "clean_profile": "yes"}
    case.spawner.orm_spawner.user_options = options
    apply_options(case.spawner, options)
    assert case.spawner.orm_spawner.user_options == {"instance_type": "t3.large"}, "not at the next start"
    starting = asyncio.ensure_future(case.spawner.start())
    await until(lambda: case.workers.urls)
    directory = case.spawner.launch_environment()["set_aside"]
    assert SET_ASIDE.match(directory)
    assert case.spawner.launch_environment()["set_aside"] == directory, "the worker may ask again"
    case.workers.answers.set()
    await starting
    assert f"Your settings are moved to {directory} in your home" in [line for _, line in await told(case)]
    assert "set_aside" not in case.spawner.launch_environment(), (
        "a server that is started again is left alone"
    )


async def test_a_link_cannot_choose_a_clean_profile(cases: Cases) -> None:
    options = cases().spawner.options_from_query({"clean_profile": ["yes"], "instance_type": ["t3.large"]})
    assert options == {"instance_type": ["t3.large"]}


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


async def told(case: Case) -> list[tuple[int, str]]:
    """The progress page's lines."""
    return [(event["progress"], event["message"]) async for event in case.spawner.progress()]


def quick(case: Case) -> None:
    """A machine may take no time to answer."""
    case.parts.settings = replace(SETTINGS, answer_limit=timedelta(milliseconds=5))


def at_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start may take no time: its limit is less than JupyterHub's by a margin."""
    monkeypatch.setattr("hub.spawn.start.MARGIN", timedelta(seconds=1000))
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
        (steps.REQUESTED, "Requesting a new machine"),
        (steps.KNOWN, "Your machine is assigned"),
        (steps.BOOTING, "Your machine is booting"),
        (steps.FETCHED, "Your machine has booted and is starting JupyterLab"),
        (steps.ANSWERED, "JupyterLab answers"),
    ]


async def test_a_start_begins_anew_whatever_was_before(cases: Cases) -> None:
    case = cases(FRESH, NoCapacity("AWS has no machine free."))
    spawner = case.spawner
    spawner.is_released, spawner.stop_requested_by = True, "boss"
    spawner.latest_start = Start(spawner)
    spawner.latest_start.given_up = "i-1"
    await spawner.start()
    assert (spawner.is_released, spawner.stop_requested_by, spawner.given_up) == (False, "", "")
    assert not spawner.is_starting
    with pytest.raises(StartFailed):
        await spawner.start()
    assert not spawner.is_starting
    assert await told(case) == [(steps.KNOWN, "Requesting a new machine")]


async def test_while_it_starts_nothing_earlier_counts(cases: Cases) -> None:
    case = cases(RUNNING, answer=False)
    spawner = case.spawner
    spawner.is_released, spawner.stop_requested_by = True, "boss"
    spawner.latest_start = Start(spawner)
    spawner.latest_start.given_up = "i-1"
    starting = asyncio.ensure_future(spawner.start())
    await until(lambda: case.workers.urls)
    assert (spawner.is_released, spawner.stop_requested_by, spawner.given_up) == (False, "", "")
    assert spawner.is_starting is True
    case.workers.answers.set()
    await starting
    assert spawner.is_starting is False


async def test_an_instance_is_noted_when_it_is_first_heard_of(cases: Cases) -> None:
    """Once only, and as alive at that moment: what the records say of the time before does not count."""
    spawner = cases().spawner
    start = Start(spawner)
    start.note(FRESH)
    assert spawner.instance == ServerInstance(id="i-00000001", address="127.77.1.4", alive_at=NOON)
    start.say("Asking")
    start.note(FRESH)
    start.progress.end()
    told = [(line.percent, line.message) async for line in start.progress.follow()]
    assert told == [(steps.KNOWN, "Your machine is assigned"), (steps.KNOWN, "Asking")]


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

    async def never(*_: Any, **_more: Any) -> Known:
        await asyncio.Event().wait()
        raise AssertionError

    case.protocol.bring_up = never  # type: ignore[method-assign]
    at_once(case, monkeypatch)
    with pytest.raises(StartFailed) as failed:
        await asyncio.wait_for(case.spawner.start(), 10)
    assert failed.value.reason == "timeout"
    case.spawner.start_timeout = 3600
    assert case.spawner.latest_start._too_late() == (
        "AWS had no machine for you within 60 minutes. Try again in a few minutes."
    )


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
    by = "the hub, because it did not answer"
    assert case.stops.sent == [("ada", "i-00000001", by, NOON)] * (MOST_SILENCES - 1)
    assert (steps.KNOWN, "Your machine is assigned") in await told(case)
    assert (
        steps.BOOTING,
        "Your machine is running but does not answer. Stopping it and starting it again",
    ) in await told(case)
    assert case.protocol.outcomes == []


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
    bring_up, wait_for = case.protocol.bring_up, case.workers.wait_for

    async def see_bring_up(key: str, *more: Any, **named: Any) -> Known:
        keys.append(key)
        seen.append(("bring_up", case.spawner.given_up))
        if len(case.stops.sent) == 1:
            case.answer()
        return await bring_up(key, *more, **named)

    async def see_wait(url: str) -> None:
        seen.append(("wait", case.spawner.given_up))
        await wait_for(url)

    case.protocol.bring_up, case.workers.wait_for = see_bring_up, see_wait  # type: ignore[method-assign]
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
    assert case.protocol.outcomes == [RUNNING]


async def test_a_machine_that_goes_down_each_time_is_tried_so_often(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
    case = cases(*[FRESH] * (MOST_ATTEMPTS + 1), answer=False)
    case.protocol.looks = [replace(FRESH, state=State.STOPPED)] * MOST_ATTEMPTS
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + MINUTE)
    with pytest.raises(StartFailed) as failed:
        await case.spawner.start()
    assert failed.value.jupyterhub_message == (
        "Your machine stops each time it is started. Tell your administrator."
    )
    assert failed.value.reason == "start"
    assert len(case.protocol.outcomes) == 1
    assert (steps.BOOTING, "Your machine is not running after all. Starting it again") in await told(case)


@pytest.mark.parametrize("state", [State.TERMINATED, State.STOPPED])
@pytest.mark.parametrize(
    ("reason", "label", "message"),
    [
        ("Client.InternalError", "refused", "most often it may not use the key that encrypts them"),
        ("Client.InvalidKMSKey.InvalidState", "refused", "cannot use the key that encrypts"),
        ("Client.VolumeLimitExceeded", "quota", "quota of disk space"),
        ("Server.InsufficientInstanceCapacity", "capacity", "Try again in a few minutes"),
    ],
)
async def test_a_machine_that_ec2_ends_for_a_reason_that_stays_is_not_started_again(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, state: State, reason: str, label: str, message: str
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
    case = cases(*[FRESH] * MOST_ATTEMPTS, answer=False)
    case.protocol.looks = [replace(FRESH, state=state, reason=reason)]
    case.reader.workers["ada"] = worker(state=state, state_at=NOON + MINUTE)
    with pytest.raises(StartFailed, match=message) as failed:
        await case.spawner.start()
    assert failed.value.reason == label
    assert len(case.protocol.looked) == 1


def watching(case: Case, known: Known, seen: Known | None) -> tuple[list[tuple[str, str]], Any]:
    """The looks at EC2 that a watch takes, and the watch, which ends by an answer after the first look."""
    looks: list[tuple[str, str]] = []

    async def describe(key: str, instance_id: str) -> Known | None:
        looks.append((key, instance_id))
        case.workers.answers.set()
        return seen

    case.protocol.describe = describe  # type: ignore[method-assign]
    return looks, Start(case.spawner)._watch("http://127.77.1.4:8888/user/ada/", known)


@pytest.mark.parametrize(("late", "looks_at_it"), [(timedelta(0), False), (SECOND, True)])
async def test_what_is_said_to_run_is_doubted_after_a_while(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, late: timedelta, looks_at_it: bool
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
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
        assert case.spawner.instance.alive_at == NOON + DOUBT_AFTER + late


@pytest.mark.parametrize("state", [State.STOPPED, State.STOPPING, State.TERMINATED])
async def test_what_does_not_run_is_handed_back(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
    case = cases(answer=False)
    case.reader.workers["ada"] = worker(state=State.STOPPED, state_at=NOON + MINUTE)
    seen = replace(RUNNING, state=state)
    looks, watch = watching(case, FRESH, seen)
    assert await asyncio.wait_for(watch, 10) == seen
    assert looks == [("ada", "i-00000001")]


async def test_what_ec2_does_not_describe_is_doubted_again(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
    case = cases(answer=False)
    looks: list[datetime] = []

    async def describe(*_: str) -> Known | None:
        looks.append(case.time)
        if len(looks) == 2:
            case.workers.answers.set()
        return None

    case.protocol.describe = describe  # type: ignore[method-assign,assignment]
    watched = asyncio.ensure_future(Start(case.spawner)._watch("url", RUNNING))
    await until(lambda: case.workers.urls)
    for later in (DOUBT_AFTER, DOUBT_AFTER + SECOND, 2 * DOUBT_AFTER + SECOND, 2 * DOUBT_AFTER + 2 * SECOND):
        case.time = NOON + later
        for _ in range(20):
            await asyncio.sleep(0)
    assert await asyncio.wait_for(watched, 10) is None
    assert looks == [NOON + DOUBT_AFTER + SECOND, NOON + 2 * DOUBT_AFTER + 2 * SECOND]
    assert case.spawner.instance.alive_at is None


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
    assert case.protocol.profiles[0].types[0] == "t3.medium"
    assert case.protocol.looked == [None]


async def test_the_launch_under_way_is_found_by_key(cases: Cases) -> None:
    case = cases()
    asked: list[str] = []

    async def unfinished(key: str) -> Launched | None:
        asked.append(key)
        return None

    def is_launching(key: str) -> bool:
        asked.append(key)
        return True

    case.parts.launcher = SimpleNamespace(unfinished=unfinished, is_launching=is_launching)
    assert await case.spawner.poll() is None
    await case.spawner.stop()
    assert asked == ["ada", "ada"]
    assert case.stops.sent == []


async def test_a_start_under_way_is_up_for_jupyterhub(cases: Cases) -> None:
    case = cases()
    case.spawner.latest_start = Start(case.spawner)
    assert await case.spawner.poll() is None
    case.spawner.is_released = True
    assert await case.spawner.poll() == 0


async def test_no_stop_of_nothing_is_sent(cases: Cases) -> None:
    """A requested stop of a server that never had a machine."""
    case = cases()
    case.spawner._stop_future = asyncio.get_running_loop().create_future()
    await case.spawner.stop()
    assert case.stops.sent == []


@pytest.mark.parametrize(("instance_id", "alive_at"), [("", None), ("", NOON), ("i-00000001", None)])
async def test_what_is_not_known_to_be_alive_is_not_remembered(
    cases: Cases, instance_id: str, alive_at: datetime | None
) -> None:
    spawner = cases().spawner
    spawner.instance = ServerInstance(id=instance_id, alive_at=alive_at)
    assert spawner.get_state() == {}


async def test_what_is_remembered_is_taken_up_whole(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    state = case.spawner.get_state()
    token = state.pop("token")
    assert state == {"instance_id": "i-00000001", "address": "127.77.1.4", "alive_at": NOON.timestamp()}
    again = cases().spawner
    again.load_state({**state, "token": token})
    assert (again.grant, again.api_token) == (case.spawner.grant, case.spawner.api_token)
    assert again.instance == ServerInstance(id="i-00000001", address="127.77.1.4", alive_at=NOON)
    assert again.instance.alive_at.tzinfo is UTC
    before = cases().spawner
    token = before.api_token
    before.load_state({})
    assert (before.instance, before.api_token) == (ServerInstance(), token)


async def test_a_cleared_server_knows_nothing(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    case.spawner.clear_state()
    assert case.spawner.instance == ServerInstance()
    assert case.spawner.api_token == ""
    assert list(case.spawner.get_state()) == ["token"], "but what its token was derived from"
    assert await case.spawner.poll() == 0


async def test_a_machine_without_an_address_leaves_the_old_one(cases: Cases) -> None:
    """JupyterHub would make a URL without a host of it."""
    case = cases(FRESH)
    await case.spawner.start()
    Start(case.spawner).note(replace(FRESH, address=None))
    assert (case.spawner.instance.address, case.spawner.ip, case.spawner.port) == ("", "127.77.1.4", 8888)


async def test_a_token_is_registered_once(cases: Cases) -> None:
    case = cases(FRESH, FRESH)
    await case.spawner.start()
    tokens = [token.note for token in case.spawner.user.orm_user.api_tokens]
    await case.spawner.start()
    assert [token.note for token in case.spawner.user.orm_user.api_tokens] == tokens
    assert "Server of worker ada" in tokens


async def test_without_a_token_of_jupyterhubs_none_is_registered(cases: Cases) -> None:
    """It would be unknown what it may do."""
    case = cases(FRESH)
    case.spawner.api_token = ""
    await case.spawner.start()
    assert "Server of worker ada" not in [token.note for token in case.spawner.user.orm_user.api_tokens]
    assert case.spawner.api_token != ""


async def test_a_rename_is_refused_in_these_words(cases: Cases) -> None:
    with pytest.raises(HTTPError) as refused:
        await cases().spawner.rename("", "gpu")
    assert refused.value.log_message == (
        "A server cannot be renamed: its machine and files are found by its name."
        " Change its display name instead."
    )


async def test_steps_that_no_page_follows_are_no_trouble(cases: Cases) -> None:
    case = cases(FRESH)
    assert case.spawner.launch_environment()["args"] == case.spawner.get_args()
    assert case.spawner.latest_start is None
    following = asyncio.ensure_future(told(case))
    await asyncio.sleep(0)
    await case.spawner.start()
    assert (steps.ANSWERED, "JupyterLab answers") in await following


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
async def test_what_the_records_lack_about_this_run_is_not_a_reason_to_look(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, record: Worker
) -> None:
    monkeypatch.setattr("hub.spawn.start.CHECK_EVERY", timedelta(0))
    case = cases(answer=False)
    case.spawner.instance = ServerInstance(alive_at=NOON)
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
