"""Web apps behind a real Jupyter server with the reporter, over real requests and sockets: a stand-in for
jupyter-server-proxy, and the real one where it is installed.
"""

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

from .conftest import CloudWatch, jupyter_at, jupyter_command, jupyter_environment, running
from .places import JUPYTER_ADDRESS, Jupyter, until

pytestmark = pytest.mark.timeout(PATIENCE)
ROOT = Path(__file__).parents[2]
REAL, STAND_IN = "jupyter_server_proxy", "tests.worker.standin_proxy"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1"}


@pytest.fixture(scope="module", params=[STAND_IN, REAL])
def proxying(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cloudwatch: CloudWatch
) -> Iterator[Jupyter]:
    """A Jupyter server with that extension."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    port = free_port(JUPYTER_ADDRESS)
    server = jupyter_at(port, tmp_path_factory.mktemp("home"), f"i-{request.param.replace('.', '-')}")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [*jupyter_command(server, port), f"--ServerApp.jpserver_extensions={request.param}=True"]
    with running(server, command, jupyter_environment(server, cloudwatch) | {"PYTHONPATH": paths}):
        yield server


class Page(RequestHandler):
    def get(self) -> None:
        self.finish("ok")

    post = get


class Echo(WebSocketHandler):
    def on_message(self, message: Any) -> None:
        self.write_message(message)


@pytest.fixture
async def app(proxying: Jupyter) -> Any:
    """The port of an app."""
    port = free_port("127.0.0.1")
    server = HTTPServer(Application([("/ws", Echo), ("/.*", Page)]))
    server.listen(port, "127.0.0.1")
    yield port
    server.stop()


async def test_an_app_is_seen_and_its_person_told_from_its_polling(
    proxying: Jupyter, cloudwatch: CloudWatch, app: int
) -> None:
    before = await proxying.look()
    await proxying.call("GET", f"proxy/{app}/poll")
    seen = await proxying.look()
    assert (seen["app"], seen["last_interaction"]) == (app, before["last_interaction"])
    assert f"app /proxy/{app} has traffic" in seen["details"]

    async def reported() -> list[float]:
        return cloudwatch.datapoints("App", proxying.instance_id)

    await until(reported, lambda numbers: app in numbers)
    await proxying.call("GET", f"proxy/{app}/", **NAVIGATION)
    used = await until(proxying.look, lambda seen: bool(seen["last_interaction"]))
    assert used["details"][0].startswith(f"used app /proxy/{app}")


async def test_messages_over_a_socket_are_traffic(proxying: Jupyter, app: int) -> None:
    connection = await proxying.socket(f"proxy/{app}/ws")
    before = await proxying.look()
    await connection.write_message("a click")
    assert await connection.read_message() == "a click"
    seen = await proxying.look()
    assert seen["last_app"] > (before["last_app"] or 0)
    assert seen["last_interaction"] == before["last_interaction"]
    connection.close()


async def test_uneven_requests_are_a_persons(proxying: Jupyter, app: int) -> None:
    before = (await proxying.look())["last_interaction"]
    pause = 1.0

    async def act() -> Any:
        nonlocal pause
        await proxying.call("POST", f"proxy/{app}/act", {})
        seen = await proxying.look()
        # Each pause is the triple of the last one: whatever delays it, they are uneven.
        pause = 3 * pause
        if seen["last_interaction"] == before:
            await asyncio.sleep(pause)
        return seen["last_interaction"]

    await until(act, lambda last: last != before)
