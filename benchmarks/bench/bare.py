"""The bare start of a single-user server: what a worker runs, without a machine, a boot client or a hub that waits."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.bench.counting import state
from benchmarks.bench.visitor import Visitor
from tests.scenarios.cloud import PATIENCE, LocalCloud
from tests.scenarios.conftest import free_port

# By these the local cloud finds the processes of an instance; a bare server is none.
MARKERS = ("CLOUDJHUB_INSTANCE", "CLOUDJHUB_BOOT_PID")
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class BareServer:
    """The command and environment of a worker's server, which still logs its visitors in through the hub."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def start(self, visitor: Visitor, home: Path) -> float:
        """Seconds from the start of the process until Lab is usable; the server is ended again."""
        port = free_port()
        url = f"http://127.0.0.1:{port}{self.environment['JUPYTERHUB_SERVICE_PREFIX']}"
        ours = {"HOME": str(home), "JUPYTERHUB_ROOT_DIR": str(home), "JUPYTERHUB_SERVICE_URL": url}
        began = time.monotonic()
        with (home / "server.log").open("ab") as log:
            process = subprocess.Popen(
                self.arguments,
                cwd=home,
                env={**self.environment, **ours},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            visitor.await_usable(url.rstrip("/"), PATIENCE)
            return time.monotonic() - began
        finally:
            process.terminate()
            process.wait(GRACE)


def of_worker(cloud: LocalCloud, key: str) -> BareServer:
    """The server that runs on this worker's instance."""
    [boot] = [
        one["pid"]
        for one in state(cloud)["instances"]
        if one["tags"].get("cloudjhub:user") == key and one["state"] == "running"
    ]
    [server] = [
        child
        for child in psutil.Process(boot).children(recursive=True)
        if "jupyterhub.singleuser" in child.cmdline()
    ]
    environment = {name: value for name, value in server.environ().items() if name not in MARKERS}
    return BareServer(tuple(server.cmdline()), environment)
