"""Builds the wheel and the sdist of a checkout: `make package`. The wheel is built from the sdist, so that whoever
builds from either gets the same.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.supply.locks import REPOSITORY

UV = REPOSITORY / "build/uv/bin/uv"
LEFT_OUT = shutil.ignore_patterns(
    "build", "node_modules", "__pycache__", "*.egg-info", ".git", ".local", ".venv*", ".*_cache"
)
HOOK = "import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist and the wheel, built into this folder from a copy of the sources: a build leaves files among them.

    Raises CalledProcessError with what setuptools said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cloudjhub-package-") as temporary:
        copy = Path(temporary, "sources")
        shutil.copytree(REPOSITORY, copy, ignore=LEFT_OUT, symlinks=True)
        sdist = _run("sdist", copy, folder)
        unpacked = Path(temporary, "unpacked")
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        [sources] = unpacked.iterdir()
        return sdist, _run("wheel", sources, folder)


def _run(kind: str, sources: Path, folder: Path) -> Path:
    """The file that a hook of the build back end made. The environment is ours, whose setuptools is locked."""
    command = [sys.executable, "-c", HOOK.format(kind=kind), str(folder.resolve())]
    done = subprocess.run(command, cwd=sources, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"building the {kind} failed:\n{done.stdout}{done.stderr}")
    return folder.resolve() / done.stdout.splitlines()[-1]


def install(wheel: Path, folder: Path) -> None:
    """Make an environment of the wheel and what it asks for, and nothing else. Raises CalledProcessError."""
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, wheel], check=True)


def run(environment: Path, *words: str, directory: Path, **variables: str) -> str:
    """What a program of the environment prints, run in a directory that is its home too; an error with what it said
    if it fails.
    """
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))}
    done = subprocess.run(
        [str(environment / "bin" / words[0]), *words[1:]],
        cwd=directory,
        env={**kept, "PATH": "/usr/bin:/bin", "HOME": str(directory), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    for made in build(Path(sys.argv[1])):
        print(made.relative_to(Path.cwd()) if made.is_relative_to(Path.cwd()) else made)
