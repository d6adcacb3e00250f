"""The hub's client over real HTTP, and the tests' hub in memory, keep to the same; odd answers are told apart."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from lifecycle_app.adapters.hub_client import DrainAnswer, HubClient, HubUser
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import HubAnswerOdd, HubError, HubUnreachable
from lifecycle_app.model.transitions import LEASE
from tests.lifecycle.examples import ALICE, BOB, NOON, a_worker
from tests.lifecycle.fakes import MemoryHub
from tests.lifecycle.hub_server import HubServer, hub_server

WORKER = a_worker(key="alice/gpu", claimed_until=NOON + LEASE)
DRAINED = {
    "worker": "alice/gpu",
    "instance_id": ALICE,
    "drained": True,
    "reason": "quiet",
    "evidence": {"level": 0},
}


@dataclass
class Token:
    values: list[str] = field(default_factory=lambda: ["first"])
    forgotten: int = 0

    def value(self) -> str:
        return self.values[min(self.forgotten, len(self.values) - 1)]

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as server:
        yield server


@pytest.fixture
def client(server: HubServer) -> Iterator[HubClient]:
    with requests.Session() as session:
        yield HubClient(server.api, Token(), session)


@pytest.fixture(params=["memory", "http"])
def either(request: pytest.FixtureRequest, server: HubServer, client: HubClient) -> HubClient | MemoryHub:
    """A hub that releases servers, and knows of Alice's default server and her named one."""
    if request.param == "memory":
        answer = DrainAnswer(True, "quiet", {"level": 0})
        users = [HubUser("alice", ("staff",), frozenset({"alice", "alice/gpu"}))]
        return MemoryHub(users=users, answers=lambda _, __: answer)
    server.answers = [(200, DRAINED), (200, page([alice()]))]
    return client


def alice(**changes: Any) -> dict[str, Any]:
    servers = {
        "": {"name": "", "stopped": False},
        "gpu": {"name": "gpu", "stopped": False, "pending": "spawn"},
    }
    return {"name": "alice", "groups": ["staff"], "servers": servers} | changes


def page(items: list[Any], following: int | None = None) -> dict[str, Any]:
    next_page = None if following is None else {"offset": following, "limit": 200, "url": "x"}
    return {"items": items, "_pagination": {"offset": 0, "limit": 200, "total": 9, "next": next_page}}


def test_both_release_and_say_who_has_servers(either: HubClient | MemoryHub) -> None:
    assert either.drain(WORKER, Drain.IDLE, NOON, Level.LOAD) == DrainAnswer(True, "quiet", {"level": 0})
    assert either.active_users() == [HubUser("alice", ("staff",), frozenset({"alice", "alice/gpu"}))]


def test_the_request_as_the_hub_gets_it(server: HubServer, client: HubClient) -> None:
    server.answers = [(200, DRAINED)]
    client.drain(WORKER, Drain.UNATTENDED, NOON, Level.WORK)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/hub/api/cloudjhub/drain")
    assert asked.headers["Authorization"] == "token first"
    assert asked.body == {
        "worker": "alice/gpu",
        "instance_id": ALICE,
        "since": 1795435200.0,
        "claimed_at": 1795435200.0,
        "mode": "unattended",
        "counts": 2,
    }


def test_the_hub_hears_of_apps_only_if_they_count(server: HubServer, client: HubClient) -> None:
    server.answers = [(200, DRAINED)] * 2
    client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD, apps=True)
    client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD, apps=False)
    assert [asked.body.get("apps") for asked in server.asked] == [True, None]


def test_users_come_page_by_page(server: HubServer, client: HubClient) -> None:
    pages = [page([alice()], 200), page([alice(name="bob", servers={})], 400), page([])]
    server.answers = [(200, one) for one in pages]
    assert [user.name for user in client.active_users()] == ["alice", "bob"]
    assert [asked.query["offset"] for asked in server.asked] == ["0", "200", "400"]
    assert {asked.query["state"] for asked in server.asked} == {"active"}
    assert server.asked[0].headers["Accept"] == "application/jupyterhub-pagination+json"


