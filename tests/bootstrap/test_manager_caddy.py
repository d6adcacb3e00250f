"""The Caddyfile, read and run by Caddy itself: HTTPS, redirect, headers, WebSockets, uploads."""

import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from bootstrap.config.choices import Https
from bootstrap.machines.address import hub_answers
from bootstrap.machines.certificate import self_signed
from bootstrap.machines.manager.config import CERTIFICATE, KEY, ManagerConfig
from bootstrap.machines.manager.services import caddyfile
from tests.bootstrap.front import CADDY, STATIC, Front, caddy, wait_for
from tests.bootstrap.manager_examples import config
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

HOST = "127.178.0.1"
UPLOAD = 30 * 1024 * 1024

pytestmark = pytest.mark.skipif(not CADDY, reason="Caddy is not installed")


@pytest.mark.parametrize(
    "told",
    [
        config(),
        config(public_url="https://203.0.113.7:8443"),
        config(https=Https.OWN, subdomains=True),
        config(https=Https.LETS_ENCRYPT, email="me@hub.example"),
        config(https=Https.LETS_ENCRYPT, email='a"#b@hub.example'),
        config(https=Https.LETS_ENCRYPT),
    ],
)
def test_caddy_understands_it_without_a_warning(told: ManagerConfig, tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(caddyfile(told))
    command = [CADDY, "adapt", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    servers = json.loads(run.stdout)["apps"]["http"]["servers"].values()
    port = told.public_url.rpartition(":")[2]
    assert {one["listen"][0] for one in servers} == {f":{port if port.isdigit() else 443}", ":80"}


def test_only_lets_encrypt_has_caddy_fetch_a_certificate() -> None:
    assert "email me@x.example" in caddyfile(config(https=Https.LETS_ENCRYPT, email="me@x.example"))
    assert "tls /" not in caddyfile(config(https=Https.LETS_ENCRYPT))
    assert "email" not in caddyfile(config(https=Https.LETS_ENCRYPT))
    with pytest.raises(ValueError, match="braces"):
        caddyfile(config(https=Https.LETS_ENCRYPT, email="{$HOME}@x.example"))
    for https in (Https.OWN, Https.SELF_SIGNED):
        assert f"tls {CERTIFICATE} {KEY}" in caddyfile(config(https=https))


def test_browsers_are_told_to_insist_on_https_where_the_certificate_is_known() -> None:
    assert "Strict-Transport-Security" not in caddyfile(config())
    assert "max-age=31536000" in caddyfile(config(https=Https.OWN))
    assert "includeSubDomains" not in caddyfile(config(https=Https.OWN))
    assert "includeSubDomains" in caddyfile(config(https=Https.OWN, subdomains=True))


def test_subdomains_are_served_and_redirected() -> None:
    text = caddyfile(config(https=Https.OWN, subdomains=True))
    assert "https://hub.example, https://*.hub.example {" in text
    assert "http://hub.example, http://*.hub.example {" in text


class Backend(http.server.BaseHTTPRequestHandler):
    """Stands for the proxy: shows the headers it gets, counts uploads, echoes a WebSocket's first bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            )
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
            return
        self._answer(dict(self.headers))

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        # As a server that has a file to write. Caddy breaks an answer off that comes within microseconds of the last
        # byte: Go's server closes the body then, from which Go's client still wants to read that it has ended.
        time.sleep(0.05)
        self._answer({"received": self.headers["Content-Length"]})

    def _answer(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp("caddy")
    backend = http.server.ThreadingHTTPServer((HOST, 0), Backend)
    thread = threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with caddy(directory, HOST, f"{HOST}:{backend.server_port}") as front:
            wait_for(front, directory)
            yield front
    finally:
        backend.shutdown()
        backend.server_close()
        thread.join()


def test_it_says_who_asks_and_throws_away_what_the_browser_claims(served: Front) -> None:
    claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    seen = requests.get(f"{served.url}/x", headers=claims, verify=served.trust, timeout=PATIENCE).json()
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Forwarded-For"].startswith("127.")
    assert seen["X-Forwarded-Host"] == f"{HOST}:{served.https}"
    assert seen["Host"] == f"{HOST}:{served.https}"


def test_answers_carry_the_security_headers(served: Front) -> None:
    headers = requests.get(served.url, verify=served.trust, timeout=PATIENCE).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "Server" not in headers


@pytest.mark.parametrize(
    ("path", "status", "caching"),
    [
        ("css/style.min.css?v=abc", 200, "max-age=31536000, immutable"),
        ("css/style.min.css", 200, "no-cache"),
        ("css/none.css?v=abc", 404, "no-store"),
        ("css/", 404, "no-store"),
    ],
)
def test_jupyterhubs_static_files_do_not_trouble_the_hub(
    path: str, status: int, caching: str, served: Front
) -> None:
    answer = requests.get(f"{served.url}/hub/static/{path}", verify=served.trust, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, caching)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers
    if status == 200:
        assert answer.text == (STATIC / "css/style.min.css").read_text()
        assert answer.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("up", ["..", "%2e%2e", "..%2f..", "....//"])
def test_no_path_leads_out_of_the_static_files(up: str, served: Front) -> None:
    request = requests.Request("GET", served.url).prepare()
    request.url = f"{served.url}/hub/static/{up}/{up}/{up}/bin/jupyterhub"
    with requests.Session() as session:
        answer = session.send(request, verify=served.trust, timeout=PATIENCE)
    assert answer.status_code == 404 or "X-Forwarded-Proto" in answer.json(), "the hub answers"


def test_static_files_come_compressed_to_those_who_take_it(served: Front) -> None:
    sizes = [
        len(
            requests.get(
                f"{served.url}/hub/static/css/style.min.css",
                headers={"Accept-Encoding": coding},
                verify=served.trust,
                timeout=PATIENCE,
                stream=True,
            ).raw.read()
        )
        for coding in ("identity", "gzip")
    ]
    assert sizes[1] < sizes[0] / 4


def test_http_is_redirected(served: Front) -> None:
    answer = requests.get(
        f"http://{HOST}:{served.http}/hub/login?next=%2F", allow_redirects=False, timeout=PATIENCE
    )
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/hub/login?next=%2F")
    assert answer.headers["Location"].startswith("https://")


def test_websockets_pass(served: Front) -> None:
    context = ssl.create_default_context(cafile=served.trust)
    with (
        socket.create_connection((HOST, served.https), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {HOST}:{served.https}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        assert b"101 Switching Protocols" in answer
        connection.sendall(b"hello")
        while b"HELLO" not in answer:
            received = connection.recv(4096)
            assert received
            answer += received


def test_uploads_have_no_limit(served: Front) -> None:
    answer = requests.post(served.url, data=b"x" * UPLOAD, verify=served.trust, timeout=PATIENCE)
    assert answer.json() == {"received": str(UPLOAD)}


def test_the_hub_is_known_by_its_certificate_alone(served: Front) -> None:
    other = self_signed(HOST, False, datetime.now(UTC))
    assert hub_answers(served.url, served.pair) == ""
    assert "another certificate" in hub_answers(served.url, other)
    assert "not trusted" in hub_answers(served.url, None)
    assert hub_answers(f"https://{HOST}:{served.https}", served.pair, address=HOST) == ""
    assert "nothing listens" in hub_answers(f"https://{HOST}:{free_port(HOST)}", served.pair)
