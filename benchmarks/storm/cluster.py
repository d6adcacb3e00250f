"""The processes of a storm: lean AWS, machines, the real proxy and hub; and the users when they arrive."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import requests

from benchmarks.storm.settings import CLUSTER, GROUP, HUB_NAME, IMAGE, ROLE, SUBNETS, Storm
from lifecycle_app.contract import OPERATOR_TOKEN
from tests.bootstrap.front import nginx, wait_for
from tests.hub.emulated import REPOSITORY, Emulated
from tests.shared.addresses import free_port
from tests.shared.waiting import until

SECRETS = (
    "lifecycle-token",
    OPERATOR_TOKEN,
    "hub/worker-token-key",
    "hub/cookie-secret",
    "hub/proxy-token",
    "hub/user-password",
)
MEGABYTE = 1024 * 1024


class StormHub(Emulated):
    """Hub and proxy in the storm's account."""

    def settle(self, storm: Storm, given: Mapping[str, str]) -> None:
        """The hub's settings: an operator's defaults."""
        self.proxy_at = storm.proxy
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        users = self.directory / "users"
        # A class is on the users list: the hub knows all users from its start.
        users.write_text("".join(f"{storm.name(number)}\n" for number in range(storm.users)))
        self.secrets = dict(given)
        self.environ = self._environ() | {
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
            "CLOUDJHUB_STORM_LOOP": str(self.directory / "loop.jsonl"),
        }
        config = self._config(storm.public_port, IMAGE, list(SUBNETS), GROUP, users)
        extra = {
            "name": HUB_NAME,
            "wanted_interval": 60,
            "extra_config": str(Path(__file__).with_name("hub_extra.py")),
        }
        self.config = config | {
            "cluster": CLUSTER,
            "public_url": storm.public,
            "workers": config["workers"] | {"role": ROLE},
            "timing": {"read_interval": 5},
            "hub": config["hub"] | extra,
        }


@dataclass
class Usage:
    """What a process used."""

    cpu: float = 0.0
    """Seconds."""
    memory: float = 0.0
    """Peak megabytes (RSS)."""


@dataclass
class Cluster:
    """The running processes of a storm."""

    storm: Storm
    directory: Path
    hub: StormHub
    processes: dict[str, psutil.Process] = field(default_factory=dict)
    others: float = 0.0
    """Cores that other programs used while the last usage was counted."""

    def counts(self) -> dict[str, Any]:
        """The counts of the lean AWS."""
        found: dict[str, Any] = requests.get(self.storm.aws + "/_storm/counts", timeout=60).json()
        return found

    def visits(self) -> list[dict[str, Any]]:
        """The storm itself; returns when each user has a server or has failed."""
        process = _python(self, "visitors", stdout=subprocess.PIPE)
        self.processes["users"] = psutil.Process(process.pid)
        try:
            output, _ = process.communicate()
        finally:
            process.kill()
        found: list[dict[str, Any]] = json.loads(output)
        return found

    def restart_hub(self, between: Callable[[], None]) -> None:
        """Kills the hub, calls `between`, and starts it again."""
        self.hub.kill_hub()
        between()
        self.start_hub()

    def start_hub(self) -> None:
        """Starts the hub, and counts what it uses."""
        self.hub.start_hub()
        assert self.hub.process is not None
        self.processes["hub"] = psutil.Process(self.hub.process.pid)

    def routes(self) -> int:
        """How many routes the proxy has."""
        url = f"http://{self.hub.hub_address}:8001/api/routes"
        headers = {"Authorization": f"token {self.hub.secrets['hub/proxy-token']}"}
        return len(requests.get(url, headers=headers, timeout=20).json())

    def loop(self, kind: str, since: float) -> list[dict[str, Any]]:
        """The log of the hub's loop since a time (epoch seconds): each `gap` or each `step`."""
        lines = (self.directory / "loop.jsonl").read_text().splitlines()
        return [told for line in lines if kind in (told := json.loads(line)) and told["at"] > since]

    @contextmanager
    def used(self) -> Iterator[dict[str, Usage]]:
        """CPU and memory of each process from here to the end, by name."""
        before = {name: _cpu(process) for name, process in self.processes.items()}
        began, busy = time.monotonic(), _busy()
        found: dict[str, Usage] = {}
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                look()

        def look() -> None:
            for name, process in list(self.processes.items()):
                usage = found.setdefault(name, Usage())
                try:
                    usage.cpu = max(usage.cpu, _cpu(process) - before.get(name, 0.0))
                    usage.memory = max(
                        usage.memory, sum(one.memory_info().rss for one in _family(process)) / MEGABYTE
                    )
                except psutil.Error:
                    continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield found
        finally:
            over.set()
            watcher.join()
            look()
            ours = sum(usage.cpu for usage in found.values())
            self.others = max(0.0, (_busy() - busy - ours) / (time.monotonic() - began))


@contextmanager
def running(wanted: Storm, directory: Path) -> Iterator[Cluster]:
    """A cluster, until the end of the block."""
    storm = replace(
        wanted,
        aws_port=free_port(f"{wanted.network}.0.2"),
        public_port=free_port(f"{wanted.network}.0.1"),
        proxy_port=free_port(f"{wanted.network}.0.1"),
    )
    given = {name: secrets.token_hex(32) for name in SECRETS} | {"hub/admin-password": secrets.token_hex(40)}
    storm.write(directory / "storm.json", given)
    hub = StormHub(storm.aws, directory, network=storm.network)
    hub.settle(storm, given)
    cluster = Cluster(storm, directory, hub)
    begun = []
    try:
        for name in ("account", "machines"):
            begun.append(_python(cluster, name))
            cluster.processes[name] = psutil.Process(begun[-1].pid)
            until(lambda: _answers(storm))
        backend = storm.proxy.rpartition("/")[2]
        host = backend.partition(":")[0]
        with (
            hub.proxy("--no-x-forward"),
            nginx(directory / "nginx", host, backend, storm.public_port) as front,
        ):
            cluster.processes["nginx"] = psutil.Process(front.process.pid)
            [proxy] = [
                one for one in psutil.Process().children() if "configurable-http-proxy" in str(one.cmdline())
            ]
            cluster.processes["proxy"] = proxy
            cluster.start_hub()
            wait_for(front, directory / "nginx")
            yield cluster
    finally:
        hub.kill_hub()
        for process in begun:
            process.kill()
            process.wait()


def _python(cluster: Cluster, module: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"benchmarks.storm.{module}", str(cluster.directory / "storm.json")]
    with (cluster.directory / f"{module}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=dict(os.environ), stdout=stdout or log, stderr=log
        )


def _answers(storm: Storm) -> bool:
    try:
        return requests.get(storm.aws + "/_storm/counts", timeout=5).ok
    except requests.RequestException:
        return False


def _busy() -> float:
    """Seconds that all cores together have worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _cpu(process: psutil.Process) -> float:
    """Of the process and those that it started, as nginx's workers: seconds."""
    times = [one.cpu_times() for one in _family(process)]
    return float(sum(one.user + one.system for one in times))


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]
