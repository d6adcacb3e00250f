"""A hub's API that answers as told, for a server's own requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class HubApi:
    """Answers each request with `status` and `answer`, and remembers what was asked."""

    status: int = 200
    answer: Any = field(default_factory=dict)
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def answering() -> Iterator[HubApi]:
    """Within, the API is at its `url`."""
    fake = HubApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append((self.command, self.path, self.headers["Authorization"], body))
            content = fake.answer if isinstance(fake.answer, bytes) else json.dumps(fake.answer).encode()
            self.send_response(fake.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 -- the library's name

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/hub/api"
    yield fake
    server.shutdown()
    server.server_close()
