"""A hub that answers what the test says, over real HTTP."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class HubServer:
    """Answers each request with the next of `answers` (status and body), the last one again and again."""

    api: str
    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def next_answer(self) -> tuple[int, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def hub_server(tls: ssl.SSLContext | None = None) -> Iterator[HubServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hub.asked.append(
                Asked(
                    self.command,
                    split.path,
                    dict(parse_qsl(split.query)),
                    dict(self.headers),
                    json.loads(body) if body else None,
                )
            )
            status, answer = hub.next_answer()
            if status == 0:  # hangs up without a word
                self.close_connection = True
                return
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.send_header("Location", "http://127.0.0.1:9/hub/login")
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 -- http.server's own name

        def handle(self) -> None:
            with suppress(OSError):  # a client that does not trust us goes away
                super().handle()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    hub = HubServer(f"{scheme}://127.0.0.1:{server.server_port}/hub/api")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
