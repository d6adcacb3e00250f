"""The certificate that nginx shows, in memory: from Parameter Store or, where it is Let's Encrypt's, from certbot.

    python -m bootstrap.machines.manager.web.certificates

A timer runs it. An uploaded certificate is taken into use, Let's Encrypt's is obtained and renewed. Whatever fails,
nginx keeps the certificate that it has.
"""

import grp
import os
import re
import secrets as random
import subprocess
import sys
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3

from bootstrap.aws.waiting import polls
from bootstrap.config.choices import Https
from bootstrap.machines.manager import secrets, system
from bootstrap.machines.manager.config import (
    CERTBOT_STATE,
    CERTIFICATE,
    CONFIG_PATH,
    KEY,
    NGINX_USER,
    PRESENTED,
    PYTHON,
    RUN,
    TLS,
    WEBROOT,
    ManagerConfig,
)
from bootstrap.machines.manager.services import NGINX
from bootstrap.machines.manager.system import SetupError, run

LEADS_HERE_WITHIN, ASKED_EVERY, ANSWERS_WITHIN = 840.0, 10.0, 5.0
"""Seconds: until the timer comes again."""
CHALLENGES = ".well-known/acme-challenge"
NAME = "hub"
"""What certbot calls the certificate, whatever names are in it."""


def place(config: ManagerConfig) -> bool:
    """Write certificate and key for nginx; whether they changed. Raises SetupError.

    Until Let's Encrypt has given one, that is a certificate of our own, which no browser trusts: nginx needs one to
    start, and Let's Encrypt needs nginx.
    """
    if config.https is Https.LETS_ENCRYPT:
        pair = _obtained() or (None if CERTIFICATE.exists() else _provisional(config))
        if pair is None:
            return False
    else:
        ssm = boto3.client("ssm", region_name=config.region)
        certificate, key = secrets.read_parameters(
            ssm, config.cluster, secrets.TLS_CERTIFICATE, secrets.TLS_KEY
        )
        pair = certificate, key
    return write(*pair)


def write(certificate: str, key: str) -> bool:
    """Put a pair where nginx reads it, in memory; whether it is another than before."""
    group = grp.getgrnam(NGINX_USER).gr_gid
    RUN.mkdir(mode=0o755, exist_ok=True)
    TLS.mkdir(mode=0o750, exist_ok=True)
    os.chown(TLS, -1, group)
    changed = [
        system.write_file(path, text, 0o640, group) for path, text in ((KEY, key), (CERTIFICATE, certificate))
    ]
    return any(changed)


def _obtained() -> tuple[str, str] | None:
    live = CERTBOT_STATE / "live" / NAME
    try:
        return (live / "fullchain.pem").read_text(), (live / "privkey.pem").read_text()
    except FileNotFoundError:
        return None


def _provisional(config: ManagerConfig) -> tuple[str, str]:
    # Here, for the set-up installs what it needs.
    from bootstrap.machines.certificate import self_signed

    pair = self_signed(urlsplit(config.public_url).hostname or "", config.subdomains, datetime.now(UTC))
    return pair.certificate, pair.key


def certbot_command(config: ManagerConfig) -> list[str]:
    """What obtains the certificate, or renews it when a third of its life is left, or does nothing."""
    host = urlsplit(config.public_url).hostname or ""
    names = [host, f"*.{host}"] if config.subdomains else [host]
    contact = (
        ["--email", config.email, "--no-eff-email"] if config.email else ["--register-unsafely-without-email"]
    )
    return [
        str(PYTHON.with_name("certbot")), "certonly", "--non-interactive", "--agree-tos", *contact,
        "--config-dir", str(CERTBOT_STATE), "--work-dir", str(RUN / "certbot"),
        "--logs-dir", str(CERTBOT_STATE / "logs"),
        "--max-log-backups", "20",
        "--cert-name", NAME, "--keep-until-expiring", "--renew-with-new-domains", "--key-type", "ecdsa",
        *validation(config),
        *(word for name in names for word in ("--domain", name)),
    ]  # fmt: skip


def validation(config: ManagerConfig) -> list[str]:
    """How certbot shows that the domain is ours: by a file that nginx serves, or by a DNS record, as wildcards need."""
    if not config.acme_dns:
        return ["--webroot", "--webroot-path", str(WEBROOT)]
    hook = f"{PYTHON} -P -m bootstrap.machines.manager.web.acme_dns"
    return [
        "--manual", "--preferred-challenges", "dns",
        "--manual-auth-hook", f"{hook} present", "--manual-cleanup-hook", f"{hook} remove",
    ]  # fmt: skip


def obtain(config: ManagerConfig) -> None:
    """Have certbot obtain or renew the certificate, if it is time. Raises SetupError with what Let's Encrypt says."""
    WEBROOT.mkdir(exist_ok=True)
    WEBROOT.chmod(0o755)
    PRESENTED.unlink(missing_ok=True)
    if not config.acme_dns and _obtained() is None:
        await_domain(urlsplit(config.public_url).hostname or "")
    done = subprocess.run(certbot_command(config), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"no certificate from Let's Encrypt: {complaint(done.stdout + done.stderr)}")


def await_domain(host: str) -> None:
    """Return as soon as the domain leads to this machine: Let's Encrypt takes few failures an hour.

    Also returns after some minutes: a network may keep machines from their own public address.
    """
    for _ in polls(LEADS_HERE_WITHIN, every=ASKED_EVERY):
        if leads_here(host):
            return
    print(
        f"cloudjhub-certificate: http://{host} does not lead here: point its A record to this machine",
        flush=True,
    )


def leads_here(host: str) -> bool:
    """Does port 80 of the domain show a file that lies here?"""
    name = random.token_hex(16)
    file = WEBROOT / CHALLENGES / name
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    system.write_file(file, name)
    try:
        with urlopen(f"http://{host}/{CHALLENGES}/{name}", timeout=ANSWERS_WITHIN) as answer:
            return bool(answer.read() == name.encode())
    except (OSError, HTTPException):
        return False
    finally:
        file.unlink()


def complaint(output: str) -> str:
    """What certbot's output says is wrong, in a line: what our hook and Let's Encrypt say, or else the last message."""
    details = re.findall(r"(?:^ *Detail:|ran with error output:\n) *(.+)$", output, re.MULTILINE)
    lines = [line.strip() for line in output.splitlines() if line.strip() and "Ask for help" not in line]
    return "; ".join(dict.fromkeys(details)) or (lines[-1] if lines else "no output")


def main() -> int:
    """0 when nginx has the certificate that it should have."""
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    try:
        if config.https is Https.LETS_ENCRYPT:
            obtain(config)
        if place(config):
            run(["systemctl", "reload", NGINX])
    except SetupError as error:
        print(f"cloudjhub-certificate: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
