"""A small HTTP/1.1 server: connections are kept open and answers leave at once, as an SDK expects of AWS."""

import errno
import logging
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bootstrap.local.cloud.errors import Request, Response, StartupError

log = logging.getLogger(__name__)

Answer = Callable[[Request], Response]

IDLE_CONNECTION = 120.0
"""Seconds after which a silent connection is closed."""


class Server(ThreadingHTTPServer):
    """Serves one address; a thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: str, port: int, answer: Answer) -> None:
        self.answer = answer
        try:
            super().__init__((address, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartupError(
                    f"{address}:{port} is busy: another local cloud runs there; stop it or choose another address"
                ) from error
            raise StartupError(f"cannot listen on {address}:{port}: {error.strerror}") from error

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - http.server's signature
        log.exception("a request from %s failed", client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request whole, lets the server's `answer` answer it."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_CONNECTION
    wbufsize = 64 * 1024
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def serve(self) -> None:
        response = self.server.answer(
            Request(
                method=self.command,
                target=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self._body(),
                header_items=tuple(self.headers.items()),
            )
        )
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = serve  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> "list[bytes]":
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return chunks

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        names = {name.lower() for name, _ in response.headers}
        for name, value in response.headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(response.body)))
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)
