"""cloud-init itself takes the user data of worker, builder and manager."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bootstrap.config.choices import Base, Https
from bootstrap.machines.image.request import ImageConfig
from bootstrap.machines.image.request import user_data as builders
from bootstrap.machines.manager_request import user_data as managers
from bootstrap.machines.outgoing import Outgoing
from hub.spawn.launch_request import user_data as workers
from lifecycle_app.contract import HomeDisk
from tests.bootstrap.manager_examples import CONFIG
from tests.hub.fakes import SETTINGS
from tests.machines.base import base_root

IMAGE = ImageConfig(
    region="eu-central-1", bucket="a-bucket", bundle="bundle/0.tar.gz", packages="bundle/1.packages.json"
)
OUTGOING = Outgoing(
    http_proxy="http://proxy.example.org:3128",
    no_proxy=("localhost", ".example.org"),
    pip_index="https://mirror.example.org/simple",
    apt_mirror="http://mirror.example.org/ubuntu",
)
EXAMPLES = {
    "builder behind a proxy": builders(IMAGE, Base.UBUNTU, OUTGOING),
    "manager behind a proxy": managers(replace(CONFIG, outgoing=asdict(OUTGOING))),
    "worker": workers(SETTINGS, HomeDisk.NEW),
    "builder on Ubuntu": builders(IMAGE, Base.UBUNTU),
    "builder on Amazon Linux": builders(replace(IMAGE, packages=""), Base.AMAZON_LINUX),
    "manager": managers(CONFIG),
    "manager with Let's Encrypt": managers(replace(CONFIG, https=Https.LETS_ENCRYPT, email="a@example.org")),
    "manager with its own certificate": managers(replace(CONFIG, https=Https.OWN, subdomains=True)),
    "manager without HTTPS": managers(replace(CONFIG, https=Https.NONE)),
    "manager that forwards": managers(replace(CONFIG, nat_range="10.77.0.0/16")),
}

# In a mount namespace, so that the root itself stays as it is.
IN_ROOT = 'mount --bind "$0" "$1/mnt" && exec chroot "$@"'
Check = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def check() -> Check:
    """Runs `cloud-init schema` on a file: this host's, or else the one in the machines' root."""
    if shutil.which("cloud-init"):
        return lambda file: _run("cloud-init", "schema", "--config-file", str(file))
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("needs cloud-init, or root and debootstrap to get it: run `sudo make machines`")
    root = str(base_root())
    return lambda file: _run(
        "unshare", "--mount", "sh", "-c", IN_ROOT, str(file.parent), root,
        "cloud-init", "schema", "--config-file", f"/mnt/{file.name}",
    )  # fmt: skip


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("example", EXAMPLES)
def test_cloud_init_takes_the_user_data(example: str, check: Check, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text(EXAMPLES[example])
    done = check(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout


def test_cloud_init_does_judge(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text('#cloud-config\n{"runcmd": "not a list"}\n')
    assert check(file).returncode != 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_user_data_fits(example: str) -> None:
    assert len(EXAMPLES[example].encode()) <= 16 * 1024