def test_a_server_that_exists_by_name_only_is_none(server: HubServer, client: HubClient) -> None:
    server.answers = [(200, page([alice(servers={"": {"stopped": True}, "gpu": {}}, groups=None)]))]
    assert client.active_users() == [HubUser("alice", None, frozenset({"alice/gpu"}))]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (502, b"", HubUnreachable),
        (503, b"<html>Service Unavailable</html>", HubUnreachable),
        (504, b"", HubUnreachable),
        (500, {"message": "Internal Server Error"}, HubAnswerOdd),
        (404, {"message": "Not Found"}, HubAnswerOdd),
        (403, {"message": "Action is not authorized"}, HubAnswerOdd),
        (302, b"", HubAnswerOdd),
        (204, b"", HubAnswerOdd),
        (200, b"", HubAnswerOdd),
        (200, b"<html>login</html>", HubAnswerOdd),
        (200, [], HubAnswerOdd),
        (200, {}, HubAnswerOdd),
        (200, DRAINED | {"drained": "yes"}, HubAnswerOdd),
        (200, DRAINED | {"reason": None}, HubAnswerOdd),
        (200, DRAINED | {"evidence": None}, HubAnswerOdd),
        (200, DRAINED | {"worker": "alice"}, HubAnswerOdd),
        (200, DRAINED | {"instance_id": BOB}, HubAnswerOdd),
        (0, None, HubAnswerOdd),
    ],
)
def test_what_is_not_an_answer_to_a_drain(
    server: HubServer, client: HubClient, status: int, body: Any, error: type[HubError]
) -> None:
    server.answers = [(status, body)]
    with pytest.raises(HubError) as raised:
        client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD)
    assert type(raised.value) is error
    assert "first" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"items": []},
        {"items": [], "_pagination": {}},
        {"items": {}, "_pagination": {"next": None}},
        {"items": ["alice"], "_pagination": {"next": None}},
        page([{"name": "alice"}]),
        page([alice(name=5)]),
        page([alice(name="a/b")]),
        page([alice(servers={"": None})]),
        page([alice(servers={"": {"stopped": "no"}})]),
        page([alice(groups="staff")]),
        page([alice(groups=["staff", 1])]),
        page([alice(groups=["\ud800"])]),
        page([], 0),
        {"items": [], "_pagination": {"next": {"offset": "1"}}},
        {"items": [], "_pagination": {"next": {"offset": True}}},
    ],
)
def test_what_is_no_list_of_users(server: HubServer, client: HubClient, body: Any) -> None:
    server.answers = [(200, body)]
    with pytest.raises(HubAnswerOdd):
        client.active_users()


def test_nothing_listens() -> None:
    with requests.Session() as session, pytest.raises(HubUnreachable):
        HubClient("http://127.0.0.1:9/hub/api", Token(), session).drain(WORKER, Drain.IDLE, NOON, Level.LOAD)


class LossySession(requests.Session):
    """Loses the packets of so many attempts to connect."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = lost

    def request(self, *args: Any, **more: Any) -> requests.Response:
        if self.lost:
            self.lost -= 1
            raise requests.ConnectTimeout("no answer to SYN")
        return super().request(*args, **more)


@pytest.mark.parametrize(("lost", "is_down"), [(1, False), (2, True)])
def test_one_connection_that_times_out_is_no_hub_that_is_down(
    server: HubServer, lost: int, is_down: bool
) -> None:
    server.answers = [(200, DRAINED)]
    with LossySession(lost) as session:
        client = HubClient(server.api, Token(), session)
        with pytest.raises(HubUnreachable) if is_down else nullcontext():
            assert client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD).drained


def test_an_address_that_does_not_exist_is_no_hub_that_is_down() -> None:
    with requests.Session() as session, pytest.raises(HubAnswerOdd):
        HubClient("http://hub.invalid/hub/api", Token(), session).drain(WORKER, Drain.IDLE, NOON, Level.LOAD)


def test_a_token_that_was_changed_is_read_again(server: HubServer) -> None:
    server.answers = [(403, {}), (200, DRAINED)]
    with requests.Session() as session:
        client = HubClient(server.api, Token(["old", "new"]), session)
        with pytest.raises(HubAnswerOdd):
            client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD)
        assert client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD).drained
    assert [asked.headers["Authorization"] for asked in server.asked] == ["token old", "token new"]
