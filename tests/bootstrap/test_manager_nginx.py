"""nginx's configuration, read and run by nginx itself, before a small upstream that stands for the proxy."""

import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import settings as limits

from bootstrap.config.choices import Https
from bootstrap.config.settings import Manager
from bootstrap.machines import tls
from bootstrap.machines.address import hub_answers, public_url
from bootstrap.machines.certificate import Pair, self_signed
from bootstrap.machines.manager.config import CERTIFICATE, KEY, ManagerConfig
from bootstrap.machines.manager.web.nginx import nginx_conf
from tests.bootstrap.aws_in_process import emulated_aws, site_in
from tests.bootstrap.cluster_settings import managers
from tests.bootstrap.front import MISSING, NGINX, STATIC, Front, adapted, command, nginx, prepare, wait_for
from tests.bootstrap.manager_examples import config, settings
from tests.bootstrap.upstream import Upstream, upstream
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

HOST, OTHER = "127.178.0.1", "127.178.0.2"
UPLOAD = 30 * 1024 * 1024
LARGEST_FORM, LARGEST_UPLOAD = 64 * 1024, 512 * 1024 * 1024

SETTINGS = settings()
CURL = (
    bool(shutil.which("curl"))
    and "HTTP2" in subprocess.run(["curl", "-V"], capture_output=True, text=True, check=False).stdout
)

pytestmark = pytest.mark.skipif(not NGINX, reason=MISSING)


# -- the configuration


def objections(told: ManagerConfig, directory: Path) -> str:
    """What nginx says against it; "" for nothing, not even a warning."""
    file = directory / "nginx.conf"
    # nginx tries its ports, and only root may bind those below 1024.
    text = nginx_conf(told).replace("listen 80", f"listen {OTHER}:8080")
    text = re.sub(r"listen (\d{1,3})(?=[ ;])", lambda found: f"listen {1024 + int(found[1])}", text)
    file.write_text(adapted(text, directory))
    return subprocess.run(command(file, "-t", "-q"), capture_output=True, text=True, check=False).stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    prepare(directory, self_signed(HOST, False, datetime.now(UTC)))
    return directory


@limits(deadline=None)
@given(manager=managers.filter(lambda one: one.https is not Https.NONE))
def test_nginx_takes_every_configuration_without_a_warning(manager: Manager, prepared: Path) -> None:
    url = public_url(
        replace(SETTINGS, manager=manager), {"PublicAddress": "203.0.113.7", "ManagerAddress": "10.0.0.1"}
    )
    told = config(public_url=url, https=manager.https, email=manager.email, subdomains=manager.has_subdomains)
    assert objections(told, prepared) == ""


@pytest.mark.parametrize(
    "told",
    [
        config(),
        config(public_url="https://203.0.113.7:8443"),
        config(https=Https.OWN, subdomains=True),
        config(allowed_networks=[f"198.51.{n}.0/24" for n in range(50)]),
        config(https=Https.LETS_ENCRYPT, email='a"#b@hub.example'),
        config(https=Https.OWN, subdomains=True, public_url=f"https://{'.'.join(['a' * 62] * 4)}"),
    ],
)
def test_nginx_takes_what_is_at_the_edge(told: ManagerConfig, prepared: Path) -> None:
    assert objections(told, prepared) == ""


def test_nginx_does_object(prepared: Path) -> None:
    assert "invalid port" in objections(config(private_address="10.0.0.1:x"), prepared)


@pytest.mark.parametrize(
    "url", ["http://hub.example", "https://hub.example;", "https://$host", "https://a b"]
)
def test_no_host_becomes_a_directive(url: str) -> None:
    with pytest.raises(ValueError, match="is not https with the name or IPv4 address of a host"):
        nginx_conf(config(public_url=url))


