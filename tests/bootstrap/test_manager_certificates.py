"""Certificates: what is made serves over TLS, what is given is judged, what is stored is whole and kept."""

import grp
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from bootstrap.aws import secrets
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import SettingsError
from bootstrap.machines import tls
from bootstrap.machines.address import hub_answers
from bootstrap.machines.certificate import LIFETIME, Pair, objection, refuse_unusable, self_signed
from bootstrap.machines.manager.services import NGINX
from bootstrap.machines.manager.web import certificates
from tests.bootstrap.manager_examples import config, settings
from tests.certificates import AUTHORITY, certificate_for
from tests.lifecycle.hub_server import hub_server

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PAIR = self_signed("hub.example", False, NOW)


def handshake(pair: Pair, host: str, directory: Path) -> None:
    """A TLS connection to a server with the pair, by a client that trusts its certificate alone."""
    (directory / "pair.pem").write_text(pair.certificate + pair.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "pair.pem")
    asking = ssl.create_default_context(cadata=pair.certificate)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs, serving.wrap_socket(theirs, server_side=True) as connection:
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with ours, asking.wrap_socket(ours, server_hostname=host) as connection:
        connection.send(b"x")
    thread.join()


@pytest.mark.parametrize(("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("hub.example", "hub.example")])
def test_a_self_signed_certificate_serves_who_trusts_it(host: str, asked: str, tmp_path: Path) -> None:
    handshake(self_signed(host, False, datetime.now(UTC)), asked, tmp_path)


def test_a_wildcard_serves_every_subdomain(tmp_path: Path) -> None:
    pair = self_signed("hub.example", True, datetime.now(UTC))
    handshake(pair, "alice.hub.example", tmp_path)
    assert objection(pair, "hub.example", True, datetime.now(UTC)) == ""


def test_a_self_signed_certificate_is_small_enough_for_an_environment_variable() -> None:
    assert len(PAIR.certificate) < 1024


@pytest.mark.parametrize(
    ("pair", "host", "subdomains", "now", "why"),
    [
        (PAIR, "hub.example", False, NOW, ""),
        (PAIR, "HUB.example", False, NOW, ""),
        (PAIR, "other.example", False, NOW, "not for other.example"),
        (PAIR, "x.hub.example", False, NOW, "not for x.hub.example"),
        (PAIR, "10.0.0.1", False, NOW, "not for 10.0.0.1"),
        (PAIR, "hub.example", True, NOW, r"not for \*.hub.example"),
        (PAIR, "hub.example", False, NOW + LIFETIME - timedelta(seconds=1), ""),
        (PAIR, "hub.example", False, NOW + LIFETIME, "expired on 2036"),
        (PAIR, "hub.example", False, NOW - timedelta(days=2), "valid only from"),
        (Pair(PAIR.certificate, self_signed("a.b", False, NOW).key), "hub.example", False, NOW, "do not fit"),
        (Pair("nonsense", PAIR.key), "hub.example", False, NOW, "certificate is not PEM"),
        (Pair(PAIR.certificate, "nonsense"), "hub.example", False, NOW, "key is not PEM"),
        (
            Pair(PAIR.certificate + self_signed("a.b", False, NOW).certificate, PAIR.key),
            "hub.example", False, NOW, "not its chain",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_certificate_is_said(
    pair: Pair, host: str, subdomains: bool, now: datetime, why: str
) -> None:
    found = objection(pair, host, subdomains, now)
    assert (found == "") == (why == "")
    assert why.replace("\\", "") in found


def test_a_key_never_shows() -> None:
    assert "PRIVATE" not in repr(PAIR)


@pytest.mark.parametrize(("names", "is_small"), [(70, True), (110, False)])
def test_an_own_certificate_must_fit_into_the_functions_environment(names: int, is_small: bool) -> None:
    pair = certificate_for("127.0.0.1", more_names=[f"name-{one:03}.hub.example" for one in range(names)])
    given = Pair(pair.certificate, pair.key)
    if is_small:
        refuse_unusable(given, "127.0.0.1", False, datetime.now(UTC))
        return
    with pytest.raises(SettingsError, match="longer than 3072 bytes"):
        refuse_unusable(given, "127.0.0.1", False, datetime.now(UTC))


def test_the_functions_trust_the_hubs_own_certificate_without_its_chain() -> None:
    with_chain = Pair(PAIR.certificate + self_signed("authority", False, NOW).certificate, PAIR.key)
    assert with_chain.leaf_pem == PAIR.certificate


@pytest.mark.parametrize("issuer", [None, AUTHORITY], ids=["self-signed", "of-a-private-authority"])
def test_the_operators_client_trusts_exactly_the_clusters_certificate(
    issuer: ec.EllipticCurvePrivateKey | None, tmp_path: Path
) -> None:
    served, other = (certificate_for("127.0.0.1", issuer) for _ in range(2))
    with hub_server(served.server(tmp_path)) as hub:
        hub.answers = [(200, {"version": "5"})]
        url = hub.api.removesuffix("/hub/api")
        assert hub_answers(url, Pair(served.certificate, served.key)) == ""
        assert "another certificate" in hub_answers(url, Pair(other.certificate, other.key))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def site(of: ClusterSettings, directory: Path) -> Site:
    return Site(settings=of, aws=Aws("us-east-1"), directory=directory)


@pytest.mark.usefixtures("account")
def test_it_is_made_once_and_again_for_another_name(tmp_path: Path) -> None:
    ours = site(settings(domain="hub.example"), tmp_path)
    assert tls.wanted(ours, NOW)[0] is tls.Wanted.CREATE
    assert tls.certificate_to_pin(ours) == ""
    tls.ensure(ours, NOW)
    first = tls.stored(ours)
    tls.ensure(ours, NOW + timedelta(days=1))
    assert tls.stored(ours) == first
    assert first is not None
    assert tls.certificate_to_pin(ours) == first.certificate
    moved = site(settings(domain="new.example"), tmp_path)
    assert tls.wanted(moved, NOW)[0] is tls.Wanted.CHANGE
    tls.ensure(moved, NOW)
    assert tls.stored(moved) != first


@pytest.mark.usefixtures("account")
def test_a_pair_that_an_interruption_left_unfit_is_made_anew(tmp_path: Path) -> None:
    ours = site(settings(domain="hub.example"), tmp_path)
    tls.ensure(ours, NOW)
    secrets.put(boto3.client("ssm", "us-east-1"), "spring", "hub/tls-key", PAIR.key)
    tls.ensure(ours, NOW)
    stored = tls.stored(ours)
    assert stored is not None
    assert objection(stored, "hub.example", False, NOW) == ""


@pytest.mark.usefixtures("account")
def test_an_own_certificate_is_uploaded_and_replaced_when_its_file_changes(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    manager = {"domain": "hub.example", "https": Https.OWN, "certificate": certificate, "key": key}
    own = site(settings(**manager, subdomains=False), tmp_path)
    with pytest.raises(SettingsError, match=r"manager\.certificate: .*c\.pem cannot be read"):
        tls.ensure(own, NOW)
    certificate.write_text(PAIR.certificate)
    key.write_text(PAIR.key)
    tls.ensure(own, NOW)
    assert tls.stored(own) == PAIR
    assert tls.certificate_to_pin(own) == PAIR.certificate
    with pytest.raises(SettingsError, match=r"the certificate is not for \*\.hub\.example"):
        tls.wanted(site(settings(**manager), tmp_path), NOW)
    renewed = self_signed("hub.example", False, NOW)
    certificate.write_text(renewed.certificate)
    with pytest.raises(SettingsError, match="do not fit together"):
        tls.ensure(own, NOW)
    key.write_text(renewed.key)
    assert tls.wanted(own, NOW)[0] is tls.Wanted.CHANGE
    tls.ensure(own, NOW)
    assert tls.stored(own) == renewed


@pytest.mark.usefixtures("account")
def test_an_uploaded_pair_is_taken_into_use_once_and_kept_where_none_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, place in (
        ("CONFIG_PATH", "manager.json"),
        ("RUN", ""),
        ("TLS", ""),
        ("CERTIFICATE", "certificate.pem"),
        ("KEY", "key.pem"),
    ):
        monkeypatch.setattr(certificates, name, tmp_path / place)
    monkeypatch.setattr(certificates, "NGINX_USER", grp.getgrgid(os.getgid()).gr_name)
    reloads: list[list[str]] = []
    monkeypatch.setattr(certificates, "run", reloads.append)
    (tmp_path / "manager.json").write_text(config(https=Https.OWN).to_json())
    ssm = boto3.client("ssm", "us-east-1")

    assert certificates.main() == 1
    assert "Parameter Store has no /cloudjhub/spring/hub/tls-certificate" in capsys.readouterr().out
    other = self_signed("hub.example", False, NOW)
    for count, pair in ((1, PAIR), (1, PAIR), (2, other)):
        secrets.put(ssm, "spring", "hub/tls-certificate", pair.certificate)
        secrets.put(ssm, "spring", "hub/tls-key", pair.key)
        assert certificates.main() == 0
        assert (tmp_path / "certificate.pem").read_text() == pair.certificate
        assert (tmp_path / "key.pem").read_text() == pair.key
        assert reloads == [["systemctl", "reload", NGINX]] * count
    ssm.delete_parameter(Name="/cloudjhub/spring/hub/tls-key")
    assert certificates.main() == 1
    assert (tmp_path / "key.pem").read_text() == other.key
