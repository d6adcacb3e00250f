"""What the machines' tests need: root and a few programs, without which they are skipped, and one cluster for all."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.machines.cluster import Cluster, running_cluster
from tests.machines.network import own_network

PROGRAMS = ("debootstrap", "systemd-nspawn", "unshare", "nsenter", "losetup", "ip", "nft")


@pytest.fixture(scope="module")
def _able() -> None:
    """Skips where machines cannot be had; fails where only a program is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to boot machines: run `sudo make machines`")
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.fail(f"not installed: {', '.join(missing)}: run `make machines`")
    allowed = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)
    if allowed.returncode != 0:
        pytest.skip(
            "this root may make no namespaces, as in most containers: run `make machines` on a machine"
        )


@pytest.fixture(scope="module")
def cluster(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A local cloud whose instances are real roots, with everything built but image and manager."""
    with own_network(), running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        running.apply("network", "data")
        running.apply("place")
        running.apply("access", "settings", "secrets", "bundle")
        yield running
