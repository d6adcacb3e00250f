"""SQLite, garbage collection, hashing and the proxy's routes, as the hub sets them."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from jupyterhub import orm
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.oauth import provider
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import compare_token, new_token
from sqlalchemy import text

from hub.config import tuning
from hub.config.tuning import Proxy
from hub.identity import worker_token
from tests.shared.waiting import PATIENCE


def test_a_commit_waits_for_no_disk_and_keys_are_still_checked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    session = orm.new_session_factory(url, **tuning.database_options())()
    asked = {
        name: session.execute(text(f"PRAGMA {name}")).scalar()
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    session.close()
    session.get_bind().dispose()
    assert asked == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}


def test_what_was_committed_is_there_for_whoever_opens_the_database_next(tmp_path: Path) -> None:
    """Though the first connection is still open, as a killed hub's is."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    first = orm.new_session_factory(url, **tuning.database_options())()
    first.add(orm.User(name="ada"))
    first.commit()
    second = orm.new_session_factory(url, **tuning.database_options())()
    assert orm.User.find(second, "ada") is not None
    for session in (first, second):
        session.close()
        session.get_bind().dispose()


@pytest.fixture
def garbage_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("garbage_as_before")
def test_what_is_there_when_the_hub_starts_is_never_looked_at_for_garbage_again() -> None:
    kept: list[dict[str, int]] = [{} for _ in range(10_000)]
    tuning.freeze_garbage()
    assert gc.get_freeze_count() >= len(kept)
    assert gc.isenabled()
    assert gc.get_threshold()[0] == tuning.YOUNG


@pytest.fixture
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "hash_token", provider.hash_token)
    tuning.hash_long_secrets_once()


@pytest.mark.usefixtures("_settled")
@pytest.mark.parametrize(
    ("secret", "rounds"),
    [
        (worker_token("key", "physics", "ada", "i-1"), "1"),
        (new_token(), "1"),
        ("x" * 31, "16384"),
        ("chosen by the operator", "16384"),
    ],
    ids=["a worker's", "JupyterHub's", "a little too short", "words"],
)
def test_only_secrets_that_people_may_have_chosen_are_hashed_many_times(secret: str, rounds: str) -> None:
    session = orm.new_session_factory("sqlite://")()
    server = provider.make_provider(lambda: session, "/", "/login")
    client = server.add_client("jupyterhub-user-ada", secret, "/user/ada/oauth_callback")
    assert client.secret.split(":")[:2] == ["sha512", rounds]
    assert compare_token(client.secret, secret)
    assert not compare_token(client.secret, secret[:-1] + "!")
    session.close()
    session.get_bind().dispose()


HUB: dict[str, Any] = {"/": {}}
USER: dict[str, Any] = {"/user/ann/": {}}
PEOPLE, SERVICES = object(), object()


class Asked(Proxy):
    """A proxy that tells what it was asked to bring in order."""

    routes: Any = None
    checked: Any = None

    async def get_all_routes(self) -> dict[str, Any]:
        if isinstance(self.routes, Exception):
            raise self.routes
        return dict(self.routes)

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> None:
        self.checked = (user_dict, service_dict, routes)


@pytest.mark.parametrize(
    ("routes", "checked"),
    [
        ({}, (PEOPLE, SERVICES, {})),
        (USER, (PEOPLE, SERVICES, USER)),
        (HUB, None),
        ({**HUB, **USER}, None),
        (TimeoutError("nothing listens"), None),
        (ClientError("refused"), None),
    ],
    ids=["no route", "not the hub's", "the hub's alone", "all", "no answer", "a refusal"],
)
async def test_routes_are_given_again_if_not_even_the_hub_is_known(routes: Any, checked: Any) -> None:
    proxy = Asked(hub=SimpleNamespace(routespec="/"))
    proxy.routes = routes
    await proxy.restore_routes(PEOPLE, SERVICES)
    assert proxy.checked == checked


async def test_what_the_proxy_knows_of_activity_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"user": "ann", "server_name": "", "last_activity": "2026-11-23T12:00:00.000Z"}

    async def told(_: object) -> dict[str, Any]:
        return {"/": {"data": {"hub": True}}, "/user/ann/": {"data": dict(data)}}

    monkeypatch.setattr(ConfigurableHTTPProxy, "get_all_routes", told)
    routes = await Proxy(hub=SimpleNamespace(routespec="/")).get_all_routes()
    assert routes == {
        "/": {"data": {"hub": True}},
        "/user/ann/": {"data": {"user": "ann", "server_name": ""}},
    }


