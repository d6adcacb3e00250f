"""Workers' answers, and what it means that there is none."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from hub.clients.workers import LARGEST_ANSWER, LONGEST_PAUSE, SHORTEST_PAUSE, Workers, pause
from hub.errors import WorkerSilent
from tests.shared.waiting import PATIENCE

ADDRESS = "127.191.1.99"
Serve = Callable[[int, bytes], str]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves one answer to every question, and tells where."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(RequestHandler):
            def get(self, _: str) -> None:
                self.set_status(status)
                self.write(body)

        sockets = bind_sockets(0, ADDRESS)
        servers.append(HTTPServer(Application([("/(.*)", Handler)])))
        servers[-1].add_sockets(sockets)
        return f"http://{ADDRESS}:{sockets[0].getsockname()[1]}/"

    yield start
    for server in servers:
        server.stop()
        await server.close_all_connections()


async def test_activity_is_what_the_reporter_tells(serve: Serve) -> None:
    assert await Workers().activity(serve(200, b'{"level": 2}'), "token") == {"level": 2}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"who are you?"),
        (404, b"no reporter here"),
        (500, b""),
        (503, b""),
        (302, b""),
        (200, b"[]"),
        (200, b"not JSON"),
        (200, b"x" * (LARGEST_ANSWER + 1)),
    ],
)
async def test_worker_that_answers_but_does_not_tell_is_up(serve: Serve, status: int, body: bytes) -> None:
    with pytest.raises(WorkerSilent) as silent:
        await Workers().activity(serve(status, body), "token")
    assert silent.value.answers


async def test_worker_at_whose_address_nothing_listens_does_not_answer(serve: Serve) -> None:
    url = serve(200, b"")
    port = bind_sockets(0, ADDRESS)
    number = port[0].getsockname()[1]
    port[0].close()
    with pytest.raises(WorkerSilent) as silent:
        await Workers().activity(url.rpartition(":")[0] + f":{number}/", "token")
    assert not silent.value.answers


async def test_worker_that_takes_the_question_and_says_nothing_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)

    hung: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(mute, ADDRESS, 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr("hub.clients.workers.ANSWER", timedelta(milliseconds=50))
    with pytest.raises(WorkerSilent) as silent:
        await Workers().activity(f"http://{ADDRESS}:{port}/", "token")
    assert not silent.value.answers
    for writer in hung:
        writer.close()
    server.close()
    await server.wait_closed()


Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[tuple[str, list[bool]]]:
    """Where a worker answers each request by what `talk` sends, until the hub has had enough; and for each whether it
    has sent all.
    """
    ended: list[bool] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(writer)
            ended.append(True)
        except OSError:
            ended.append(False)
        writer.close()

    server = await asyncio.start_server(answer, ADDRESS, 0)
    try:
        yield f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}/", ended
    finally:
        server.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def sending(head: bytes, piece: bytes, times: int) -> Talk:
    """Sends the head, and the piece so many times."""

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(times):
            writer.write(piece)
            await writer.drain()

    return talk


BOMB = gzip.compress(bytes(100_000_000), compresslevel=9)
A_LOT = 50 * 1024
"""Pieces of a KB: more than all buffers on the way hold."""
HOSTILE = {
    "gzip bomb": sending(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB, 1),
    "endless body": sending(HEAD + b"\r\n", bytes(1024), A_LOT),
    "endless chunks": sending(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + bytes(1024) + b"\r\n", A_LOT
    ),
    "endless header": sending(HEAD + b"X: ", b"x" * 1024, A_LOT),
    "many headers": sending(HEAD, b"X: " + b"x" * 1019 + b"\r\n", A_LOT),
    "many first lines": sending(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 40, A_LOT),
    "length of a terabyte": sending(HEAD + b"Content-Length: 1000000000000\r\n\r\n", bytes(1024), A_LOT),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_probe", [False, True], ids=["question", "probe"])
async def test_a_hostile_answer_is_cut(name: str, is_probe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a worker sends, the hub holds less than 2 MB of it, and goes on."""
    monkeypatch.setattr("hub.clients.workers.ANSWER", timedelta(seconds=PATIENCE))
    monkeypatch.setattr("hub.clients.workers.PROBE_ANSWER", timedelta(seconds=PATIENCE))
    async with talking(HOSTILE[name]) as (url, ended):
        tracemalloc.start()
        try:
            if is_probe:
                await Workers()._answers(url)
            else:
                with pytest.raises(WorkerSilent):
                    await Workers().activity(url, "token")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 2_000_000
        while not ended:
            await asyncio.sleep(0)
        assert ended == [name == "gzip bomb"], "the rest is not read"


@pytest.mark.parametrize("is_probe", [False, True], ids=["question", "probe"])
async def test_an_answer_that_never_ends_is_given_up(is_probe: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends a byte now and then, so that nothing is idle for long."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    monkeypatch.setattr("hub.clients.workers.ANSWER", timedelta(milliseconds=100))
    monkeypatch.setattr("hub.clients.workers.PROBE_ANSWER", timedelta(milliseconds=100))
    async with talking(drip) as (url, ended):
        if is_probe:
            assert not await Workers()._answers(url)
        else:
            with pytest.raises(WorkerSilent) as silent:
                await Workers().activity(url, "token")
            assert silent.value.answers
        while not ended:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("waiting", "seconds"),
    [(1, SHORTEST_PAUSE), (10, SHORTEST_PAUSE), (50, 0.5), (100, LONGEST_PAUSE), (400, LONGEST_PAUSE)],
)
def test_one_machine_is_tried_often_and_a_crowd_does_not_flood_the_hub(waiting: int, seconds: float) -> None:
    assert pause(waiting) == seconds
