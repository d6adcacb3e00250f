"""Let's Encrypt for tests: Pebble, its own test server, with a DNS server whose records the test sets."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import requests
import urllib3

from bootstrap.cluster.dns.resolving import alias
from bootstrap.machines.certificate import self_signed
from tests.hub.emulated import REPOSITORY
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

PROGRAMS = REPOSITORY / "build/pebble"
IS_THERE = (PROGRAMS / "pebble").exists() and (PROGRAMS / "pebble-challtestsrv").exists()
MISSING = "Pebble is not there: `make setup-test` builds it where Go is"


@dataclass(frozen=True)
class Authority:
    """Where it answers, and what trusts it."""

    directory_url: str
    management: str
    dns: str
    """The management of its DNS server."""
    trust: str
    """The file with the certificate of its own web server."""
    dns_port: int = 0
    """Where its DNS server answers."""

    def alias(self, name: str) -> str | None:
        """Where a name's CNAME record leads, as the operator's commands ask."""
        return alias(name, [str(urlsplit(self.dns).hostname)], self.dns_port)

    def tell_dns(self, what: str, **facts: Any) -> None:
        """Change a record: what the DNS server calls the change, like `set-txt`, and its facts."""
        requests.post(f"{self.dns}/{what}", json=facts, timeout=PATIENCE).raise_for_status()

    def roots(self) -> str:
        """The certificate that the ones it gives lead to, as PEM."""
        answer = requests.get(f"{self.management}/roots/0", verify=self.trust, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.text

    def ask_to_renew(self, certificate: str) -> None:
        """Have it say that this certificate, as PEM, should have been renewed yesterday."""
        now = datetime.now(UTC)
        window = {
            "start": (now - timedelta(days=2)).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "end": (now - timedelta(days=1)).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        answer = requests.post(
            f"{self.management}/set-renewal-info/",
            json={"Certificate": certificate, "ARIResponse": json.dumps({"suggestedWindow": window})},
            verify=self.trust,
            timeout=PATIENCE,
        )
        answer.raise_for_status()


def show_in_dns() -> None:
    """Give the DNS server, whose management the environment names, what Route 53 has."""
    server = Authority("", "", os.environ["DNS"], "")
    route53 = boto3.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
            if record["Type"] == "TXT":
                server.tell_dns("clear-txt", host=record["Name"])
                for one in record["ResourceRecords"]:
                    server.tell_dns("set-txt", host=record["Name"], value=one["Value"].strip('"'))


@contextmanager
def authority(directory: Path, host: str, http_port: int) -> Iterator[Authority]:
    """Pebble at this address, until the end of the block. It looks for files at this port of it, whatever the name."""
    ports = {name: free_port(host) for name in ("acme", "management", "dns", "dns_management")}
    pair = self_signed(host, False, datetime.now(UTC))
    (directory / "pebble.pem").write_text(pair.certificate)
    (directory / "pebble.key").write_text(pair.key)
    settings = {
        "listenAddress": f"{host}:{ports['acme']}",
        "managementListenAddress": f"{host}:{ports['management']}",
        "certificate": str(directory / "pebble.pem"),
        "privateKey": str(directory / "pebble.key"),
        "httpPort": http_port,
        "tlsPort": free_port(host),
        "profiles": {"default": {"description": "as Let's Encrypt's", "validityPeriod": 7776000}},
    }
    (directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
    found = Authority(
        f"https://{host}:{ports['acme']}/dir",
        f"https://{host}:{ports['management']}",
        f"http://{host}:{ports['dns_management']}",
        str(directory / "pebble.pem"),
        ports["dns"],
    )
    dns = f"{host}:{ports['dns']}"
    with (
        _running(
            "pebble-challtestsrv", "-dnsserver", dns, "-management", f"{host}:{ports['dns_management']}",
            "-defaultIPv4", host, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
        ),
        _running("pebble", "-config", str(directory / "pebble.json"), "-dnsserver", dns, "-strict"),
    ):  # fmt: skip
        until(lambda: _answers(f"{found.management}/roots/0", found.trust), "Pebble")
        until(lambda: _answers(found.dns, found.trust), "its DNS server")
        yield found


@contextmanager
def _running(program: str, *options: str) -> Iterator[None]:
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with subprocess.Popen(
        [PROGRAMS / program, *options],
        env={**os.environ, **quick},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def _answers(url: str, trust: str) -> bool:
    try:
        return requests.get(url, verify=trust, timeout=PATIENCE).status_code < 500
    except (requests.ConnectionError, urllib3.exceptions.HTTPError):
        return False
