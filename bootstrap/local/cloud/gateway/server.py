"""The HTTP server: werkzeug's, with bounded bodies, and connections that are kept open as SDKs expect of AWS."""

import errno
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug import Request, Response
from werkzeug.serving import ThreadedWSGIServer

from bootstrap.local.cloud.errors import StartupError

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024 * 1024
IDLE_CONNECTION = 120.0
"""Seconds after which an idle connection is closed."""
WAITING_CONNECTIONS = 256


class BoundedRequest(Request):
    """A request whose body has a limit; a larger one is answered with 413."""

    max_content_length = LARGEST_BODY
    max_form_memory_size = LARGEST_BODY


class Server(ThreadedWSGIServer):
    """Serves one address with a thread per connection. Raises StartupError where it cannot listen."""

    def __init__(self, address: str, port: int, answer: Callable[[Request], Response]) -> None:
        @BoundedRequest.application
        def application(request: Request) -> Response:
            body = request.get_data(parse_form_data=False)
            request.environ.pop("HTTP_TRANSFER_ENCODING", None)
            request.environ["CONTENT_LENGTH"] = str(len(body))
            return answer(request)

        try:
            with socket.create_server((address, port), backlog=WAITING_CONNECTIONS) as listening:
                super().__init__(address, port, application, Handler, fd=listening.fileno())
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartupError(
                    f"{address}:{port} is busy: another local cloud runs there; stop it or choose another address"
                ) from error
            raise StartupError(f"cannot listen on {address}:{port}: {error.strerror}") from error

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - http.server's signature
        """Logs what went wrong with a connection."""
        log.exception("a request from %s failed", client_address)


class Handler(MotoRequestHandler):  # type: ignore[misc]  # moto publishes no types
    """Answers each request whole and keeps the connection, which werkzeug's own `run_wsgi` closes."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_CONNECTION
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer the request that has just been read."""
        environ = self.make_environ()
        response = Response.from_app(self.server.app, environ, buffered=True)
        self.close_connection |= response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        self.send_response_only(response.status_code)
        response.headers.setdefault("Date", self.date_time_string())
        for name, value in response.get_wsgi_headers(environ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.get_data())
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Let the client send its body now: the answer must not wait in the buffer."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: ARG002 - werkzeug's signature
        """werkzeug's log lines, at debug level."""
        log.debug(message, *args)
