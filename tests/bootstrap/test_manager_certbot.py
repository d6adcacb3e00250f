"""Let's Encrypt's certificate: certbot, run as on the manager, gets it from Let's Encrypt's test server."""

import grp
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from moto.moto_api._internal import moto_api_backend
from moto.server import ThreadedMotoServer

from bootstrap.config.choices import Https
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.services import NGINX as NGINX_UNIT
from bootstrap.machines.manager.web import certificates
from tests.bootstrap import acme
from tests.bootstrap.front import MISSING, NGINX, Front, nginx
from tests.bootstrap.manager_examples import config
from tests.hub.emulated import REPOSITORY
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

HOST = "127.179.0.1"
DOMAIN = "hub.example.org"
CHALLENGE = f"_acme-challenge.{DOMAIN}"

pytestmark = [
    pytest.mark.skipif(not NGINX, reason=MISSING),
    pytest.mark.skipif(not acme.IS_THERE, reason=acme.MISSING),
]

# What every Python program of a test begins with: the manager's paths, below the test's directory. And whatever the
# hook did in Route 53, the DNS shows.
BEGINNING = """
import atexit, os, sys
from pathlib import Path
from bootstrap.machines.manager import config
config.CONFIG_PATH = Path(os.environ["DIRECTORY"]) / "manager.json"
config.PRESENTED = Path(os.environ["DIRECTORY"]) / "acme-dns.json"
if any(word.endswith("acme_dns") for word in sys.orig_argv):
    from tests.bootstrap.acme import show_in_dns
    atexit.register(show_in_dns)
"""


