"""The boot client as a process, with a real single-user server, against a small hub and metadata service."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from bootstrap.worker.boot import LONGEST_RESTART, exit_reason, restart_pause
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

from .conftest import PERIOD, CloudWatch
from .fake_hub import INSTANCE, SERVER_TOKEN, FakeHub, running
from .places import HUB_ADDRESS, WORKER_ADDRESS, Jupyter, until

# 409 is what a hub answers whose spawner does not wait yet, 503 a hub that restarts.
REFUSALS = [(503, {}), (409, {"Retry_After": "0"})]


@dataclass(frozen=True)
class Booted:
    """A running boot client. ``server`` answers once the single-user server does."""

    process: subprocess.Popen[bytes]
    hub: FakeHub
    server: Jupyter
    log: Path

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def command_lines(self) -> list[tuple[psutil.Process, list[str]]]:
        """Every process with its command line, but for those that end just now."""
        found = []
        for child in self.tree():
            with suppress(psutil.NoSuchProcess):
                found.append((child, child.cmdline()))
        return found

    def singleuser(self) -> psutil.Process:
        [found] = [child for child, words in self.command_lines() if "jupyterhub.singleuser" in words]
        return found


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub(HUB_ADDRESS, WORKER_ADDRESS, list(REFUSALS))) as hub:
        yield hub


@pytest.fixture
def booted(tmp_path: Path, hub: FakeHub, cloudwatch: CloudWatch) -> Iterator[Booted]:
    home = tmp_path / "home"
    home.mkdir()
    # A file of the user's that must not be taken for a module of the server.
    (home / "jupyterhub.py").write_text("raise SystemExit('the user's file was imported')")
    port = free_port(WORKER_ADDRESS)
    server = Jupyter(f"http://{WORKER_ADDRESS}:{port}/user/alice/", SERVER_TOKEN, home, INSTANCE)
    log = tmp_path / "console.log"
    with log.open("wb") as output:
        process = boot(launch_file(tmp_path, hub, port), home, hub, cloudwatch.url, output)
    yield Booted(process, hub, server, log)
    if process.poll() is None:
        process.terminate()
        process.wait(PATIENCE)


def launch_file(directory: Path, hub: FakeHub, port: int) -> Path:
    path = directory / "worker.json"
    fields = {
        "cluster": "test",
        "hub_api": f"{hub.url}/hub/api",
        "hub_name": "hub.test",
        "region": "us-east-1",
        "report_period": PERIOD,
        "port": port,
    }
    path.write_text(json.dumps(fields))
    return path


def boot(
    config: Path, home: Path, hub: FakeHub, aws: str, output: Any, *arguments: str
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "bootstrap.worker.boot", "--config", str(config), *arguments],
        env={
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            "SHELL": "/bin/bash",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{hub.url}/_imds/{INSTANCE}",
            "AWS_ENDPOINT_URL": aws,
        },
        stdout=output,
        stderr=subprocess.STDOUT,
    )


async def up(booted: Booted) -> dict[str, Any]:
    """Wait until the single-user server answers the hub's question."""
    return await booted.server.answering(booted.process, booted.log)


async def so(condition: Callable[[], bool]) -> None:
    async def look() -> bool:
        return condition()

    await until(look, bool)


@pytest.mark.timeout(PATIENCE)
async def test_a_worker_boots_proves_itself_works_on_after_a_crash_and_ends(
    booted: Booted, cloudwatch: CloudWatch
) -> None:
    assert (await up(booted))["instance_id"] == INSTANCE
    check_proofs(booted.hub)
    check_secrets(booted)
    await so(lambda: bool(cloudwatch.datapoints("Activity", INSTANCE)))

    job = await detach_a_job(booted)
    kernel = await booted.server.kernel()
    kernels = [child for child, words in booted.command_lines() if any(kernel in word for word in words)]
    assert kernels

    crashed = booted.singleuser()
    crashed.kill()
    await so(lambda: booted.hub.given == 2)
    seen = await until(lambda: up(booted), lambda seen: seen["level"] == 2)
    assert booted.singleuser().pid != crashed.pid
    assert "sleep runs detached" in seen["details"], "it outlives the server that it was started from"
    assert not any(process.is_running() for process in kernels), "they could not be reached any more"

    tree = booted.tree()
    assert job.pid in {process.pid for process in tree}
    booted.process.terminate()
    assert booted.process.wait(PATIENCE) == 0
    assert not any(process.is_running() for process in tree)


