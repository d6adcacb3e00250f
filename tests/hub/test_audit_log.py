"""The audit log of the real hub: which events leave a line, and what is in it."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from jupyterhub import apihandlers, handlers
from jupyterhub.log import _scrub_uri
from tornado.web import RequestHandler

from hub.config.settings import AUDIT_VARIABLE
from hub.login.account_pages import account_routes
from hub.pages.handlers import routes
from tests.hub.accounts import PASSWORD, Account, code, set_users, start, with_authenticators
from tests.hub.audit_socket import AuditSocket
from tests.hub.emulated import Emulated
from tests.hub.machine import Machine
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.194"
NEW = "another horse battery"
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
PEOPLE: dict[str, dict[str, bool]] = {"alice": {}, "bert": {}, "boss": {"admin": True}}


@pytest.fixture(scope="module")
def journal() -> Iterator[AuditSocket]:
    found = AuditSocket()
    yield found
    found.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, journal: AuditSocket) -> Iterator[Emulated]:
    """A hub whose audit log goes to `journal`."""
    with with_authenticators(tmp_path_factory.mktemp("audit"), NETWORK) as found:
        set_users(found, {"users": PEOPLE})
        start(found, "native", {}, **{AUDIT_VARIABLE: str(journal.path)})
        yield found


def member(hub: Emulated, name: str, password: str = PASSWORD) -> Account:
    browser = Account(hub.public_url)
    browser.sign_up(name, code(hub, name), password)
    assert browser.log_in(name, password).status_code == 302
    return browser


Told = tuple[str, str, str, str]


class Since:
    """The events after its making."""

    def __init__(self, journal: AuditSocket) -> None:
        self._journal = journal
        self._before = len(journal.events())

    def events(self) -> list[dict[str, str]]:
        return self._journal.events()[self._before :]

    def said(self) -> list[Told]:
        """Actor, action, target, outcome."""
        return [(one["actor"], one["action"], one["target"], one["outcome"]) for one in self.events()]


def changing_routes() -> list[tuple[str, str]]:
    """Method and a path for every route of JupyterHub and of ours that may change something."""
    ours: list[Any] = [*routes(SimpleNamespace(reader=None), Any, Any, Any, Any), *account_routes()]  # type: ignore[arg-type]  # only paths are read
    found = []
    for path, handler, *_ in [*apihandlers.default_handlers, *handlers.default_handlers, *ours]:
        for method in CHANGING:
            if getattr(handler, method.lower()) is not getattr(RequestHandler, method.lower()):
                found.append((method, re.sub(r"\(.*?\)\??", "x", path).replace(".*", "x").rstrip("$")))
    return sorted(set(found))


def test_every_request_that_may_change_something_leaves_a_line(hub: Emulated, journal: AuditSocket) -> None:
    """Also those of later versions of JupyterHub: none of its routes is named here."""
    found = changing_routes()
    assert len(found) > 40
    assert ("PATCH", "/api/users/x") in found
    assert ("POST", "/change-password/x") in found
    since = Since(journal)
    for method, path in found:
        requests.request(method, f"{hub.public_url}/hub{path}", timeout=PATIENCE, allow_redirects=False)
    wanted = sorted((method, _scrub_uri(f"/hub{path}")) for method, path in found)

    def written() -> list[tuple[str, str]]:
        events = [one for one in since.events() if one["action"] == "request"]
        return sorted((one["detail"].split()[0], one["target"]) for one in events)

    until(lambda: len(written()) >= len(wanted))
    assert written() == wanted


def test_a_token_in_a_path_leaves_no_line_with_it(hub: Emulated, journal: AuditSocket) -> None:
    since = Since(journal)
    for method in ("GET", "POST"):
        for path in ("token/s3cret-in-a-path", "token/s3cret-in-a-path?x=1", "cookie/name/s3cret-in-a-path"):
            url = f"{hub.public_url}/hub/api/authorizations/{path}"
            requests.request(method, url, timeout=PATIENCE)
    until(lambda: len([one for one in since.events() if "/authorizations/" in one["target"]]) >= 3)
    assert "s3cret" not in str(since.events())
    assert "/hub/api/authorizations/token/[secret]" in {one["target"] for one in since.events()}
    assert "500 POST /hub/api/authorizations/token/[secret]" in hub.log("hub"), "JupyterHub fails at it"
    assert "s3cret" not in hub.log("hub")


def test_of_made_up_methods_nothing_is_kept(hub: Emulated, journal: AuditSocket) -> None:
    """A worker reaches the hub without nginx. JupyterHub's metrics have a dozen figures for each method."""
    since = Since(journal)
    for number in range(3):
        url = f"http://{hub.hub_address}:8081/hub/api/"
        assert requests.request(f"MADEUP{number}", url, timeout=PATIENCE).status_code == 405
    metrics = member(hub, "boss").page("/hub/metrics").text
    assert 'method="UNKNOWN"' in metrics
    assert "MADEUP" not in metrics + str(since.events())


