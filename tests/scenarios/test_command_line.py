"""The command line of the local cloud: a second run, two side by side, a crash, Ctrl-C, wrong input."""

import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.scenarios.cloud import REPOSITORY, LocalCloud, control
from tests.shared.addresses import free_port, reserved
from tests.shared.waiting import PATIENCE

pytestmark = pytest.mark.cloud


@pytest.fixture
def other(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud of this test's own, ended afterwards whatever happens."""
    made = LocalCloud(tmp_path, free_port(), "--idle-timeout", "10m")
    yield made
    made.down()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bootstrap", "local", *words]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_a_second_run_resumes_with_the_files_kept_beside_another_cloud(
    cloud: LocalCloud, other: LocalCloud
) -> None:
    """Down and up again; and after a crash, `down` cleans up and the next run resumes too."""
    other.up()
    assert other.url != cloud.url
    walter = other.person("walter")
    walter.start()
    walter.write("kept.txt", "first")
    instance = other.recorded("walter")["instance"]
    assert not cloud.worker("walter"), "two local clouds know nothing of each other"
    assert "already" in run("up", "--state-dir", str(other.state_dir), "--detach").stderr
    other.down()
    assert not marked(other.state_dir), "nothing is left running"

    other.up()
    assert read_again(other, "walter", "kept.txt") == "first"
    assert other.recorded("walter")["instance"] == instance

    crash(other)
    other.down()
    assert not marked(other.state_dir), "down cleans up after a crash"
    other.up()
    assert read_again(other, "walter", "kept.txt") == "first"


def read_again(cloud: LocalCloud, name: str, path: str) -> str:
    """The file of a user whose server ran when the cloud ended: it boots again, or is started if it does not run."""
    person = cloud.person(name)
    if "" not in person.servers():
        person.request_start()
    cloud.await_true(f"{name}'s server answers", person.has_server)
    return person.read(path)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bootstrap",
        "local",
        "up",
        "--state-dir",
        str(tmp_path),
        "--port",
        str(free_port()),
    ]
    with reserved("network"):
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout
        printed = list(
            itertools.takewhile(lambda line: "the users' files are kept" not in line, process.stdout)
        )
    assert any("http://hub.localhost:" in line for line in printed), printed
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not marked(tmp_path)


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("up", "--state-dir", str(tmp_path), "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"cloudjhub: port {port} on 127.0.0.1 is in use: choose another with --port"
    )
    assert not marked(tmp_path)


def test_a_fault_is_switched_and_an_unknown_one_is_answered_with_their_names(cloud: LocalCloud) -> None:
    def fault(*words: str) -> subprocess.CompletedProcess[str]:
        return run("fault", "--state-dir", str(cloud.state_dir), *words)

    assert fault("slow-stop", "on").stdout == "slow-stop is on\n"
    assert "slow-stop" in control(cloud.told, "state")["faults"]
    assert fault("slow-stop", "off").stdout == "slow-stop is off\n"
    assert "slow-stop" not in control(cloud.told, "state")["faults"]
    unknown = fault("earthquake", "on")
    assert unknown.returncode == 2
    assert "capacity" in unknown.stderr


def test_a_shell_takes_the_variables_of_the_cloud(cloud: LocalCloud) -> None:
    told = run("env", "--state-dir", str(cloud.state_dir)).stdout
    shown = subprocess.run(
        ["bash", "-c", f"{told}\nenv -0"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("=", 1) for line in shown.stdout.split("\0") if line)
    assert cloud.told["environment"].items() <= found.items()


def crash(cloud: LocalCloud) -> None:
    """Kill the supervisor and the cloud process, as a machine that runs out of memory would."""
    killed = [
        process
        for process, command in marked(cloud.state_dir).items()
        if "bootstrap local up" in command or "bootstrap.local.cloud --address" in command
    ]
    assert len(killed) == 2
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(killed, timeout=PATIENCE)
    assert not alive


def marked(state_dir: Path) -> dict[psutil.Process, str]:
    """Every process of this state directory, with its command line."""
    found = {}
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            values = variables.get("CLOUDJHUB_LOCAL", ""), variables.get("CLOUDJHUB_INSTANCE", "")
            if any(value == str(state_dir) or value.startswith(f"{state_dir}:") for value in values):
                found[process] = " ".join(process.cmdline())
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found