def check_proofs(hub: FakeHub) -> None:
    """Every request was signed afresh, for this hub, for the STS endpoint that AWS's variables name."""
    assert len(hub.proofs) == 3
    for proof in hub.proofs:
        assert set(proof) == {"url", "headers", "body"}
        assert proof["headers"]["X-Cloudjhub-Hub"] == "hub.test"
        assert "x-cloudjhub-hub" in proof["headers"]["Authorization"]
        assert proof["url"] == f"http://{proof['headers']['Host']}/"
        assert proof["headers"]["X-Amz-Security-Token"] == "session-token"


def check_secrets(booted: Booted) -> None:
    """The server's token is in its environment and nowhere else; the role's key is nowhere."""
    server = booted.singleuser()
    assert server.environ()["JUPYTERHUB_API_TOKEN"] == SERVER_TOKEN
    assert server.cwd() == str(booted.server.home)
    assert not any(SERVER_TOKEN in word for _, words in booted.command_lines() for word in words)
    for secret in (SERVER_TOKEN, "secret-key-of-the-role"):
        assert secret not in booted.log.read_text()
    assert "secret-key-of-the-role" not in server.environ().values()
    listening = {connection.laddr.ip for connection in server.net_connections("inet") if not connection.raddr}
    assert listening <= {WORKER_ADDRESS, "127.0.0.1"}


async def detach_a_job(booted: Booted) -> psutil.Process:
    """Start a job in a terminal that detaches itself, and close the terminal."""
    _, terminal = await booted.server.terminal()
    job = "setsid nohup sleep 3600 >/dev/null 2>&1 & disown; exit\r"
    await terminal.write_message(json.dumps(["stdin", job]))
    await until(booted.server.look, lambda seen: "sleep runs detached" in seen["details"])
    terminal.close()
    [found] = [child for child, words in booted.command_lines() if words[:1] == ["sleep"]]
    assert found.ppid() == booted.process.pid
    return found


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_worker_says_so_in_one_line_and_still_ends_at_once(
    tmp_path: Path, hub: FakeHub, status: int
) -> None:
    hub.refusals = [(status, {})]
    log = tmp_path / "console.log"
    with log.open("wb") as output:
        process = boot(launch_file(tmp_path, hub, 8888), tmp_path, hub, hub.url, output)
    await so(lambda: f"({status})" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert [str(status) in line for line in log.read_text().splitlines() if "ERROR" in line] == [True]
    assert "Traceback" not in log.read_text()


@pytest.mark.timeout(PATIENCE)
async def test_a_worker_without_its_home_reports_that_and_starts_nothing(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Until it is ended; the hub learns of it from the machine itself, by its proof."""
    hub.refusals = []
    log = tmp_path / "console.log"
    with log.open("wb") as output:
        config = launch_file(tmp_path, hub, 8888)
        process = boot(config, tmp_path, hub, hub.url, output, "--problem", "home")
    await so(lambda: hub.given == 1)
    [proof] = hub.proofs
    assert set(proof) == {"url", "headers", "body", "problem"}
    assert proof["problem"] == "home"
    assert psutil.Process(process.pid).children(recursive=True) == []
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert SERVER_TOKEN not in log.read_text()


def test_a_bad_launch_file_is_described_in_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "worker.json"
    command = [sys.executable, "-m", "bootstrap.worker.boot", "--config", str(missing)]
    ended = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert ended.returncode == 2
    assert ended.stdout.count("\n") == 1
    assert f"{missing}: No such file" in ended.stdout


@pytest.mark.parametrize(("crashes", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1000, 60)])
def test_restarts_slow_down_up_to_a_limit(crashes: int, seconds: int) -> None:
    assert restart_pause(crashes) == timedelta(seconds=seconds) <= LONGEST_RESTART


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (1, "exit code 1"), (-9, "signal 9")])
def test_an_end_is_described_in_words(code: int, words: str) -> None:
    assert exit_reason(code) == words