@dataclass
class Manager:
    """A manager's certificate, its nginx, and Let's Encrypt."""

    directory: Path
    authority: acme.Authority
    front: Front
    patch: pytest.MonkeyPatch
    reloads: int = 0

    def run(self, command: Sequence[str]) -> str:
        """systemctl."""
        assert list(command) == ["systemctl", "reload", NGINX_UNIT]
        self.reloads += 1
        self.front.process.send_signal(signal.SIGHUP)
        return ""

    def configure(self, **settings: Any) -> ManagerConfig:
        told = config(https=Https.LETS_ENCRYPT, public_url=f"https://{DOMAIN}", **settings)
        (self.directory / "manager.json").write_text(told.to_json())
        return told

    def shown(self, host: str = DOMAIN) -> x509.Certificate:
        """What nginx shows to a browser that asks for this host, trusted or not."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((HOST, self.front.https), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown)

    def is_trusted(self, host: str) -> bool:
        """By a browser that trusts Let's Encrypt."""
        context = ssl.create_default_context(cadata=self.authority.roots())
        with socket.create_connection((HOST, self.front.https), timeout=PATIENCE) as plain:
            try:
                context.wrap_socket(plain, server_hostname=host).close()
            except ssl.SSLCertVerificationError:
                return False
        return True

    def await_shown(self, serial: int) -> None:
        until(lambda: self.shown().serial_number == serial, "nginx to show the new certificate")

    def await_trusted(self, host: str) -> None:
        """After a reload, processes of nginx from before take a few connections more."""
        until(lambda: self.is_trusted(host), "nginx to show a certificate that browsers trust")

    @property
    def live(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(
            (self.directory / "certbot/live/hub/fullchain.pem").read_bytes()
        )


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """As after the set-up: nginx runs, with a provisional certificate."""
    for name, place in (
        ("CONFIG_PATH", "manager.json"),
        ("CERTBOT_STATE", "certbot"),
        ("RUN", "runtime"),
        ("TLS", ""),
        ("CERTIFICATE", "certificate.pem"),
        ("KEY", "key.pem"),
        ("WEBROOT", "acme"),
        ("PRESENTED", "acme-dns.json"),
    ):
        monkeypatch.setattr(certificates, name, tmp_path / place)
    monkeypatch.setattr(certificates, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(certificates, "LEADS_HERE_WITHIN", 0.0)  # the domain is in the test's DNS only
    monkeypatch.setattr(certificates, "NGINX_USER", grp.getgrgid(os.getgid()).gr_name)
    (tmp_path / "sitecustomize.py").write_text(BEGINNING)
    port = free_port(HOST)
    told: dict[str, Any] = {
        "https": Https.LETS_ENCRYPT,
        "subdomains": True,
        "public_url": f"https://{DOMAIN}:{port}",
    }
    with (
        nginx(tmp_path, HOST, f"{HOST}:1", port, **told) as front,
        acme.authority(tmp_path, HOST, front.http) as authority,
    ):
        (tmp_path / "letsencrypt").mkdir()
        (tmp_path / "letsencrypt/cli.ini").write_text(f"server = {authority.directory_url}\n")
        for name, value in {
            "XDG_CONFIG_HOME": str(tmp_path),
            "REQUESTS_CA_BUNDLE": authority.trust,
            "PYTHONPATH": f"{tmp_path}:{REPOSITORY}",
            "DIRECTORY": str(tmp_path),
            "DNS": authority.dns,
        }.items():
            monkeypatch.setenv(name, value)
        found = Manager(tmp_path, authority, front, monkeypatch)
        monkeypatch.setattr(certificates, "run", found.run)
        until(lambda: accepts(HOST, front.https), "nginx")
        yield found


def accepts(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Makes a zone in Route 53, and returns its id."""
    server = ThreadedMotoServer(HOST, free_port(HOST), verbose=False)
    server.start()
    moto_api_backend.reset()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{server.get_host_and_port()[1]}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)

    def create(name: str) -> str:
        made = boto3.client("route53").create_hosted_zone(Name=name, CallerReference=name)
        return made["HostedZone"]["Id"].removeprefix("/hostedzone/")

    yield create
    server.stop()


def records() -> list[str]:
    """All TXT records in Route 53."""
    route53 = boto3.client("route53")
    return [
        record["Name"]
        for zone in route53.list_hosted_zones()["HostedZones"]
        for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        if record["Type"] == "TXT"
    ]


def test_one_name_is_validated_by_a_file_and_its_certificate_renewed(manager: Manager) -> None:
    manager.configure(email="ada@example.org")
    provisional = manager.shown()
    assert not manager.is_trusted(DOMAIN)
    assert certificates.main() == 0
    first = manager.live
    manager.await_shown(first.serial_number)
    assert first.serial_number != provisional.serial_number
    manager.await_trusted(DOMAIN)
    assert not manager.is_trusted(f"ada.{DOMAIN}")
    assert (manager.directory / "key.pem").stat().st_mode & 0o777 == 0o640

    manager.authority.ask_to_renew((manager.directory / "certificate.pem").read_text())
    assert certificates.main() == 0
    assert manager.live.serial_number != first.serial_number
    second = manager.live
    manager.await_shown(second.serial_number)
    manager.await_trusted(DOMAIN)

    assert certificates.main() == 0
    assert (manager.live, manager.reloads) == (second, 2)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Saving\nAn error occurred:\nConnection refused\nAsk for help or search", "Connection refused"),
        ("  Type:   dns\n  Detail: No record\n\nHint: x\n  Type: dns\n  Detail: No record\n", "No record"),
        ("Hook x ran with error output:\n Z0: denied\nFailed\n  Detail: No record", "Z0: denied; No record"),
        ("", "no output"),
    ],
)
def test_what_certbot_complains_of_is_one_line(output: str, said: str) -> None:
    assert certificates.complaint(output) == said


def test_without_a_contact_none_is_given() -> None:
    told = config(https=Https.LETS_ENCRYPT)
    assert "--register-unsafely-without-email" in certificates.certbot_command(told)
    assert "--email" not in certificates.certbot_command(told)
    assert "a@b.no" in certificates.certbot_command(replace(told, email="a@b.no"))


def test_the_hub_and_its_subdomains_are_validated_by_one_dns_record(
    manager: Manager, zone: Callable[[str], str]
) -> None:
    manager.configure(subdomains=True, acme_dns={"zone_id": zone("example.org"), "record": CHALLENGE})
    assert certificates.main() == 0
    manager.await_shown(manager.live.serial_number)
    manager.await_trusted(DOMAIN)
    manager.await_trusted(f"ada.{DOMAIN}")
    assert records() == []


def test_the_record_may_be_delegated_to_another_zone(manager: Manager, zone: Callable[[str], str]) -> None:
    delegated = f"{CHALLENGE}.acme.example.net"
    assert manager.authority.alias(CHALLENGE) == "", "what `plan` and `doctor` ask"
    manager.authority.tell_dns("set-cname", host=f"{CHALLENGE}.", target=f"{delegated}.")
    assert manager.authority.alias(CHALLENGE) == delegated
    manager.configure(subdomains=True, acme_dns={"zone_id": zone("acme.example.net"), "record": delegated})
    assert certificates.main() == 0
    manager.await_shown(manager.live.serial_number)
    manager.await_trusted(f"ada.{DOMAIN}")
    assert records() == []


def test_a_failure_says_why_and_leaves_the_certificate_that_is_there(
    manager: Manager, zone: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    ours = {"zone_id": zone("example.org"), "record": CHALLENGE}
    manager.configure(acme_dns=ours)
    assert certificates.main() == 0
    first = manager.live
    manager.await_shown(first.serial_number)
    capsys.readouterr()

    manager.configure(subdomains=True, acme_dns={**ours, "record": "elsewhere.example.org"})
    assert certificates.main() == 1
    assert capsys.readouterr().out == (
        "cloudjhub-certificate: no certificate from Let's Encrypt: Correct value not found for DNS challenge\n"
    )
    manager.configure(subdomains=True, acme_dns={**ours, "zone_id": "Z0GONE"})
    assert certificates.main() == 1
    assert "Route 53's zone Z0GONE" in capsys.readouterr().out
    assert (manager.live, manager.shown(), manager.reloads) == (first, first, 1)

    manager.configure(subdomains=True, acme_dns=ours)
    assert certificates.main() == 0
    manager.await_shown(manager.live.serial_number)
    manager.await_trusted(f"ada.{DOMAIN}")
    assert records() == []


def test_without_a_file_at_the_domain_there_is_no_certificate(
    manager: Manager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.configure()
    manager.authority.tell_dns("add-a", host=DOMAIN, addresses=["127.179.0.9"])
    provisional = manager.shown()
    assert certificates.main() == 1
    assert "127.179.0.9" in capsys.readouterr().out
    assert manager.shown() == provisional


def test_certbot_is_not_asked_before_the_domain_leads_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(certificates, "WEBROOT", tmp_path / "acme")
    monkeypatch.setattr(certificates, "ASKED_EVERY", 0.01)
    with nginx(tmp_path, HOST, f"{HOST}:1", https=Https.LETS_ENCRYPT) as front:
        here, elsewhere = f"{HOST}:{front.http}", f"127.179.0.9:{front.http}"
        until(lambda: accepts(HOST, front.http), "nginx")
        assert certificates.leads_here(here)
        assert not certificates.leads_here(elsewhere)
        certificates.await_domain(here)
        assert capsys.readouterr().out == ""
        assert list((tmp_path / "acme" / certificates.CHALLENGES).iterdir()) == []
        monkeypatch.setattr(certificates, "LEADS_HERE_WITHIN", 0.1)
        certificates.await_domain(elsewhere)
        assert f"http://{elsewhere} does not lead here" in capsys.readouterr().out


def test_a_new_manager_shows_the_certificate_on_the_state_disk(manager: Manager) -> None:
    told = manager.configure()
    assert certificates.main() == 0
    for name in ("certificate.pem", "key.pem"):
        (manager.directory / name).unlink()
    assert certificates.place(told)
    assert (manager.directory / "certificate.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    shown = x509.load_pem_x509_certificate((manager.directory / "certificate.pem").read_bytes())
    assert shown == manager.live
