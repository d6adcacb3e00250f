"""nginx with our configuration: only where it listens and where its files lie is another than on the manager."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bootstrap.machines.address import hub_answers
from bootstrap.machines.certificate import Pair, self_signed
from bootstrap.machines.manager.config import CERTIFICATE, HUB_STATIC, KEY, PAGES, WEBROOT
from bootstrap.machines.manager.services import ERRORS_ADDRESS, NGINX_RUN
from bootstrap.machines.manager.web.nginx import nginx_conf, pages
from tests.bootstrap.manager_examples import config
from tests.hub.emulated import REPOSITORY
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

UNPACKED = REPOSITORY / "build/nginx"
NGINX = (
    shutil.which("nginx", path=str(UNPACKED / "usr/sbin")) or shutil.which("nginx", path="/usr/sbin") or ""
)
STATIC = Path(sys.prefix) / "share/jupyterhub/static"
TYPES = Path("/etc/nginx/mime.types")
MISSING = "nginx is not there: `make setup-test` fetches it, as root on Debian or Ubuntu"


@dataclass(frozen=True)
class Front:
    """Where it answers, and how it is known."""

    host: str
    pair: Pair
    https: int
    http: int
    trust: str
    """The file with its certificate."""
    errors: str
    """Address and port where the proxy gets its error pages."""
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.https}"


def adapted(text: str, directory: Path) -> str:
    """A configuration whose files all lie in the directory."""
    types = UNPACKED / "etc/nginx/mime.types"
    for path, place in (
        (CERTIFICATE, directory / "certificate.pem"),
        (KEY, directory / "key.pem"),
        (NGINX_RUN, directory / "run"),
        (PAGES, directory / "pages"),
        (WEBROOT, directory / "acme"),
        (HUB_STATIC, STATIC),
        (TYPES, types if types.exists() else TYPES),
    ):
        text = text.replace(str(path), str(place))
    return text


def prepare(directory: Path, pair: Pair) -> None:
    """What the configuration names, beside the certificate."""
    for name in ("run", "pages", "acme"):
        (directory / name).mkdir(exist_ok=True)
    (directory / "certificate.pem").write_text(pair.certificate)
    (directory / "key.pem").write_text(pair.key)
    for name, page in pages().items():
        (directory / "pages" / name).write_text(page)


def command(file: Path, *options: str) -> list[str]:
    """nginx with this file; its processes keep the user who runs the tests."""
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [NGINX, "-e", "stderr", "-c", str(file), *user, *options]


@contextmanager
def nginx(
    directory: Path,
    host: str,
    backend: str,
    port: int = 0,
    *,
    hub: str = "",
    is_named: bool = False,
    changes: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Front]:
    """Before what listens at `backend` (address:port), until the end of the block; does not wait for its answer.

    `hub` (address:port) is asked for the proxy's error pages; with `is_named` its certificate is for
    the name in its URL, instead of its address; `changes` of the text shorten waits; `settings` are the
    manager's.
    """
    assert NGINX, MISSING
    directory.mkdir(exist_ok=True)
    ports = port or free_port(host), free_port(host), free_port(host)
    told = config(**{"public_url": f"https://{host}:{ports[0]}", **settings})
    name = urlsplit(told.public_url).hostname if is_named else host
    pair = self_signed(name or host, is_named and told.subdomains, datetime.now(UTC))
    prepare(directory, pair)
    text = adapted(nginx_conf(told), directory)
    assert all(before in text for before in changes or {})
    for before, now in (
        *(changes or {}).items(),
        ("127.0.0.1:8000", backend),
        (ERRORS_ADDRESS, f"{host}:{ports[2]}"),
        ("10.77.0.10:8081", hub or f"{host}:1"),
        ("listen 80", f"listen {host}:{ports[1]}"),
        (f"listen {ports[0]}", f"listen {host}:{ports[0]}"),
    ):
        text = text.replace(before, now)
    (directory / "nginx.conf").write_text(text)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command(directory / "nginx.conf"), stdout=log, stderr=log)
    try:
        yield Front(
            host, pair, ports[0], ports[1], str(directory / "certificate.pem"), f"{host}:{ports[2]}", process
        )
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(front: Front, directory: Path) -> None:
    """Until something answers through it."""
    until(lambda: front.process.poll() is not None or not hub_answers(front.url, front.pair), "the front")
    assert hub_answers(front.url, front.pair) == "", (directory / "log").read_text()