def test_every_certificate_is_where_the_timer_puts_it() -> None:
    for https in (Https.OWN, Https.SELF_SIGNED, Https.LETS_ENCRYPT):
        text = nginx_conf(config(https=https))
        assert f"ssl_certificate {CERTIFICATE};" in text
        assert f"ssl_certificate_key {KEY};" in text
        assert ("acme-challenge" in text) == (https is Https.LETS_ENCRYPT)


def test_browsers_are_told_to_insist_on_https_where_the_certificate_is_known() -> None:
    assert 'Strict-Transport-Security "' not in nginx_conf(config())
    assert "max-age=31536000" in nginx_conf(config(https=Https.OWN))
    assert "includeSubDomains" not in nginx_conf(config(https=Https.OWN))
    assert "includeSubDomains" in nginx_conf(config(https=Https.OWN, subdomains=True))


# -- what passes


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp("nginx")
    with upstream(HOST) as backend, nginx(directory, HOST, backend) as front:
        wait_for(front, directory)
        yield front


@pytest.fixture(scope="module")
def with_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """hub.example and its subdomains, with a certificate of our own."""
    directory, port = tmp_path_factory.mktemp("domain"), free_port(HOST)
    told: dict[str, Any] = {
        "https": Https.OWN,
        "subdomains": True,
        "public_url": f"https://hub.example:{port}",
    }
    with upstream(HOST) as backend, nginx(directory, HOST, backend, port, **told) as front:
        until(lambda: sent(front, b"GET / HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n"))
        yield front


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Only OTHER, and the network of addresses beside it, may come."""
    directory = tmp_path_factory.mktemp("closed")
    told: dict[str, Any] = {
        "https": Https.LETS_ENCRYPT,
        "allowed_networks": ["127.178.0.8/29", f"{OTHER}/32"],
    }
    with upstream(HOST) as backend, nginx(directory, HOST, backend, **told) as front:
        wait_for(front, directory)
        yield front


def status_from(front: Front, source: str, method: str, path: str) -> tuple[int, str]:
    """Status and body of the answer to a client with this address."""
    context = ssl.create_default_context(cafile=front.trust)
    made = http.client.HTTPSConnection(
        front.host, front.https, timeout=PATIENCE, context=context, source_address=(source, 0)
    )
    with closing(made) as connection:
        connection.request(method, path, b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("source", [OTHER, "127.178.0.8", "127.178.0.15"])
def test_the_allowed_networks_come_in(source: str, closed: Front) -> None:
    for method, path in (("GET", "/hub/login"), ("POST", "/hub/login"), ("GET", "/user/ada/lab")):
        assert status_from(closed, source, method, path)[0] == 200


@pytest.mark.parametrize("source", ["127.178.0.7", "127.178.0.16", "127.0.0.1"])
def test_other_networks_get_a_page_that_says_so(source: str, closed: Front) -> None:
    for path in (
        "/", "/hub/login", "/hub/static/css/style.min.css", "/user/ada/lab", "/user/ada/api/kernels/1/channels",
        "/hub/api/users/ada", "/hub/api/users/", "/hub/api//users", "/hub/api/%75sers", "/hub/api/info",
        "/hub/api/cloudjhub/drain", "/hub/api?x=/hub/api/users", "/x?/hub/api/users", "/elsewhere.html",
    ):  # fmt: skip
        status, body = status_from(closed, source, "GET", path)
        assert (path, status) == (path, 403)
        assert "Not from this network" in body
    for path in ("/hub/login", "/hub/api/users", "/hub/api/cloudjhub/drain/x", "/user/ada/api/contents"):
        assert status_from(closed, source, "POST", path)[0] in (403, 405)


def test_the_functions_reach_the_hub_from_any_network(closed: Front) -> None:
    """What `lifecycle_app.adapters.hub` requests, and what `up` waits for; they have no address of their own."""
    for method, path in (
        ("GET", "/hub/api/"),
        ("GET", "/hub/api/users?state=active&offset=0&limit=200"),
        ("POST", "/hub/api/cloudjhub/drain"),
    ):
        assert status_from(closed, "127.0.0.1", method, path)[0] == 200


def test_lets_encrypt_validates_from_any_network(closed: Front) -> None:
    webroot = Path(closed.trust).parent / "acme/.well-known/acme-challenge"
    webroot.mkdir(parents=True)
    (webroot / "token").write_text("proof")
    found = requests.get(
        f"http://{HOST}:{closed.http}/.well-known/acme-challenge/token",
        timeout=PATIENCE,
        allow_redirects=False,
    )
    assert (found.status_code, found.text) == (200, "proof")


def get(front: Front, path: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        request = session.prepare_request(requests.Request("GET", front.url, **options))
        request.url = front.url + path  # as it is: `requests` would tidy it up
        return session.send(request, verify=front.trust, timeout=PATIENCE, allow_redirects=False)


def connected(front: Front) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=front.trust)
    plain = socket.create_connection((front.host, front.https), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname=front.host)


def sent(front: Front, request: bytes) -> bytes:
    """All that comes back until a page ends or nginx closes the connection; b"" where nothing listens yet."""
    answer = b""
    try:
        with connected(front) as connection:
            connection.sendall(request)
            while b"</html>" not in answer and (received := connection.recv(65536)):
                answer += received
    except ConnectionRefusedError:
        pass
    return answer


def test_it_says_who_asks_and_throws_away_what_the_browser_claims(served: Front) -> None:
    claims = {
        "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example",
        "X-Real-Ip": "6.6.6.6", "X-Scheme": "http", "X-Forwarded-Port": "1", "X-Forwarded-Server": "evil",
        "Forwarded": "for=6.6.6.6", "X_Forwarded_For": "6.6.6.6",
    }  # fmt: skip
    for path in ("/hub/x", "/user/ada/x"):
        seen = {name.lower(): text for name, text in get(served, path, headers=claims).json().items()}
        assert seen["x-forwarded-proto"] == "https"
        assert seen["x-forwarded-for"] == seen["x-real-ip"] == "127.0.0.1"
        assert seen["x-forwarded-host"] == seen["host"] == f"{HOST}:{served.https}"
        assert not {
            "x-scheme",
            "x-forwarded-port",
            "x-forwarded-server",
            "forwarded",
            "x_forwarded_for",
        } & set(seen)


@pytest.mark.parametrize(
    "path", ["/hub/x", "/user/ada/x", "/hub/static/css/style.min.css", "/hub/static/none", "/?status=500"]
)
def test_answers_carry_the_security_headers(path: str, served: Front, with_domain: Front) -> None:
    headers = get(served, path + ("&" if "?" in path else "?") + "Referrer-Policy=unsafe-url").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Server"] == "nginx" or "Python" in headers["Server"]
    assert "Strict-Transport-Security" not in headers
    request = f"GET {path} HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n"
    answer = sent(with_domain, request.encode())
    assert b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n" in answer


@pytest.mark.parametrize(
    ("path", "status", "caching"),
    [
        ("css/style.min.css?v=abc", 200, "max-age=31536000, immutable"),
        ("css/style.min.css", 200, "no-cache"),
        ("css/none.css?v=abc", 404, "no-store"),
        ("css", 404, "no-store"),
        ("css/", 404, "no-store"),
    ],
)
def test_jupyterhubs_static_files_do_not_trouble_the_hub(
    path: str, status: int, caching: str, served: Front
) -> None:
    answer = get(served, f"/hub/static/{path}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, caching)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if status == 200:
        assert answer.text == (STATIC / "css/style.min.css").read_text()
        assert answer.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("up", ["..", "%2e%2e", "..%2f..", "....//"])
def test_no_path_leads_out_of_the_static_files(up: str, served: Front) -> None:
    answer = get(served, f"/hub/static/{up}/{up}/{up}/bin/jupyterhub")
    assert answer.status_code in (400, 404)


def test_static_files_come_compressed_to_those_who_take_it_and_pages_never(served: Front) -> None:
    """The hub's pages hold secrets, whose length in a compressed page would betray them."""

    def coding(path: str, accepted: str) -> str:
        answer = get(served, path, headers={"Accept-Encoding": accepted})
        return answer.headers.get("Content-Encoding", "")

    assert coding("/hub/static/css/style.min.css", "identity") == ""
    assert coding("/hub/static/css/style.min.css", "gzip") == "gzip"
    filler = "x" * 2000
    css = f"?Content-Type=text/css&X={filler}"
    assert coding(f"/user/ada/static/lab/main.css{css}", "gzip") == "gzip"
    assert coding(f"/user/ada/lab{css}", "gzip") == ""
    assert coding(f"/hub/home{css}", "gzip") == ""


