"""Another user of the computer on which a local cloud runs: no file, no command line, no port gives anything away."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.scenarios.cloud import LocalCloud
from tests.shared.another_user import as_another_user
from tests.shared.waiting import PATIENCE

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]
PATHS = (
    "/",
    "/api/routes",
    "/hub/home",
    "/hub/api/user",
    "/hub/api/users",
    "/user/otto/api/contents",
    "/user/otto/cloudjhub/activity",
    "/_cloud/state",
    "/_ministack/health",
    "/latest/meta-data/",
)


@contextmanager
def passable(directory: Path) -> Iterator[None]:
    """pytest closes its directories; a state directory may lie in one that is open."""
    before = {one: one.stat().st_mode for one in directory.parents if not one.stat().st_mode & 1}
    for one, mode in before.items():
        one.chmod(mode | 0o011)
    yield
    for one, mode in before.items():
        one.chmod(mode)


def test_another_user_reads_no_file(cloud: LocalCloud) -> None:
    """Not even their names."""
    every = [cloud.state_dir, *sorted(cloud.state_dir.rglob("*"))[:500]]

    def read() -> list[str]:
        found = []
        for path in every:
            with suppress(PermissionError):
                found.append(f"{path}: {os.listdir(path) if path.is_dir() else path.stat()}")
        return found

    with passable(cloud.state_dir):
        assert as_another_user(read) == []
        assert as_another_user(lambda: oct(cloud.state_dir.stat().st_mode)) == "0o40700", "it is reached"


def test_another_user_sees_no_secret_of_a_process(cloud: LocalCloud) -> None:
    secrets = [
        cloud.password(),
        cloud.password(admin=True),
        cloud.told["environment"]["AWS_SECRET_ACCESS_KEY"],
    ]

    def read() -> list[str]:
        found = []
        for file in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")):
            with suppress(OSError):
                text = file.read_bytes().decode(errors="replace")
                found += [str(file) for secret in secrets if secret in text]
        return found

    assert as_another_user(read) == []


def listening(prefix: str, port: int) -> Iterator[tuple[str, int]]:
    """Addresses and ports where a process of this computer listens: addresses that begin so, and this port of any."""
    for one in psutil.net_connections("tcp"):
        at: Any = one.laddr
        if one.status == psutil.CONN_LISTEN and (at.ip.startswith(prefix) or at.port == port):
            yield at.ip, at.port


def test_another_user_gets_no_answer(cloud: LocalCloud) -> None:
    """From whatever listens on the cloud's addresses while a user works, at paths of all kinds. Kernels' own ports do
    not speak HTTP; docs/local-cloud.md says what they tell.
    """
    otto = cloud.person("otto")
    otto.start()
    otto.run_cell(otto.open_kernel(), "1")
    network = json.loads((cloud.state_dir / "addresses.json").read_text())["network"]
    ports = set(listening(f"127.{network}.", cloud.port))
    assert len(ports) >= 5, "hub, proxy, its API, two clouds, a worker"

    def ask() -> list[str]:
        found = []
        for ip, port in sorted(ports):
            host = f"[{ip}]" if ":" in ip else ip
            for path in PATHS:
                with suppress(requests.RequestException):
                    url = f"http://{host}:{port}{path}"
                    answer = requests.get(url, timeout=PATIENCE, allow_redirects=False)
                    if answer.ok and not 300 <= answer.status_code < 400:
                        found.append(f"{answer.status_code} {url}: {answer.text[:80]}")
        return found

    assert as_another_user(ask) == []
