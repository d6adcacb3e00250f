"""A hub and an instance metadata service in one small server: what the boot client and a single-user server ask."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INSTANCE = "i-0abc"
ROLE = "cloudjhub-test-worker"
METADATA_TOKEN = "token-of-metadata"
SERVER_TOKEN = "token-of-the-server"


class FakeHub(ThreadingHTTPServer):
    """``refusals`` are answered, first to last, before the environment is given. What was asked is kept."""

    daemon_threads = True

    def __init__(self, address: str, worker_address: str, refusals: list[tuple[int, dict[str, str]]]) -> None:
        super().__init__((address, 0), Handler)
        self.worker_address = worker_address
        self.refusals = refusals
        self.proofs: list[dict[str, Any]] = []
        self.given = 0
        self.set_aside = ""

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def environment(self) -> dict[str, str]:
        return {
            "JUPYTERHUB_API_TOKEN": SERVER_TOKEN,
            "JUPYTERHUB_API_URL": f"{self.url}/hub/api",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
            "JUPYTERHUB_USER": "alice",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
            "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:1/user/alice/",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=alice/"]',
            "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=alice/"]',
            "JUPYTERHUB_ACTIVITY_URL": f"{self.url}/hub/api/users/alice/activity",
        }


class Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_PUT(self) -> None:
        if self.path == f"/_imds/{INSTANCE}/latest/api/token":
            return self.answer(METADATA_TOKEN)
        return self.answer("", 404)

    def do_GET(self) -> None:
        if self.path.startswith(f"/_imds/{INSTANCE}/latest/meta-data/"):
            return self.metadata(self.path.split("/meta-data/")[1])
        if self.path.rstrip("/") == "/hub/api":
            return self.answer({"version": "6.1.1"})
        if self.path == "/hub/api/user" and self.headers.get("Authorization", "").endswith(SERVER_TOKEN):
            scopes = ["access:servers!server=alice/"]
            return self.answer(
                {"name": "alice", "kind": "user", "scopes": scopes, "groups": [], "admin": False}
            )
        return self.answer({"message": "no"}, 403)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/hub/api/cloudjhub/environment":
            return self.answer({})
        self.server.proofs.append(json.loads(body))
        if self.server.refusals:
            status, headers = self.server.refusals.pop(0)
            return self.answer({"message": "not now"}, status, **headers)
        self.server.given += 1
        aside = {"set_aside": self.server.set_aside} if self.server.set_aside else {}
        return self.answer({"env": self.server.environment(), "args": ["--allow-root"], **aside})

    def metadata(self, path: str) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != METADATA_TOKEN:
            return self.answer("", 401)
        expiration = datetime.now(UTC) + timedelta(hours=6)
        documents = {
            "instance-id": INSTANCE,
            "local-ipv4": self.server.worker_address,
            "iam/security-credentials/": ROLE,
            f"iam/security-credentials/{ROLE}": {
                "Code": "Success",
                "AccessKeyId": "AKIDEXAMPLE",
                "SecretAccessKey": "secret-key-of-the-role",
                "Token": "session-token",
                "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        }
        return self.answer(documents[path]) if path in documents else self.answer("", 404)

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests look at what was asked, not at a log."""


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve in a thread."""
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
