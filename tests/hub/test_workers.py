"""Workers' answers, and what it means that there is none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from hub.clients.workers import LARGEST_ANSWER, LONGEST_PAUSE, SHORTEST_PAUSE, Workers, pause
from hub.errors import WorkerSilent

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


@pytest.mark.parametrize(
    ("waiting", "seconds"),
    [(1, SHORTEST_PAUSE), (10, SHORTEST_PAUSE), (50, 0.5), (100, LONGEST_PAUSE), (400, LONGEST_PAUSE)],
)
def test_one_machine_is_tried_often_and_a_crowd_does_not_flood_the_hub(waiting: int, seconds: float) -> None:
    assert pause(waiting) == seconds
