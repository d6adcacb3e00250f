"""A hub that answers raw bytes, on a socket of 127.0.0.1: whatever a hub, or what stands in its place, may send."""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


Answer = Callable[[Asked], Iterable[bytes]]
"""What is sent, piece by piece, until the other side hangs up."""


@dataclass
class HostileHub:
    """`answer` is asked for each request; `sent` counts the bytes that the other side took."""

    address: str
    answer: Answer
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    ended: Event = field(default_factory=Event)
    """The test is over: what never ends by itself ends, too."""

    @property
    def api(self) -> str:
        return f"{self.address}/hub/api"


@contextmanager
def hostile_hub(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[HostileHub]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, ValueError):  # the other side goes away, or does not trust us
                asked = read_request(self.rfile)
                hub.asked.append(asked)
                for piece in hub.answer(asked):
                    if hub.ended.is_set():
                        return
                    self.wfile.write(piece)
                    hub.sent += len(piece)

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

    class Server(ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

        def get_request(self) -> Any:
            connection, address = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

        def handle_error(self, *_: object) -> None:
            """Says nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "https" if tls else "http"
    hub = HostileHub(f"{scheme}://127.0.0.1:{server.server_address[1]}", answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def read_request(stream: Any) -> Asked:
    """The request that a stream brings. Raises ValueError if it brings none."""
    method, target, _ = stream.readline().decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    split = urlsplit(target)
    return Asked(
        method, split.path, dict(parse_qsl(split.query)), headers, json.loads(body) if body else None
    )


def said(body: bytes, status: str = "200 OK", kind: str = "application/json", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def told(thing: object, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer in JSON."""
    return said(json.dumps(thing).encode(), status, "application/json", *headers)


def releasing(asked: Asked, **changes: Any) -> dict[str, Any]:
    """The plain answer to a drain: the server is released."""
    about = {name: asked.body[name] for name in ("worker", "instance_id")}
    return about | {"drained": True, "reason": "nothing has happened since", "evidence": {}} | changes


def users_page(users: Mapping[str, Iterable[str]], following: object = None) -> dict[str, Any]:
    """A page of users: the names of the servers that each one has."""
    items = [
        {"name": name, "groups": ["staff"], "servers": {server: {"stopped": False} for server in servers}}
        for name, servers in users.items()
    ]
    return {"items": items, "_pagination": {"offset": 0, "limit": 200, "total": 9, "next": following}}
