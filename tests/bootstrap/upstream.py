"""What stands for the proxy behind nginx in tests: shows what it gets, and answers as the path says."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Upstream(http.server.BaseHTTPRequestHandler):
    """Shows the headers it gets, counts uploads, echoes a WebSocket's first bytes.

    Each `name=value` of the query is a header of the answer. `/…/progress` and `/…/stream` send two events, the second
    when the test says so.
    """

    protocol_version = "HTTP/1.1"
    goes_on = threading.Event()
    received = 0
    """Bytes of the body that came last."""

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket" and self.path.endswith("/refuses"):
            self._refuse_upgrade()
        elif self.headers.get("Upgrade") == "websocket":
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            )
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
        elif self.path.endswith(("/progress", "/stream")):
            self._stream()
        else:
            self._answer(dict(self.headers))

    def do_POST(self) -> None:
        type(self).received, left = 0, int(self.headers["Content-Length"])
        while left and (part := self.rfile.read1(min(left, 65536))):
            left -= len(part)
            type(self).received += len(part)
        self._answer({"received": self.received})

    def _refuse_upgrade(self) -> None:
        """As the proxy does: from then on it reads nothing, and leaves the connection open."""
        self.wfile.write(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n")
        self.connection.settimeout(60)
        with suppress(OSError):
            while self.connection.recv(65536):
                pass
        self.close_connection = True

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"first")
        self.goes_on.wait(60)
        self.wfile.write(b"later")

    def _answer(self, value: Any) -> None:
        body = json.dumps(value).encode()
        headers = parse_qsl(urlsplit(self.path).query)
        self.send_response(int(dict(headers).get("status", "200")))
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Silent about connections that nginx cuts."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def upstream(host: str, port: int = 0) -> Iterator[str]:
    """Its address and port, until the end of the block."""
    server = Server((host, port), Upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        Upstream.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
        Upstream.goes_on.clear()
