"""Real servers for the worker's tests: a Jupyter server with the reporter, and CloudWatch from moto."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.shared.addresses import free_port

from .places import JUPYTER_ADDRESS, MOTO_ADDRESS, Jupyter

PERIOD = 1


@dataclass(frozen=True)
class CloudWatch:
    """moto's CloudWatch, read from within."""

    url: str

    def datapoints(self, name: str, instance_id: str) -> list[float]:
        """Values of a metric of the test cluster in the order of their times."""
        from moto.cloudwatch.models import cloudwatch_backends

        found = [
            (datum.timestamp, datum.value)
            for account in cloudwatch_backends.values()
            for datum in account["us-east-1"].metric_data
            if (datum.namespace, datum.name) == ("cloudjhub/test", name)
            and [(d.name, d.value) for d in datum.dimensions] == [("InstanceId", instance_id)]
        ]
        return [float(value) for _, value in sorted(found)]


@pytest.fixture(scope="session")
def cloudwatch() -> Iterator[CloudWatch]:
    server = ThreadedMotoServer(ip_address=MOTO_ADDRESS, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield CloudWatch(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, cloudwatch: CloudWatch) -> Iterator[Jupyter]:
    """A Jupyter server below a process that plays the boot client's part as subreaper."""
    port = free_port(JUPYTER_ADDRESS)
    server = jupyter_at(port, tmp_path_factory.mktemp("home"), "i-reporter")
    command = [sys.executable, "-m", "tests.worker.subreaper", *jupyter_command(server, port)]
    with running(server, command, jupyter_environment(server, cloudwatch)):
        yield server


def jupyter_at(port: int, home: Path, instance: str) -> Jupyter:
    """A server that is not started yet."""
    return Jupyter(f"http://{JUPYTER_ADDRESS}:{port}/user/alice/", "token-of-the-test", home, instance)


@contextmanager
def running(server: Jupyter, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """The server's process, from its first answer on."""
    log = server.home.parent / "jupyter.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        asyncio.run(server.answering(process, log))
        yield
    finally:
        process.terminate()
        process.wait(30)


def jupyter_command(server: Jupyter, port: int) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "jupyter_server", "--allow-root", "--no-browser"),
        f"--ServerApp.ip={JUPYTER_ADDRESS}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.base_url=/user/alice/",
        f"--ServerApp.root_dir={server.home}",
        f"--IdentityProvider.token={server.token}",
        "--ServerApp.jpserver_extensions=bootstrap.worker.activity=True",
    ]


def jupyter_environment(server: Jupyter, cloudwatch: CloudWatch) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": str(server.home),
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": cloudwatch.url,
        "CLOUDJHUB_CLUSTER": "test",
        "CLOUDJHUB_INSTANCE_ID": server.instance_id,
        "CLOUDJHUB_REPORT_PERIOD": str(PERIOD),
    }
