"""Caddy with our file: only where it listens and where its files lie is another than on the manager."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bootstrap.machines.address import hub_answers
from bootstrap.machines.certificate import Pair, self_signed
from bootstrap.machines.manager.config import CADDY_STATE, CERTIFICATE, HUB_STATIC, KEY
from bootstrap.machines.manager.services import CADDY_ADMIN, caddyfile
from tests.bootstrap.manager_examples import config
from tests.hub.emulated import REPOSITORY
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

CADDY = shutil.which("caddy", path=f"{REPOSITORY}/build/caddy/usr/bin") or shutil.which("caddy") or ""
STATIC = Path(sys.prefix) / "share/jupyterhub/static"


@dataclass(frozen=True)
class Front:
    """Where it answers, and how it is known."""

    host: str
    pair: Pair
    https: int
    http: int
    trust: str
    """The file with its certificate."""
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.https}"


@contextmanager
def caddy(directory: Path, host: str, backend: str, https: int = 0) -> Iterator[Front]:
    """Before what listens at `backend` (address:port), until the end of the block; does not wait for its answer."""
    assert CADDY, "Caddy is needed: make setup-test as root, or apt install caddy"
    directory.mkdir(exist_ok=True)
    pair = self_signed(host, False, datetime.now(UTC))
    (directory / "certificate.pem").write_text(pair.certificate)
    (directory / "key.pem").write_text(pair.key)
    ports = https or free_port(host), free_port(host)
    text = caddyfile(config(public_url=f"https://{host}:{ports[0]}")).replace("127.0.0.1:8000", backend)
    for path, place in ((CERTIFICATE, "certificate.pem"), (KEY, "key.pem"), (CADDY_STATE, "state")):
        text = text.replace(str(path), str(directory / place))
    text = text.replace(str(HUB_STATIC), str(STATIC)).replace(CADDY_ADMIN, f"unix/{directory}/admin.sock")
    text = text.replace("{\n", f"{{\n\tdefault_bind {host}\n\thttp_port {ports[1]}\n", 1)
    (directory / "Caddyfile").write_text(text)
    command = [CADDY, "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]
    environment = {"HOME": str(directory), "PATH": "/usr/bin:/bin"}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield Front(host, pair, *ports, str(directory / "certificate.pem"), process)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(front: Front, directory: Path) -> None:
    """Until something answers through it."""
    until(lambda: front.process.poll() is not None or not hub_answers(front.url, front.pair), "the front")
    assert hub_answers(front.url, front.pair) == "", (directory / "log").read_text()
