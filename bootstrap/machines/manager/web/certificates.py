"""The certificate that nginx shows, in memory: from Parameter Store or, where it is Let's Encrypt's, from certbot.

    python -m bootstrap.machines.manager.web.certificates

A timer runs it. An uploaded certificate is taken into use, Let's Encrypt's is obtained and renewed. Whatever fails,
nginx keeps the certificate that it has.
"""

import grp
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from bootstrap.config.choices import Https
from bootstrap.machines.manager import secrets, system
from bootstrap.machines.manager.config import (
    CERTBOT_STATE,
    CERTIFICATE,
    CONFIG_PATH,
    KEY,
    NGINX_USER,
    PYTHON,
    RUN,
    TLS,
    WEBROOT,
    ManagerConfig,
)
from bootstrap.machines.manager.services import NGINX
from bootstrap.machines.manager.system import Run, SetupError, run

NAME = "hub"
"""What certbot calls the certificate, whatever names are in it."""


def place(config: ManagerConfig, state: Path = CERTBOT_STATE) -> bool:
    """Write certificate and key for nginx; whether they changed. Raises SetupError.

    Until Let's Encrypt has given one, that is a certificate of our own, which no browser trusts: nginx needs one to
    start, and Let's Encrypt needs nginx.
    """
    if config.https is Https.LETS_ENCRYPT:
        pair = _obtained(state) or (None if CERTIFICATE.exists() else _provisional(config))
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
    os.chown(TLS, 0, group)
    changed = [
        system.write_file(path, text, 0o640, group) for path, text in ((KEY, key), (CERTIFICATE, certificate))
    ]
    return any(changed)


def _obtained(state: Path) -> tuple[str, str] | None:
    live = state / "live" / NAME
    try:
        return (live / "fullchain.pem").read_text(), (live / "privkey.pem").read_text()
    except FileNotFoundError:
        return None


def _provisional(config: ManagerConfig) -> tuple[str, str]:
    # Here, for the set-up installs what it needs.
    from bootstrap.machines.certificate import self_signed

    pair = self_signed(urlsplit(config.public_url).hostname or "", config.subdomains, datetime.now(UTC))
    return pair.certificate, pair.key


def certbot_command(config: ManagerConfig, state: Path = CERTBOT_STATE) -> list[str]:
    """What obtains the certificate, or renews it when a third of its life is left, or does nothing."""
    host = urlsplit(config.public_url).hostname or ""
    names = [host, f"*.{host}"] if config.subdomains else [host]
    contact = (
        ["--email", config.email, "--no-eff-email"] if config.email else ["--register-unsafely-without-email"]
    )
    return [
        str(PYTHON.with_name("certbot")), "certonly", "--non-interactive", "--agree-tos", *contact,
        "--config-dir", str(state), "--work-dir", str(RUN / "certbot"), "--logs-dir", str(state / "logs"),
        "--max-log-backups", "20",
        "--cert-name", NAME, "--keep-until-expiring", "--renew-with-new-domains", "--key-type", "ecdsa",
        "--webroot", "--webroot-path", str(WEBROOT),
        *(word for name in names for word in ("--domain", name)),
    ]  # fmt: skip


def obtain(config: ManagerConfig, run: Run) -> None:
    """Have certbot obtain or renew the certificate, if it is time. Raises SetupError with what Let's Encrypt says."""
    WEBROOT.mkdir(exist_ok=True)
    WEBROOT.chmod(0o755)
    run(certbot_command(config))


def main() -> int:
    """0 when nginx has the certificate that it should have."""
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    try:
        if config.https is Https.LETS_ENCRYPT:
            obtain(config, run)
        if place(config):
            run(["systemctl", "reload", NGINX])
    except SetupError as error:
        print(f"cloudjhub-certificate: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
