"""Packages that a user installs: kernels have them, the server does not; the environment is made as the image's."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from bootstrap.machines.image import setup, start
from bootstrap.worker.server import server_arguments

# What runs as the server does: it must not see the package itself, and starts a kernel that must.
SERVER = """
import os, sys
try:
    import tiny
except ImportError:
    print("server: none")
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    asked = "import shutil, tiny; print('kernel:', tiny.WORDS, shutil.which('tiny-tool') is not None)"
    client.execute_interactive(asked, timeout=60)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package with a module and a program."""
    path, info = tmp_path / "tiny-1-py3-none-any.whl", "tiny-1.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "WORDS = 'is here'\ndef main(): print(WORDS)\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntiny-tool = tiny:main\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def test_kernels_have_them_and_the_server_does_not(tmp_path: Path, wheel: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    home.mkdir()
    venv = start.at(root, start.VENV)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # Replaces the installation of JupyterLab, which takes minutes.
    [libraries] = venv.glob("lib/python3*/site-packages")
    (libraries / "image.pth").write_text(sysconfig.get_path("purelib"))
    setup.open_to_users_packages(root, start.run)

    python = str(venv / "bin/python")
    environment = {"HOME": str(home), "PATH": f"{venv}/bin:/usr/bin:/bin:{home}/.local/bin"}
    install = [python, "-m", "pip", "install", "--user", "--no-index", str(wheel)]
    subprocess.run(install, env=environment, check=True)

    arguments = list(server_arguments(python, as_root=False))
    flags = arguments[1 : arguments.index("-m")]
    said = subprocess.run(
        [python, *flags, "-c", SERVER], env=environment, capture_output=True, text=True, check=False, cwd=home
    )
    assert said.stdout.splitlines() == ["server: none", "kernel: is here True"], said.stderr


def test_terminals_find_their_programs_last(tmp_path: Path) -> None:
    setup.open_to_users_packages(tmp_path, lambda *_, **__: "")
    profile = start.at(tmp_path, setup.PROFILE)
    said = subprocess.run(
        ["sh", "-c", f'. {profile}; echo "$PATH"'],
        env={"HOME": "/home/jovyan", "PATH": "/usr/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "/opt/cloudjhub/bin:/usr/bin:/home/jovyan/.local/bin"
