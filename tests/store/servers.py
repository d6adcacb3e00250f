"""DynamoDBs to test the store against, each another program, started and ended by whoever uses it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from bootstrap.local.programs import node
from tests.shared.tables import TABLES, create_tables

HERE = Path(__file__).parent
JARS = HERE.parents[1] / "build/dynamodb-local"
CLUSTER = "test"
KINDS = ("moto", "dynalite", "dynamodb-local")
# moto is in this process; the others are programs.
PARAMS = (KINDS[0], *(pytest.param(kind, marks=pytest.mark.emulator) for kind in KINDS[1:]))


@contextmanager
def running(kind: str) -> Iterator[str]:
    """The endpoint of a DynamoDB of that kind; "" for moto, which is in this process.

    Skips the test, with the reason, where Java or its jars are not to be had.
    """
    if kind == "moto":
        yield ""
        return
    with _listening(_dynalite() if kind == "dynalite" else _dynamodb_local()) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def used(endpoint: str) -> Iterator[None]:
    """That DynamoDB where the environment says it is, with the tables of cluster `test`."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        if endpoint:
            patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        else:
            stack.enter_context(mock_aws())
            _one_at_a_time(patch)
        create_tables(CLUSTER)
        yield


def empty(client: Any) -> None:
    """Deletes all there is in the tables."""
    for model, table in TABLES:
        keys = [name for name, one in model.get_attributes().items() if one.is_hash_key or one.is_range_key]
        for item in client.get_paginator("scan").paginate(TableName=name_of(table)).search("Items"):
            client.delete_item(TableName=name_of(table), Key={name: item[name] for name in keys})


def name_of(table: str) -> str:
    """A table's whole name."""
    return f"cloudjhub-{CLUSTER}-{table}"


def _dynalite() -> Sequence[str]:
    if not (HERE / "node_modules/dynalite").is_dir():
        raise RuntimeError("dynalite is not installed: run `make setup-test`, as `make test` does")
    return [node(), str(HERE / "dynalite.mjs")]


def _dynamodb_local() -> Sequence[str]:
    if shutil.which("java") is None or not (JARS / ".ready").is_file():
        pytest.skip(
            "needs Java (a JDK of 17 or newer) and Maven: then `make setup-test` fetches DynamoDB Local"
        )
    libraries = ["-cp", f"{JARS}/*", f"-Dsqlite4java.library.path={JARS}"]
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", *libraries, str(HERE / "DynamoDbLocal.java")]


@contextmanager
def _listening(command: Sequence[str]) -> Iterator[int]:
    """The port of a program that prints `port <number>` once it listens, ended afterwards."""
    with subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            yield _port_told(server)
        finally:
            server.terminate()


def _port_told(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("port "):
            return int(line.split()[1])
    raise RuntimeError(f"{server.args!r} ended with {server.wait()} and told no port")


def _one_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """moto loses conditional writes of threads; the local cloud holds such a lock around it too."""
    lock, call = Lock(), DynamoHandler.call_action

    def locked(self: Any) -> Any:
        with lock:
            return call(self)

    patch.setattr(DynamoHandler, "call_action", locked)
