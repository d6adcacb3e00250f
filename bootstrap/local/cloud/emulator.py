"""moto inside our process: its WSGI applications, its state, and the one lock it needs.

moto is not thread-safe: concurrent conditional writes lose updates unless a lock stands around every call.
"""

import io
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlencode

import moto.backends
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from moto.moto_server.werkzeug_app import create_backend_app

from bootstrap.local.cloud.messages import AwsError, Request, Response

SERVICES = ("ec2", "iam", "sts", "dynamodb", "ssm", "cloudwatch", "s3")
GLOBAL_SERVICES = ("iam", "sts", "s3")
HOP_BY_HOP = frozenset({"connection", "server", "date", "transfer-encoding"})


class Emulator:
    """Calls moto and reaches into its state. Every use holds `lock`, which the same thread may take again."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.lock = threading.RLock()
        self._applications: dict[str, Any] = {}

    def backend(self, service: str) -> Any:
        """moto's state of a service in our account and region."""
        region = "aws" if service in GLOBAL_SERVICES else self.region
        return moto.backends.get_backend(service)[self.account][region]

    def preload(self, ended: threading.Event) -> None:
        """Imports moto's services, which takes seconds, before somebody has to wait for one."""
        for service in SERVICES:
            if not ended.is_set():
                self.backend(service)

    def ask(self, service: str, request: Request) -> Response:
        """moto's answer. Raises AwsError for a service that is not here, and whatever moto raises."""
        answered: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            answered.append((status, headers))

        with self.lock:
            chunks: Iterable[bytes] = self._application(service)(_environ(request), start_response)
            body = b"".join(chunks)
        status, headers = answered[-1]
        kept = tuple((name, value) for name, value in headers if name.lower() not in HOP_BY_HOP)
        return Response(int(status.split()[0]), body, kept)

    def _application(self, service: str) -> Any:
        """moto's application of one service; its own dispatcher reads a directory on every request."""
        if service not in SERVICES:
            message = (
                f"There is no service {service} at this address: set AWS_ENDPOINT_URL_{service.upper()}."
            )
            raise AwsError("UnknownOperationException", message, 404)
        if service not in self._applications:
            self._applications[service] = create_backend_app(service)
        return self._applications[service]


def with_form(request: Request, form: dict[str, str]) -> Request:
    """The same request with other form parameters."""
    body = urlencode(form).encode()
    headers = {**request.headers, "content-length": str(len(body))}
    items = tuple((name, value) for name, value in request.header_items if name.lower() != "content-length")
    return Request(
        request.method, request.target, headers, body, (*items, ("Content-Length", str(len(body))))
    )


def _environ(request: Request) -> dict[str, Any]:
    host = request.headers.get("host", "localhost")
    name, _, port = host.partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, "latin-1"),
        "QUERY_STRING": request.query,
        "RAW_URI": request.target,
        "SERVER_NAME": name,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    preserved: dict[str, str] = {}
    for header, value in request.header_items:
        if header.lower() == "transfer-encoding":
            continue
        key = environ_key_for_header(header)
        if header.lower().startswith("x-amz-meta-"):
            preserved[key] = header
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = preserved
    return environ
