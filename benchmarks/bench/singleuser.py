"""The start of a worker's server alone, as in the image and as pip alone installs it.

`python -m benchmarks.bench.singleuser --python PATH` takes an environment like the image's, with
bootstrap/worker/image-requirements.in. The hub is a substitute with one user.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import requests

from benchmarks.bench.report import Sample, Section, markdown, measured, ratios, sample
from benchmarks.bench.visitor import USABLE
from bootstrap.machines.image.setup import SLOW
from bootstrap.worker.server import JUPYTER_CONFIG
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

TOKEN = "a-token"
PREFIX = "/user/bench/"
USER = {
    "kind": "user",
    "name": "bench",
    "admin": False,
    "groups": [],
    "scopes": ["access:servers!user=bench"],
}
LOOK_EVERY = 0.02
AS_INSTALLED, TRIMMED = "as pip installs it", "as in the image"


class _Hub(BaseHTTPRequestHandler):
    """Answers a server's requests to its hub."""

    def do_GET(self) -> None:
        self._send(USER if self.path.startswith("/hub/api/user") else {"version": "6.1.1"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send({})

    def _send(self, content: Mapping[str, object]) -> None:
        sent = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hub() -> Iterator[str]:
    """The substitute's API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hub/api"
    finally:
        server.shutdown()
        server.server_close()


def arguments(python: Path) -> list[str]:
    """The worker's command without the reporter, which needs a machine."""
    return [
        str(python), "-P", "-s", "-m", "jupyterhub.singleuser",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None", "--allow-root",
    ]  # fmt: skip


def environment(api: str, home: Path, port: int) -> dict[str, str]:
    """The server's environment; of this process's own environment only the path of programs."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "JUPYTERHUB_ROOT_DIR": str(home),
        "JUPYTER_CONFIG_PATH": str(JUPYTER_CONFIG),
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-bench",
        "JUPYTERHUB_USER": "bench",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{PREFIX}",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps(USER["scopes"]),
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
    }


def without(packages: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Variables that hide these packages."""
    for name in packages:
        module = folder / f"{name.replace('-', '_')}.py"
        module.write_text('raise ImportError("the image does not have it")\n')
    return {"PYTHONPATH": str(folder)}


def start(python: Path, home: Path, more: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until Lab is usable, elapsed and of a processor; the server is terminated afterwards."""
    port = free_port()
    with hub() as api, (home / "server.log").open("ab") as log:
        began = time.monotonic()
        server = psutil.Popen(
            arguments(python),
            cwd=home,
            env={**environment(api, home, port), **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await_usable(f"http://127.0.0.1:{port}{PREFIX}", home / "server.log")
            used = server.cpu_times()
            return time.monotonic() - began, used.user + used.system
        finally:
            server.terminate()
            server.wait(PATIENCE)


def measure(python: Path, repetitions: int) -> Section:
    """Both kinds alternately, each in a home that has been used."""
    taken: dict[str, list[tuple[float, float]]] = {AS_INSTALLED: [], TRIMMED: []}
    with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
        home, shadows = Path(folder) / "home", Path(folder) / "shadows"
        home.mkdir()
        shadows.mkdir()
        kinds = {AS_INSTALLED: {}, TRIMMED: without(SLOW, shadows)}
        for turn in range(repetitions + 1):
            for kind, more in kinds.items():
                seconds = start(python, home, more)
                if turn:  # the first turn only warms the disk
                    taken[kind].append(seconds)
    return _section(taken)


def _section(taken: Mapping[str, list[tuple[float, float]]]) -> Section:
    rows = []
    for number, what in enumerate(("until Lab is usable", "of a processor until then")):
        samples: dict[str, Sample] = {
            kind: sample(one[number] for one in each) for kind, each in taken.items()
        }
        rows += [measured(f"{kind}: {what}", each, 2, "s") for kind, each in samples.items()]
        rows.append(measured(f"ratio: {what}", ratios(samples[TRIMMED], samples[AS_INSTALLED]), 2))
    return Section(
        title="The server's start",
        intro="jupyterhub-singleuser with JupyterLab, against a hub that answers at once, until Lab's page and its "
        f"kernel specs answer. The image does not contain {', '.join(SLOW)}.",
        rows=tuple(rows),
    )


def _await_usable(url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    waiting = list(USABLE)
    while waiting:
        if _answers(url + waiting[0]):
            waiting.pop(0)
        elif time.monotonic() > end:
            raise TimeoutError(f"no answer: {log.read_text(errors='replace')[-2000:]}")
        else:
            time.sleep(LOOK_EVERY)


def _answers(url: str) -> bool:
    try:
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.get(url, headers=headers, timeout=5, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False


def main() -> None:
    """Prints the section of the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench.singleuser", description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.prefix) / "bin/python")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    print(markdown("", [measure(given.python.absolute(), given.repetitions)]))


if __name__ == "__main__":
    main()