def test_what_users_and_administrators_do_is_told(hub: Emulated, journal: AuditSocket) -> None:
    since = Since(journal)
    stranger = Account(hub.public_url, f"{NETWORK}.0.66")
    assert stranger.sign_up("alice", "AAAA-AAAA-AAAA-AAAA").status_code == 400
    alice, boss = member(hub, "alice"), member(hub, "boss")
    assert stranger.log_in("alice", "wrong").status_code == 403
    assert stranger.log_in(PASSWORD, "wrong").status_code == 403, "a password in the wrong field"
    made = alice.api("POST", "/users/alice/tokens", json={"note": "with a secret"}).json()
    assert alice.api("DELETE", f"/users/alice/tokens/{made['id']}").status_code == 204
    assert alice.api("PATCH", "/users/alice", json={"admin": True}).status_code in (403, 404)
    member(hub, "bert")
    assert boss.change_password("", NEW, of="bert").ok
    assert boss.post("/hub/authorize/bert").ok
    assert boss.api("POST", "/users/carol").status_code == 201
    # The operator's list says nothing of her.
    assert boss.api("PATCH", "/users/carol", json={"admin": True}).ok
    assert boss.api("PATCH", "/users/carol", json={"admin": False}).ok
    assert boss.api("DELETE", "/users/carol").status_code == 204
    alice.page("/hub/logout")
    # The line of a request is written after its answer.
    until(lambda: ("alice", "request", "/hub/logout", "ok") in since.said())
    said = since.said()
    for told in [
        ("", "account.create", "alice", "refused"),
        ("", "account.create", "alice", "ok"),
        ("alice", "login", "alice", "ok"),
        ("", "login", "alice", "refused"),
        ("", "login", "", "refused"),
        ("alice", "token.create", "alice", "ok"),
        ("alice", "token.revoke", "alice", "ok"),
        ("alice", "request", "/hub/api/users/alice", "refused"),
        ("boss", "user.promote", "carol", "ok"),
        ("boss", "user.demote", "carol", "ok"),
        ("boss", "password.change", "bert", "ok"),
        ("boss", "sessions.end", "bert", "ok"),
        ("boss", "account.suspend", "bert", "ok"),
        ("boss", "user.add", "carol", "ok"),
        ("boss", "user.remove", "carol", "ok"),
    ]:
        assert told in said, told
    events = since.events()
    assert {one["source"] for one in events if (one["action"], one["outcome"]) == ("login", "refused")} == {
        f"{NETWORK}.0.66"
    }
    promoted = next(one for one in events if one["action"] == "user.promote")
    assert [one["action"] for one in events if one["request"] == promoted["request"]] == [
        "user.promote",
        "request",
    ]
    text = str(events)
    for secret in (PASSWORD, NEW, made["token"], code(hub, "alice"), "with a secret"):
        assert secret not in text


def test_starts_stops_and_access_to_servers_of_others_are_told(hub: Emulated, journal: AuditSocket) -> None:
    since = Since(journal)
    boss, alice = member(hub, "boss"), member(hub, "alice")
    assert boss.api("POST", "/users/alice/server").status_code in (201, 202)
    described = until(lambda: hub.client("ec2").describe_instances()["Reservations"])[0]["Instances"][0]
    machine = Machine(hub, described["InstanceId"], described["PrivateIpAddress"])
    try:
        until(lambda: alice.server().get("ready"))
        assert enter(hub, boss, "alice", machine) == 200
        assert enter(hub, alice, "alice", machine) == 200
        assert boss.api("DELETE", "/users/alice/server").status_code in (202, 204)
    finally:
        machine.close()
    said = since.said()
    assert ("boss", "server.start", "alice", "ok") in said
    assert (f"worker/{machine.instance_id}", "worker.environment", "alice", "ok") in said
    assert [one for one in said if one[1] == "server.access"] == [("boss", "server.access", "alice", "ok")]
    until(lambda: ("boss", "server.stop", "alice", "ok") in since.said())
    assert machine.environment["JUPYTERHUB_API_TOKEN"] not in str(since.events())


def enter(hub: Emulated, browser: Account, name: str, machine: Machine) -> int:
    """Opens the server as its own OAuth client does; the status of the hub's answer to the server."""
    client = {"client_id": f"jupyterhub-user-{name}", "redirect_uri": f"/user/{name}/oauth_callback"}
    authorise = (
        f"/hub/api/oauth2/authorize?client_id={client['client_id']}&redirect_uri={client['redirect_uri']}"
    )
    sent = browser.authorise(f"{authorise}&response_type=code&state=s")
    form = {
        **client,
        "client_secret": machine.environment["JUPYTERHUB_API_TOKEN"],
        "grant_type": "authorization_code",
        "code": sent,
    }
    url = f"http://{hub.hub_address}:8081/hub/api/oauth2/token"
    return requests.post(url, data=form, timeout=PATIENCE).status_code


def test_what_the_operators_list_changes_is_told(hub: Emulated, journal: AuditSocket) -> None:
    member(hub, "alice")
    since = Since(journal)
    set_users(hub, {"users": {**PEOPLE, "alice": {"admin": True}}})
    until(lambda: ("operator/list", "user.promote", "alice", "ok") in since.said())
    set_users(hub, {"users": {"boss": {"admin": True}}, "removed": ["alice"], "generations": {"alice": 1}})
    until(lambda: ("operator/list", "sessions.end", "alice", "ok") in since.said())
    assert ("operator/list", "account.delete", "alice", "ok") in since.said()