class Watched(Proxy):
    """A proxy that tells when its routes are looked at."""

    looks: "asyncio.Queue[None]"

    async def restore_routes(self, users: Any, services: Any) -> None:
        self.looks.put_nowait(None)


class Listening:
    """What listens where the proxy's API does, and can end as a killed proxy does."""

    def __init__(self) -> None:
        self._connections: list[asyncio.StreamWriter] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(writer)

    async def end(self) -> None:
        self._server.close()
        for writer in self._connections:
            writer.transport.abort()
        self._connections.clear()
        await self._server.wait_closed()


@asynccontextmanager
async def watching(proxy: Watched) -> AsyncIterator[None]:
    task = asyncio.create_task(proxy.watch(PEOPLE, SERVICES))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_each_proxy_that_comes_up_is_looked_at_once() -> None:
    """At the beginning, and whenever one has ended and another listens."""
    listening = Listening()
    await listening.start()
    proxy = Watched(api_url=f"http://127.0.0.1:{listening.port}")
    proxy.looks = asyncio.Queue()
    async with asyncio.timeout(30), watching(proxy):
        await proxy.looks.get()
        for _ in range(3):
            assert proxy.looks.empty()
            await listening.end()
            await listening.start()
            await proxy.looks.get()
    await listening.end()


async def test_servers_that_keep_their_connections_leave_some_for_the_proxy() -> None:
    """JupyterHub's client has a hundred connections by default: as many are open here when the proxy is asked."""
    hung: list[asyncio.StreamWriter] = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    addresses = [f"127.191.9.{number}" for number in range(1, 6)]
    hanging = await asyncio.start_server(hang, addresses, 0)
    proxy = await asyncio.start_server(answer, "127.191.9.9", 0)
    client = JupyterHubHTTPClient(**tuning.http_client_options())
    client._new_session = partial(session_of, client)
    urls = ["http://{}:{}".format(*one.getsockname()) for one in hanging.sockets] * 30
    tasks = [asyncio.create_task(client.fetch(url)) for url in urls]
    while len(hung) < 100:
        await asyncio.sleep(0)
    asked = client.fetch(f"http://127.191.9.9:{proxy.sockets[0].getsockname()[1]}")
    assert (await asyncio.wait_for(asked, PATIENCE)).status == 200
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    for writer in hung:
        writer.transport.abort()
    for server in (hanging, proxy):
        server.close()
        await server.wait_closed()


def session_of(client: Any) -> Any:
    """As JupyterHub's global instance makes it."""
    return ClientSession(**client.session_options, connector=client._new_connector())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("500 POST /hub/api/authorizations/token/s3cret (x@1.2.3.4)", "token/[secret] (x@1.2.3.4)"),
        ("/hub/api/authorizations/token/s3cret?x=1", "token/[secret]?x=1"),
        ("uri='/hub/api/authorizations/cookie/name/s3cret', version", "cookie/name/[secret]', version"),
        ("GET /hub/oauth_callback?code=s3cret&state=s3cret HTTP", "?code=[secret]&state=[secret] HTTP"),
        ("GET /user/a/lab?access_token=s3cret&reset", "?access_token=[secret]&reset"),
        ("GET /hub/login?username=ada&Password=s3cret", "?username=ada&Password=[secret]"),
        ("GET /hub/x???token=s3cret", "???token=[secret]"),
        ("the drain of ada: token is missing, code=3", "the drain of ada: token is missing, code=3"),
    ],
)
def test_no_line_of_the_log_has_a_secret_of_a_url(text: str, kept: str) -> None:
    record = tuning.LogRecord("hub", logging.INFO, "x.py", 1, "%s", (text,), None)
    assert "s3cret" not in record.getMessage()
    assert record.getMessage().endswith(kept)


def test_a_long_line_costs_no_time() -> None:
    """A pattern that tries each beginning with each end would take hours for these."""
    for part in ("?", "&", "?token", "?a=", "/authorizations/token/", "/authorizations/cookie/", "'?"):
        tuning.without_secrets(part * 100_000)
