"""nginx, the proxy and the hub together, as on a manager with a domain: each user has an origin of their own."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from bootstrap.aws import secrets as rotated
from bootstrap.aws.secrets import MAKERS
from bootstrap.config.choices import Https
from bootstrap.local import localhost
from tests.bootstrap.front import MISSING, NGINX, Front, nginx
from tests.hub.accounts import PASSWORD, code, set_users, with_authenticators
from tests.hub.emulated import CLUSTER, Emulated
from tests.hub.machine import Machine, boot
from tests.shared import hostile
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.198"
DOMAIN = "hub.localhost"
pytestmark = pytest.mark.skipif(not NGINX, reason=MISSING)


@dataclass(frozen=True)
class Scene:
    hub: Emulated
    front: Front
    port: int

    def url(self, host: str = DOMAIN) -> str:
        return f"https://{host}:{self.port}"

    def client(self) -> requests.Session:
        """A browser: names below localhost are this machine's."""
        made = localhost.session()
        made.trust_env, made.verify = False, self.front.trust
        return made

    def member(self, name: str) -> requests.Session:
        """A browser in which this user has signed up and logged in."""
        sign_up(self, name, code(self.hub, name))
        browser = self.client()
        page = f"{self.url()}/hub/login"
        browser.get(page, timeout=PATIENCE).raise_for_status()
        form = {"username": name, "password": PASSWORD, "_xsrf": xsrf(browser)}
        answer = browser.post(page, data=form, timeout=PATIENCE, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        return browser


def xsrf(browser: requests.Session) -> str:
    return next(one.value or "" for one in browser.cookies if one.name == "_xsrf")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    localhost.resolve()
    directory = tmp_path_factory.mktemp("front")
    with with_authenticators(directory, NETWORK) as hub:
        set_users(hub, {"users": {"ada": {}, "eve": {}, "late": {}, "boss": {"admin": True}}})
        port = free_port("127.0.0.1")
        told: dict[str, Any] = {"public_url": f"https://{DOMAIN}:{port}", "subdomains": True}
        host, _, behind = hub.proxy_url.rpartition("/")[2].partition(":")
        with nginx(
            directory / "nginx",
            "127.0.0.1",
            f"{host}:{behind}",
            port,
            hub=f"{hub.hub_address}:8081",
            is_named=True,
            https=Https.OWN,
            **told,
        ) as front:
            hub.proxy_at = hub.public_url
            hub.start_proxy("--host-routing")
            hub.config |= told
            hub.config["login"] = {"authenticator": "native", "options": {}, "allow_all": False}
            hub.start_hub()
            found = Scene(hub, front, port)
            until(lambda: answers(found), "the hub behind nginx and proxy")
            yield found


def answers(scene: Scene) -> bool:
    try:
        return scene.client().get(f"{scene.url()}/hub/health", timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture
def mallory(scene: Scene) -> Iterator[tuple[requests.Session, Machine]]:
    """A user whose server says what a hostile one can; and the user's browser."""
    browser = scene.member("eve")
    browser.get(f"{scene.url()}/hub/spawn", timeout=PATIENCE)
    machines: list[Machine] = []
    machine = boot(scene.hub, "eve", machines)
    machine.pages = lambda path: hostile.answer(path, DOMAIN)
    until(
        lambda: "Harmless" in browser.get(f"{eves(scene)}/user/eve/x", timeout=PATIENCE).text, "eve's server"
    )
    yield browser, machine
    machine.close()


def eves(scene: Scene) -> str:
    return scene.url(f"eve.{DOMAIN}")


def test_hub_and_users_have_origins_of_their_own(
    scene: Scene, mallory: tuple[requests.Session, Machine]
) -> None:
    browser, _ = mallory
    home = browser.get(f"{scene.url()}/hub/home", timeout=PATIENCE, allow_redirects=False)
    assert (home.status_code, home.headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert "max-age=" in home.headers["Strict-Transport-Security"]
    assert "frame-ancestors 'none'" in home.headers["Content-Security-Policy"]
    logins = [one for one in browser.cookies if "hub-login" in one.name and one.value != "tossed"]
    assert [one.name for one in logins] == ["__Host-jupyterhub-hub-login"]
    # The server is reached under its own host only, and the hub under its own.
    assert (
        "Harmless"
        not in browser.get(f"{scene.url()}/user/eve/x", timeout=PATIENCE, allow_redirects=False).text
    )
    ours = browser.get(f"{eves(scene)}/hub/home", timeout=PATIENCE, allow_redirects=False)
    assert (ours.status_code, ours.headers["Location"]) == (302, f"{scene.url()}/hub/home")
    other = scene.url(f"ada.{DOMAIN}")
    assert "Harmless" not in browser.get(f"{other}/user/eve/x", timeout=PATIENCE, allow_redirects=False).text
    foreign = browser.get(f"{scene.url()}/hub/home", headers={"Host": "evil.example"}, timeout=PATIENCE)
    assert foreign.status_code == 421


def test_a_hostile_server_speaks_for_its_own_host_only(
    scene: Scene, mallory: tuple[requests.Session, Machine]
) -> None:
    browser, _ = mallory
    page = browser.get(f"{eves(scene)}/user/eve/x", timeout=PATIENCE)
    assert "Harmless" in page.text
    assert "Service-Worker-Allowed" not in page.headers
    tossed = [one for one in browser.cookies if one.value == "tossed"]
    assert tossed, "it may set cookies"
    assert {one.domain.lstrip(".") for one in tossed} == {f"eve.{DOMAIN}"}
    # A page there can send what it likes with a right token: the browser names its origin.
    claims = {"Sec-Fetch-Site": "same-site", "Origin": eves(scene), "X-XSRFToken": xsrf(browser)}
    token = browser.post(f"{scene.url()}/hub/api/users/eve/tokens", headers=claims, json={}, timeout=PATIENCE)
    assert token.status_code == 403


def test_what_a_browser_claims_reaches_neither_hub_nor_server(scene: Scene) -> None:
    claims = {
        "X-Forwarded-For": "198.51.100.66",
        "X-Real-Ip": "198.51.100.66",
        "X-Forwarded-Host": "evil.example",
    }
    answer = scene.client().get(f"{scene.url()}/hub/", headers=claims, timeout=PATIENCE)
    assert answer.url.startswith(scene.url())
    assert "198.51.100.66" not in scene.hub.log("hub")
    assert "evil.example" not in answer.text + str(answer.history)


def test_a_socket_passes_through_to_the_users_own_host_alone(
    scene: Scene, mallory: tuple[requests.Session, Machine]
) -> None:
    """Its answer is the server's; the hub's host does not know the path."""
    assert upgraded(scene, f"eve.{DOMAIN}") == b"200", "this server has no sockets, but it is asked"
    assert upgraded(scene, DOMAIN) != b"200"


def upgraded(scene: Scene, host: str) -> bytes:
    """The status of a request for a socket at a path of eve's server."""
    context = ssl.create_default_context(cafile=scene.front.trust)
    with (
        socket.create_connection(("127.0.0.1", scene.port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as peer,
    ):
        lines = (
            "GET /user/eve/x HTTP/1.1",
            f"Host: {host}:{scene.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return peer.recv(1000).split()[1]


def test_a_rotated_proxy_token_and_sign_up_key_end_the_old_ones(scene: Scene) -> None:
    """As proxy and hub of the new manager find them; a browser that was logged in still is."""
    ada, old, old_code = scene.member("ada"), dict(scene.hub.secrets), code(scene.hub, "late")
    assert routes(scene, old["hub/proxy-token"]) == 200
    ssm = scene.hub.client("ssm")
    for name in ("hub/proxy-token", "hub/sign-up-key"):
        scene.hub.secrets[name] = MAKERS[name]()
        rotated.put(ssm, CLUSTER, name, scene.hub.secrets[name])
    scene.hub.start_proxy("--host-routing")
    scene.hub.start_hub()
    until(lambda: answers(scene), "hub and proxy with their new secrets")
    assert routes(scene, old["hub/proxy-token"]) == 403
    assert routes(scene, scene.hub.secrets["hub/proxy-token"]) == 200
    assert ada.get(f"{scene.url()}/hub/home", timeout=PATIENCE, allow_redirects=False).status_code == 200
    assert sign_up(scene, "late", old_code) == 400
    assert sign_up(scene, "late", code(scene.hub, "late")) == 200


def routes(scene: Scene, token: str) -> int:
    """The status of a question for the proxy's routes."""
    url = f"http://{scene.hub.hub_address}:8001/api/routes"
    return requests.get(url, headers={"Authorization": f"token {token}"}, timeout=PATIENCE).status_code


def sign_up(scene: Scene, name: str, told: str) -> int:
    browser = scene.client()
    page = f"{scene.url()}/hub/signup"
    browser.get(page, timeout=PATIENCE).raise_for_status()
    form = {
        "username": name,
        "code": told,
        "signup_password": PASSWORD,
        "signup_password_confirmation": PASSWORD,
        "_xsrf": xsrf(browser),
    }
    return browser.post(page, data=form, timeout=PATIENCE).status_code