def test_http_is_redirected(served: Front) -> None:
    answer = requests.get(
        f"http://{HOST}:{served.http}/hub/login?next=%2F", allow_redirects=False, timeout=PATIENCE
    )
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{served.url}/hub/login?next=%2F"


def test_http_at_the_https_port_is_redirected_too(served: Front) -> None:
    answer = requests.get(f"http://{HOST}:{served.https}/hub/login", allow_redirects=False, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{served.url}/hub/login")


@pytest.mark.parametrize("host", ["evil.example", "", "hub.example.evil.example", OTHER])
def test_other_hosts_are_refused(host: str, served: Front, with_domain: Front) -> None:
    request = f"GET /hub/login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    for front in (served, with_domain):
        assert sent(front, request).split()[1] in (b"421", b"400")
    for path in ("/hub/login", "/.well-known/acme-challenge/x"):
        answer = requests.get(
            f"http://{HOST}:{served.http}{path}",
            headers={"Host": host or "x"},
            allow_redirects=False,
            timeout=PATIENCE,
        )
        assert answer.status_code == 421


def test_a_host_in_the_request_line_counts_and_not_the_header(served: Front) -> None:
    request = f"GET https://evil.example/hub/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    assert sent(served, request.encode()).split()[1] == b"421"


@pytest.mark.parametrize(
    ("host", "passes"), [("hub.example", True), ("ada.hub.example", True), ("example", False)]
)
def test_subdomains_are_served(host: str, passes: bool, with_domain: Front) -> None:
    request = f"GET /user/ada/ HTTP/1.1\r\nHost: {host}:{with_domain.https}\r\nConnection: close\r\n\r\n"
    answer = sent(with_domain, request.encode())
    assert (f'"Host": "{host}:{with_domain.https}"'.encode() in answer) == passes
    assert answer.split()[1] == (b"200" if passes else b"421")


@pytest.mark.parametrize(
    "path",
    [
        "//evil/user/ada/",
        "/\\evil/user/ada/",
        "/hub/../user/ada/",
        "/user/ada/%2e%2e/bob/",
        "/user/./ada",
        "/user/.%2E",
        "/hub/api/authorizations/token/..%2f..%2F..%2f..%2fuser%2fx",
        "/user/ada/%2e%2E%2f%2e%2e/hub/login",
        "/%ff",
        "/user/ada/%C3",
        "/user/ada/%ed%a0%80",
        "/user/ada/%c0%ae",
    ],
)
def test_paths_that_the_proxy_would_read_in_another_way_are_refused(path: str, served: Front) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    assert sent(served, request.encode()).split()[1] == b"400"


@pytest.mark.parametrize(
    "path",
    [
        "/user/ada/files/..a/b..c/.hidden",
        "/user/a%40b/files/%5C",
        "/user/ada/x?next=//y/../z",
        "/user/ada//x",
        "/user/z%C3%B6e%20%F0%9F%98%80/%E2%82%AC/a%2Fb..%2F.c",
    ],
)
def test_other_paths_pass_as_they_are(path: str, served: Front) -> None:
    assert get(served, path).status_code == 200


def test_websockets_pass(served: Front) -> None:
    for upgrade, passes in (("websocket", True), ("WebSocket", True), ("h2c", False)):
        with connected(served) as connection:
            connection.sendall(
                f"GET /user/ada/ws HTTP/1.1\r\nHost: {HOST}:{served.https}\r\nUpgrade: {upgrade}\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
            )
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(4096)
            assert (b"101 Switching Protocols" in answer) == passes
            if not passes:
                continue
            connection.sendall(b"hello")
            while b"HELLO" not in answer:
                received = connection.recv(4096)
                assert received
                answer += received


@pytest.mark.parametrize("path", ["/hub/refuses", "/user/ada/refuses"])
def test_no_request_waits_on_a_connection_whose_upgrade_the_proxy_refused(path: str, served: Front) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{served.https}\r\n{upgrade}\r\n\r\n".encode()
    # nginx keeps connections for each of its processes, and any of them may get the next request.
    for _ in range(10):
        with connected(served) as connection:
            connection.sendall(request)
            connection.settimeout(5)
            assert b" 500" in connection.recv(4096)


@pytest.mark.parametrize("path", ["/hub/api/users/ada/server/progress", "/user/ada/stream"])
def test_what_comes_bit_by_bit_is_passed_on_bit_by_bit(path: str, served: Front) -> None:
    Upstream.goes_on.clear()
    with requests.get(served.url + path, verify=served.trust, timeout=PATIENCE, stream=True) as answer:
        assert answer.raw.read(5) == b"first"
        Upstream.goes_on.set()
        assert answer.raw.read(5) == b"later"


# -- what does not


def test_uploads_are_passed_on_at_once_and_those_for_the_hub_whole(served: Front) -> None:
    """The hub holds no request in memory whose end is not there yet."""
    for path, arrives in (("/user/ada/api/contents/x", True), ("/hub/login", False)):
        Upstream.received = 0
        with connected(served) as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2000\r\nConnection: close\r\n\r\n".encode()
                + b"x" * 1000
            )
            if arrives:
                until(lambda: Upstream.received == 1000)
            assert Upstream.received == (1000 if arrives else 0)
            connection.sendall(b"x" * 1000)
            assert b'"received": 2000' in b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/hub/login", LARGEST_FORM, 200),
        ("/hub/login", LARGEST_FORM + 1, 413),
        ("/", LARGEST_FORM + 1, 413),
        ("/hub/api/users/ada/servers/x/progress", LARGEST_FORM + 1, 413),
        ("/hub%2Flogin", LARGEST_FORM + 1, 413),
        ("/user/ada/api/contents/x", UPLOAD, 200),
        ("/user/ada/api/contents/x", LARGEST_UPLOAD + 1, 413),
    ],
)
def test_bodies_are_as_large_as_the_hub_and_the_users_servers_take(
    path: str, size: int, status: int, served: Front
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()
    answer = sent(served, head + (b"x" * size if status == 200 else b""))
    assert int(answer.split()[1]) == status
    assert (f'"received": {size}'.encode() in answer) == (status == 200)
    assert (b"<h1>Too large</h1>" in answer) == (status == 413)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl, which speaks HTTP/2, is not installed")
@pytest.mark.parametrize(
    ("path", "options", "status", "words"),
    [
        ("/hub/x", ["--header", "X-Forwarded-For: 6.6.6.6"], 200, '"X-Forwarded-For": "127.0.0.1"'),
        ("/hub/x", ["--header", "Host: evil.example"], 421, "Misdirected"),
        ("/hub/login", ["--data", "x" * (LARGEST_FORM + 1)], 413, "<h1>Too large</h1>"),
        ("//x/user/ada/", ["--path-as-is"], 400, "Bad Request"),
    ],
)
def test_http_2_changes_nothing(
    path: str, options: list[str], status: int, words: str, served: Front
) -> None:
    asked = [
        "curl",
        "--silent",
        "--http2",
        "--include",
        "--cacert",
        served.trust,
        *options,
        served.url + path,
    ]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert answer.startswith(f"HTTP/2 {status}")
    assert words in answer


def test_a_body_without_a_length_is_measured_too(served: Front) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = (
        f"POST /hub/login HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    assert sent(served, head.encode() + chunk + b"1\r\nx\r\n0\r\n\r\n").split()[1] == b"413"


@pytest.mark.parametrize(
    ("count", "size", "status"), [(1, 15_000, 200), (1, 17_000, 400), (3, 12_000, 400), (4000, 10, 400)]
)
def test_headers_have_a_size_in_all(count: int, size: int, status: int, served: Front) -> None:
    headers = "".join(f"X-{number}: {'x' * size}\r\n" for number in range(count))
    request = f"GET /hub/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\r\n"
    assert sent(served, request.encode()).split()[1] == str(status).encode()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front that waits for a second only, and takes one request at once, and four logins."""
    directory = tmp_path_factory.mktemp("impatient")
    changes = {
        "client_header_timeout 20s": "client_header_timeout 1s",
        "client_body_timeout 20s": "client_body_timeout 1s",
        "limit_conn connections 4096": "limit_conn connections 2",
        "zone=attempts burst=1000": "zone=attempts burst=3",
        "rate=50r/s": "rate=1r/m",
    }
    with upstream(HOST) as backend, nginx(directory, HOST, backend, changes=changes) as front:
        wait_for(front, directory)
        yield front


def test_slow_headers_are_cut(impatient: Front) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /hub/login HTTP/1.1\r\nHost: ")
        assert connection.recv(4096) == b""


@pytest.mark.parametrize("path", ["/hub/spawn", "/user/ada/api/contents/x"])
def test_slow_bodies_are_cut(path: str, impatient: Front) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nx"
    answer = sent(impatient, request.encode())
    assert answer == b"" or answer.split()[1] == b"408"


def test_connections_are_limited_by_address(impatient: Front) -> None:
    Upstream.goes_on.clear()
    streams = [
        requests.get(
            f"{impatient.url}/user/ada/stream", verify=impatient.trust, timeout=PATIENCE, stream=True
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in streams] == [200, 200]
    assert get(impatient, "/hub/x").status_code == 429
    Upstream.goes_on.set()
    for one in streams:
        one.close()
    until(lambda: get(impatient, "/hub/x").status_code == 200)


ATTEMPTS = [
    ("POST", "/hub/login"), ("POST", "/hub/signup"), ("POST", "/hub//login/"), ("POST", "/hub/change-password/ada"),
    ("POST", "/hub/api/users/ada/tokens"), ("POST", "/hub/token"), ("GET", "/hub/oauth_login"),
    ("GET", "/hub/oauth_callback"), ("GET", "/hub/api/oauth2/authorize"), ("POST", "/hub/api/oauth2/token"),
    ("PUT", "/hub/%6cogin"),
]  # fmt: skip


def test_logins_and_their_kind_have_a_rate_by_address_and_nothing_else(impatient: Front) -> None:
    def ask(method: str, path: str) -> requests.Response:
        return requests.request(
            method,
            impatient.url + path,
            data="x" if method != "GET" else None,
            verify=impatient.trust,
            timeout=PATIENCE,
        )

    first = [ask("POST", "/hub/login").status_code for _ in range(8)]
    assert first[:4] == [200] * 4
    assert first[4:] == [429] * 4
    for method, path in ATTEMPTS:
        refused = ask(method, path)
        assert refused.status_code == 429, path
    assert "<h1>Too many requests</h1>" in refused.text
    assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("5", "no-store")
    for method, path in (
        ("GET", "/hub/login"),
        ("GET", "/hub/token"),
        ("POST", "/hub/spawn"),
        ("POST", "/user/ada/login"),
    ):
        assert ask(method, path).status_code in (200, 501), path


def test_all_requests_to_the_hub_have_a_rate_by_address_and_those_to_servers_have_none(
    tmp_path: Path,
) -> None:
    changes = {"rate=300r/s": "rate=1r/m", "zone=requests burst=3000": "zone=requests burst=20"}
    with upstream(HOST) as backend, nginx(tmp_path, HOST, backend, changes=changes) as front:
        wait_for(front, tmp_path)
        statuses = [get(front, "/hub/x").status_code for _ in range(25)]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 429}
        for path in ("/user/ada/x", "/hub/static/css/style.min.css"):
            assert {get(front, path).status_code for _ in range(25)} == {200}


def test_a_class_behind_one_address_logs_in_within_a_few_seconds(served: Front) -> None:
    with ThreadPoolExecutor(8) as pool, requests.Session() as session:

        def log_in(_: int) -> int:
            return session.post(
                f"{served.url}/hub/login", data="x", verify=served.trust, timeout=PATIENCE
            ).status_code

        assert set(pool.map(log_in, range(1000))) == {200}


# -- what a user's server may not say


@pytest.mark.parametrize(
    ("cookie", "passed"),
    [
        ("a=b", "a=b"),
        ("a=b; Path=/user/ada/; HttpOnly", "a=b; Path=/user/ada/; HttpOnly"),
        ("a=b; Path=/user/ada/project/", "a=b; Path=/user/ada/project/"),
        ("a=b; Path=/", "a=b; Path=/user/ada/"),
        ("a=b; path=/hub/; Secure", "a=b; path=/user/ada/; Secure"),
        ("a=b; Path=/user/ada", "a=b; Path=/user/ada/"),
        ("a=b; Path=/user/ada2/", "a=b; Path=/user/ada/"),
        ("a=b; Path=/user/ada/; Path=/", "a=b; Path=/user/ada/; Path=/user/ada/"),
        (f"a=b; Domain={HOST}", f"a=b; Domain={HOST}"),
        ("a=b; domain=example; Path=/", f"a=b; domain={HOST}; Path=/user/ada/"),
    ],
)
def test_a_server_sets_cookies_for_its_own_path_only(cookie: str, passed: str, served: Front) -> None:
    answer = requests.get(
        f"{served.url}/user/ada/x", params={"Set-Cookie": cookie}, verify=served.trust, timeout=PATIENCE
    )
    assert answer.headers["Set-Cookie"] == passed


def test_the_hub_sets_cookies_for_all_paths(served: Front) -> None:
    assert get(served, "/hub/x?Set-Cookie=a%3Db%3B%20Path%3D/").headers["Set-Cookie"] == "a=b; Path=/"


@pytest.mark.parametrize("path", ["/user/ada/sw.js", "/user/ada/static/sw.js", "/services/one/sw.js"])
@pytest.mark.parametrize("name", ["Service-Worker-Allowed", "Clear-Site-Data", "Alt-Svc", "NEL", "Report-To"])
def test_no_server_speaks_for_the_whole_host(name: str, path: str, served: Front) -> None:
    assert name not in get(served, f"{path}?{name}=/").headers


@pytest.mark.parametrize("cookie", ["a=b;\tPath=/", "a=b; Path\t=/"])
def test_nginx_does_not_see_an_attribute_with_a_tab(cookie: str, served: Front) -> None:
    """A browser does. docs/security.md says so: what is done here lessens what a shared origin allows, no more."""
    answer = requests.get(
        f"{served.url}/user/ada/x", params={"Set-Cookie": cookie}, verify=served.trust, timeout=PATIENCE
    )
    assert answer.headers["Set-Cookie"] == cookie


def test_on_its_own_host_a_server_has_every_path_but_no_other_host(with_domain: Front) -> None:
    request = (
        "GET /user/ada/?Set-Cookie=a%3Db%3B%20Domain%3Dhub.example%3B%20Path%3D/ HTTP/1.1\r\nHost: ada.hub.example\r\n"
        "Connection: close\r\n\r\n"
    )
    assert b"Set-Cookie: a=b; Domain=ada.hub.example; Path=/\r\n" in sent(with_domain, request.encode())


# -- without a hub


def test_without_a_proxy_there_is_a_page_that_tries_again(tmp_path: Path) -> None:
    port = free_port(HOST)
    with nginx(tmp_path, HOST, f"{HOST}:{port}") as front:
        until(lambda: sent(front, b"GET / HTTP/1.0\r\n\r\n"))
        for path in ("/hub/login", "/user/ada/lab?token=s3cret"):
            answer = get(front, path)
            assert answer.status_code == 503
            assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("5", "no-store")
            assert answer.headers["Content-Type"] == "text/html"
            assert "<h1>The hub is starting</h1>" in answer.text
            assert '<meta http-equiv="refresh" content="5">' in answer.text
            assert "color-scheme: light dark" in answer.text
        assert "s3cret" not in (tmp_path / "log").read_text()
        with upstream(HOST, port):
            assert get(front, "/hub/login").status_code == 200


def test_the_proxy_gets_the_hubs_error_page_or_ours_without_a_hub(tmp_path: Path) -> None:
    hub = f"{HOST}:{free_port(HOST)}"
    with nginx(tmp_path, HOST, f"{HOST}:1", hub=hub) as front:
        until(lambda: sent(front, b"GET / HTTP/1.0\r\n\r\n"))

        def page() -> tuple[int, str]:
            with closing(http.client.HTTPConnection(front.errors, timeout=PATIENCE)) as connection:
                connection.request("GET", "/hub/error/503?url=/user/ada&status=503")
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        assert page()[0] == 503
        assert "<h1>The hub is starting</h1>" in page()[1]
        with upstream(HOST, int(hub.rpartition(":")[2])):
            assert '"Host":' in page()[1]


def test_the_hub_is_known_by_its_certificate_alone(served: Front) -> None:
    other = self_signed(HOST, False, datetime.now(UTC))
    assert hub_answers(served.url, served.pair) == ""
    assert "another certificate" in hub_answers(served.url, other)
    assert "not trusted" in hub_answers(served.url, None)
    assert hub_answers(f"https://{HOST}:{served.https}", served.pair, address=HOST) == ""
    assert "nothing listens" in hub_answers(f"https://{HOST}:{free_port(HOST)}", served.pair)


def test_a_rotated_certificate_ends_the_old_one(tmp_path: Path) -> None:
    """`secrets rotate tls`, as nginx shows the pair and as the functions and the operator's commands trust it."""
    with emulated_aws():
        site = site_in(tmp_path, "manager: {domain: hub.example.org, https: self-signed}\n")
        tls.rotate(site, datetime.now(UTC))
        old = tls.stored(site)
        tls.rotate(site, datetime.now(UTC))
        new = tls.stored(site)
    assert old is not None
    assert new is not None
    port, directory = free_port(HOST), tmp_path / "nginx"
    url = f"https://hub.example.org:{port}"
    with (
        upstream(HOST) as behind,
        nginx(directory, HOST, behind, port, is_named=True, public_url=url) as front,
    ):
        until(lambda: not hub_answers(url, front.pair, HOST), "nginx")
        for shown, other in ((old, new), (new, old)):
            prepare(directory, shown)
            front.process.send_signal(signal.SIGHUP)
            until(partial(is_known_by, shown, url), "the certificate that it shows now")
            until(partial(is_refused_by, other, url), "the end of the other one")


def is_known_by(pair: Pair, url: str) -> bool:
    return hub_answers(url, pair, HOST) == ""


def is_refused_by(pair: Pair, url: str) -> bool:
    return "certificate" in hub_answers(url, pair, HOST)
