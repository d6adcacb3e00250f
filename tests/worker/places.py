"""Where the tests' servers listen, and a client for a Jupyter server."""

import asyncio
import json
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.shared.waiting import PATIENCE

T = TypeVar("T")

JUPYTER_ADDRESS = "127.77.99.1"
MOTO_ADDRESS = "127.77.99.2"
HUB_ADDRESS = "127.77.99.3"
WORKER_ADDRESS = "127.77.99.4"


async def until(look: Callable[[], Awaitable[T]], is_it: Callable[[T], bool]) -> T:
    """Look until it is so, and return what was seen."""
    deadline = time.monotonic() + PATIENCE
    while not is_it(seen := await look()):
        assert time.monotonic() < deadline, f"still {seen}"
        await asyncio.sleep(0.1)
    return seen


@dataclass(frozen=True)
class Jupyter:
    """Client of a running Jupyter server."""

    url: str
    token: str
    home: Path
    instance_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Call the server, as a browser tab would. Returns the JSON answer, if there is any."""
        request = HTTPRequest(
            self.url + path,
            method=method,
            headers=self.headers | headers,
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
        )
        response = await AsyncHTTPClient().fetch(request)
        try:
            return json.loads(response.body)
        except ValueError:
            return None

    async def look(self) -> dict[str, Any]:
        """What the hub would be told now."""
        seen: dict[str, Any] = await self.call("GET", "cloudjhub/activity?no_track_activity=1")
        return seen

    async def answering(self, process: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
        """Wait until the server has started. Fails with the log if its process ends before."""

        async def look() -> dict[str, Any]:
            assert process.poll() is None, log.read_text()
            try:
                return await self.look()
            except (OSError, HTTPClientError):
                return {}

        return await until(look, bool)

    async def quiet(self) -> dict[str, Any]:
        """Wait until there is no life left of what came before."""
        return await until(self.look, lambda seen: seen["level"] == 0)

    async def socket(self, path: str, subprotocols: list[str] | None = None) -> WebSocketClientConnection:
        url = (self.url + path).replace("http", "ws", 1)
        return await websocket_connect(HTTPRequest(url, headers=self.headers), subprotocols=subprotocols)

    async def kernel(self) -> str:
        started = await self.call("POST", "api/kernels", {"name": "python3"})
        return str(started["id"])

    async def terminal(self) -> tuple[str, WebSocketClientConnection]:
        """A new terminal whose shell has shown its prompt."""
        name = (await self.call("POST", "api/terminals", {}))["name"]
        connection = await self.socket(f"terminals/websocket/{name}")
        while json.loads(str(await connection.read_message()))[0] != "stdout":
            pass
        return name, connection


def message(kind: str, content: dict[str, Any], channel: str = "shell") -> dict[str, Any]:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "s", "version": "5.3"}
    return {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}


def execute(code: str) -> dict[str, Any]:
    return message("execute_request", {"code": code, "silent": False, "store_history": True})


def as_json(sent: dict[str, Any]) -> str:
    return json.dumps(sent)


def as_v1(sent: dict[str, Any]) -> bytes:
    """The wire format ``v1.kernel.websocket.jupyter.org``, which JupyterLab speaks."""
    names = ("header", "parent_header", "metadata", "content")
    parts = [sent["channel"].encode(), *(json.dumps(sent[name]).encode() for name in names)]
    count = len(parts) + 1
    offsets = [8 * (count + 1)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join([number.to_bytes(8, "little") for number in (count, *offsets)] + parts)
