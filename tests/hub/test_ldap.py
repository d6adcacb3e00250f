"""A directory is asked over TLS with a certificate that is checked; a real socket with the smallest of LDAP servers."""

import asyncio
import gc
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.ber import decoder  # type: ignore[import-untyped]  # it publishes no types
from tornado.web import HTTPError

from hub.config.authenticators import checked
from hub.login.authenticator import ldap_traits
from tests.certificates import certificate_for

with warnings.catch_warnings():
    # ldap3 uses old names of pyasn1.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ldap3.protocol.rfc4511 import LDAPMessage
    from ldapauthenticator import LDAPAuthenticator

    from hub.login.ldap import VerifiedLdap

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # The package leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OURS, OTHER = certificate_for("127.0.0.1"), certificate_for("127.0.0.1")
ADA = "uid=ada,ou=people,dc=example"
PASSWORD = "secret"


class Directory:
    """Answers binds: the users' with their password are right, any other is not. `heard` has the passwords in order."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.users = {ADA}
        self.heard: list[tuple[str, str]] = []
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # or it would still accept one
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                # The package may leave its connections open.
                threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with suppress(OSError, ValueError), self._context.wrap_socket(plain, server_side=True) as peer:
            self._answer(peer)

    def _answer(self, peer: ssl.SSLSocket) -> None:
        while sent := peer.recv(4096):
            message, _ = decoder.decode(sent, asn1Spec=LDAPMessage())
            request = message["protocolOp"]
            kind, code, answer = request.getName(), 0, 0x65  # a search finds nothing
            if kind == "unbindRequest":
                return
            if kind == "bindRequest":
                bind, answer = request["bindRequest"], 0x61
                who, password = str(bind["name"]), bytes(bind["authentication"]["simple"]).decode()
                self.heard.append((who, password))
                code = 0 if who in self.users and password == PASSWORD else 49
            result = bytes([0x0A, 1, code, 4, 0, 4, 0])
            body = bytes([2, 1, int(message["messageID"]), answer, len(result)]) + result
            peer.sendall(bytes([0x30, len(body)]) + body)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    found = Directory(OURS.server(tmp_path))
    yield found
    found.close()
    gc.collect()  # here, where what the package leaves open is expected


def authenticator(directory: Directory, trusted: Path, **more: str) -> Any:
    options = {
        "server_address": "127.0.0.1",
        "server_port": directory.port,
        "tls": "ldaps",
        "ca_certificates": str(trusted),
        "bind_dn_template": ["uid={username},ou=people,dc=example"],
        **more,
    }
    return VerifiedLdap(**ldap_traits(checked("ldap", options), ""))


@pytest.mark.parametrize(
    ("name", "password", "outcome"),
    [("ada", PASSWORD, "ada"), ("ada", "wrong", None), ("bob", PASSWORD, None)],
)
async def test_directory_says_who_it_is(
    directory: Directory, tmp_path: Path, name: str, password: str, outcome: str | None
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OURS.certificate)
    said = await authenticator(directory, trusted).authenticate(
        None, {"username": name, "password": password}
    )
    assert (said and said["name"]) == outcome
    assert directory.heard == [(f"uid={name},ou=people,dc=example", password)]


@pytest.mark.parametrize(
    "name", ["20231234", "00451201", "M1234567", "S-40021", "ASmith", "a.b@x.example", "müller"]
)
async def test_every_name_that_the_hub_accepts_can_log_in(
    directory: Directory, tmp_path: Path, name: str
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OURS.certificate)
    directory.users = {f"uid={name},ou=people,dc=example"}
    said = await authenticator(directory, trusted).authenticate(
        None, {"username": name, "password": PASSWORD}
    )
    assert said["name"] == name


@pytest.mark.parametrize(
    ("name", "pattern", "words"),
    [
        ("a/b", "", "This user name is not allowed. A user name cannot contain the character /"),
        ("ada ", "", "This user name is not allowed. A user name cannot begin or end with a space"),
        ("", "", "cannot be empty"),
        ("20231234", "^[a-z]+$", "valid_username_regex"),
        ("STRAUẞ", "", "as it is in the directory"),
        ("bob  dylan", "", "as it is in the directory"),
    ],
)
async def test_a_name_that_is_not_allowed_is_not_called_a_wrong_password(
    directory: Directory, tmp_path: Path, name: str, pattern: str, words: str
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OURS.certificate)
    found = authenticator(directory, trusted, **({"valid_username_regex": pattern} if pattern else {}))
    found.blocked_users = {"strauss", "bob dylan"}
    with pytest.raises(HTTPError, match=re.escape(words)) as refused:
        await found.authenticate(None, {"username": name, "password": PASSWORD})
    assert refused.value.status_code == 403
    assert directory.heard == []


async def test_directory_with_another_certificate_hears_no_password(
    directory: Directory, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OTHER.certificate)
    with pytest.raises(HTTPError, match="does not answer"):
        await authenticator(directory, trusted).authenticate(None, {"username": "ada", "password": PASSWORD})
    assert directory.heard == []


async def test_of_many_logins_some_are_refused_and_none_blocks_the_hubs_own_threads(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the directory does not answer, two threads wait for it, and one login for a thread."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OURS.certificate)
    answer = threading.Event()
    monkeypatch.setattr("hub.login.ldap.THREADS", 2)
    monkeypatch.setattr("hub.login.ldap.MOST_WAITING", 3)
    monkeypatch.setattr(LDAPAuthenticator, "authenticate", waiting_for(answer))
    found = authenticator(directory, trusted)
    data = {"username": "ada", "password": PASSWORD}
    asked = [asyncio.create_task(found.authenticate(None, data)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(HTTPError, match="Many users are logging in") as refused:
        await found.authenticate(None, data)
    assert refused.value.status_code == 503
    assert (
        await asyncio.get_running_loop().run_in_executor(None, lambda: threading.current_thread().name)
        != "ldap_0"
    )
    answer.set()
    assert await asyncio.gather(*asked) == ["ldap"] * 3
    while found._waiting:
        await asyncio.sleep(0)
    assert await found.authenticate(None, data) == "ldap"


def waiting_for(answer: threading.Event) -> Any:
    async def authenticate(*_: Any) -> str:
        answer.wait()
        return threading.current_thread().name.partition("_")[0]

    return authenticate


def test_certificates_are_checked_whatever_is_chosen() -> None:
    for tls, strategy in (("start-tls", "before_bind"), ("ldaps", "on_connect")):
        options = {"server_address": "x", "bind_dn_template": ["uid={username}"], "tls": tls}
        traits = ldap_traits(checked("ldap", options), "kept")
        assert (traits["tls_strategy"], traits["lookup_dn_search_password"]) == (strategy, "kept")
        assert traits["tls_kwargs"]["validate"] is ssl.CERT_REQUIRED
