"""The wheel, installed as an operator installs it: without a checkout, in an environment of its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bootstrap.cluster import chalice
from bootstrap.machines import bundle
from tests.supply import package
from tests.supply.locks import REPOSITORY

PARTS = ("bootstrap", "hub", "lifecycle_app")
PROJECT = ("app.py", "requirements.txt", ".chalice/config.json")
NOT_OURS = ("__pycache__", "node_modules", "labextension")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, which is built from this checkout."""
    return package.build(tmp_path_factory.mktemp("dist"))[1]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    package.install(wheel, folder)
    return folder


def test_the_wheel_has_every_file_of_the_checkout(wheel: Path) -> None:
    here = {
        path.relative_to(REPOSITORY).as_posix()
        for part in PARTS
        for path in (REPOSITORY / part).rglob("*")
        if path.is_file() and not set(path.parts) & set(NOT_OURS) and path.name != ".ready"
    }
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == here | {f"bootstrap/project/{name}" for name in PROJECT}


def test_it_sends_machines_and_lambda_what_a_checkout_sends(environment: Path, tmp_path: Path) -> None:
    """So that operators with a checkout and without one do not replace each other's manager in turn."""
    program = (
        "from bootstrap.machines import bundle; from bootstrap.cluster import chalice; "
        "from bootstrap.aws.scope import Scope; "
        "scope = Scope(partition='aws', region='us-east-1', account='123456789012', cluster='a'); "
        "print(bundle.current().key, chalice.content_hash(chalice.project_files(scope, {}, {})))"
    )
    printed = package.run(environment, "python", "-I", "-c", program, directory=tmp_path)
    here = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert printed == here.stdout
    assert bundle.current().key in printed
    assert chalice.project_folder() == REPOSITORY


@pytest.mark.parametrize("command", ["--help", "local up --help"])
def test_help_needs_nothing_of_linux(environment: Path, tmp_path: Path, command: str) -> None:
    """As macOS sees it: another name of the platform, no /proc, and none of what only Linux's Python has."""
    printed = package.run(environment, "python", "-I", "-c", MACOS, *command.split(), directory=tmp_path)
    assert "cloudjhub" in printed


MACOS = """
import importlib, os, select, signal, socket, sys

def import_all():
    from bootstrap.__main__ import COMMANDS
    for place, _ in COMMANDS.values():
        importlib.import_module(place.partition(":")[0])

import_all()  # others' packages choose their Linux part while this is Linux
for name in [name for name in sys.modules if name.partition(".")[0] in ("bootstrap", "hub", "lifecycle_app")]:
    del sys.modules[name]
for module, names in (
    (os, ("sched_getaffinity", "posix_fadvise", "pidfd_open", "memfd_create", "getrandom", "splice")),
    (select, ("epoll",)), (signal, ("pidfd_send_signal",)), (socket, ("AF_NETLINK", "AF_PACKET", "AF_VSOCK")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

def refuse(event, arguments):
    if event == "open" and str(arguments[0]).startswith(("/proc", "/sys/")):
        raise AssertionError(f"{arguments[0]} is opened")

sys.addaudithook(refuse)
sys.platform = "darwin"
import_all()
from bootstrap.__main__ import main
main()
"""
