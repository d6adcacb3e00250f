"""A server starts in a home without any space left, and its user can make some."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.worker.space import LEAST_BYTES, LEAST_FILES, extra_for, is_full
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

from .conftest import CloudWatch
from .fake_hub import INSTANCE, SERVER_TOKEN, FakeHub, running
from .places import HUB_ADDRESS, WORKER_ADDRESS, Jupyter
from .test_boot import launch_file

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
NOTEBOOK = """{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"""
# What a home has after earlier sessions, in which Jupyter and IPython have made files, or have not yet.
USED = """
mkdir -p .local/share/jupyter .local/share/Trash .jupyter .ipython/profile_default
echo earlier >.jupyter/migrated
echo signatures >.local/share/jupyter/nbsignatures.db
"""
HALF_USED = "mkdir .ipython"
FILL = {
    "blocks": "dd if=/dev/zero of=large bs=1k count=4000",
    "files": "n=0; while : >large/$n; do n=$((n+1)); done",
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub(HUB_ADDRESS, WORKER_ADDRESS, [])) as hub:
        yield hub


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize(
    ("full_of", "before"),
    [("blocks", ""), ("files", HALF_USED), ("blocks", USED)],
    ids=["never used", "used once", "used"],
)
async def test_server_starts_in_a_full_home_and_its_user_can_delete_files(
    full_of: str, before: str, tmp_path: Path, hub: FakeHub, cloudwatch: CloudWatch
) -> None:
    """The home is a small file system that only the worker's processes see."""
    if not can_mount():
        pytest.skip("may not make a mount namespace")
    home, log = tmp_path / "home", tmp_path / "console.log"
    home.mkdir()
    port = free_port(WORKER_ADDRESS)
    server = Jupyter(f"http://{WORKER_ADDRESS}:{port}/user/alice/", SERVER_TOKEN, home, INSTANCE)
    script = f"""
        mount -t tmpfs -o size=2m,nr_inodes=100 tmpfs {home} && cd {home} || exit 1
        {before}
        echo '{NOTEBOOK}' >notebook.ipynb
        {"mkdir large" if full_of == "files" else ""}
        ({FILL[full_of]}) 2>/dev/null
        find . -type f | sort | xargs ls -l >{tmp_path}/before
        exec {sys.executable} -m bootstrap.worker.boot --config {launch_file(tmp_path, hub, port)}
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*NAMESPACE, "sh", "-c", script],
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path.cwd()),
                "SHELL": "/bin/sh",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{hub.url}/_imds/{INSTANCE}",
                "AWS_ENDPOINT_URL": cloudwatch.url,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await server.answering(process, log)
        assert "The home is full" in log.read_text()
        assert (await server.call("GET", "api/contents/notebook.ipynb"))["type"] == "notebook"
        await server.kernel()
        await server.call("POST", "api/terminals", {})
        if before == USED:
            kept = Path(f"/proc/{process.pid}/root{home}/.local/share/jupyter/nbsignatures.db")
            assert kept.read_text() == "signatures\n"
        await server.call("DELETE", "api/contents/large")
        text = {"type": "file", "format": "text", "content": "there is space again"}
        await server.call("PUT", "api/contents/new.txt", text)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("space", "files", "most_files", "full"),
    [
        (LEAST_BYTES, LEAST_FILES, 1000, False),
        (LEAST_BYTES - 1, LEAST_FILES, 1000, True),
        (LEAST_BYTES, LEAST_FILES - 1, 1000, True),
        (LEAST_BYTES, 0, 0, False),
    ],
)
def test_home_is_full_without_space_or_without_files(
    space: int, files: int, most_files: int, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = os.statvfs_result((4096, 1, 10**9, 10**9, space, most_files, files, files, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: told)
    assert is_full(Path("/home/x")) is full


def test_server_with_space_is_started_as_always(tmp_path: Path) -> None:
    extra = extra_for(tmp_path, Path("/run/w"), full=False)
    assert (extra.environment, extra.arguments) == ({"JUPYTER_RUNTIME_DIR": "/run/w"}, ())


def test_home_that_cannot_be_asked_is_not_full(tmp_path: Path) -> None:
    assert not is_full(tmp_path / "missing")
