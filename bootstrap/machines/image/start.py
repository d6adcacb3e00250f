"""Starts the builder's set-up: fetches the bundle, and continues with `setup` in it. User data carries this file.

Standard library only: nothing else is there yet. If it fails, it says so on the console and powers the machine off.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FAILED = "cloudjhub-image-failed: "
"""What follows on the console is why there is no image."""
CONFIG = "/etc/cloudjhub/image.json"
START = "/var/lib/cloudjhub/start.py"
FETCH = "/var/lib/cloudjhub/fetch.py"
FETCH_REQUIREMENTS = "/var/lib/cloudjhub/fetch-requirements.txt"
VENV = "/opt/cloudjhub"
BUNDLE = "/opt/cloudjhub/bundle"
SETUP = "bootstrap.machines.image.setup"
OLDEST = (3, 11)
LOCKED = ("--require-hashes", "--only-binary", ":all:")
"""pip installs exactly the files of a lock, and runs no code of theirs."""

Run = Callable[..., str]


class SetupFailed(Exception):
    """A step of the set-up failed; the message is one line."""


def run(*command: str, check: bool = True) -> str:
    """The output of a program. Raises SetupFailed with its last line if it fails."""
    print("+", *command, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout[-4000:], done.stderr[-4000:], flush=True)
    if check and done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise SetupFailed(f"{' '.join(command[:4])} ended with {done.returncode}: {lines[-1][:300]}")
    return done.stdout


def fetch_bundle(root: Path, run: Run = run) -> None:
    """The Python environment of boot client and server below `root`, and with its boto3 the bundle."""
    if sys.version_info < OLDEST:
        raise SetupFailed(f"Python {platform.python_version()} is too old: name a base with 3.11 or newer")
    python = str(at(root, VENV) / "bin/python")
    run(sys.executable, "-m", "venv", str(at(root, VENV)))
    pip_install(python, run, *LOCKED, "-r", str(at(root, FETCH_REQUIREMENTS)))
    run(python, str(at(root, FETCH)), str(at(root, CONFIG)))


def pip_install(python: str, run: Run, *what: str) -> None:
    """Install requirements into an environment."""
    run(python, "-m", "pip", "install", "--no-cache-dir", "--no-input", "--disable-pip-version-check", *what)


def at(root: Path, path: str) -> Path:
    """An absolute path below `root`."""
    return root / path.lstrip("/")


def say(line: str, console: str = "/dev/console") -> None:
    """Print a line, and write it to the console, which EC2 shows; on a new line, as the kernel writes there too."""
    print(line, flush=True)
    try:
        with open(console, "w") as screen:
            screen.write(f"\n{line}\n")
    except OSError as error:
        print(f"no console: {error}", flush=True)


def say_failed(error: Exception) -> None:
    """The line by which the operator's machine learns why there is no image."""
    say(FAILED + (" ".join(str(error).split()) or type(error).__name__)[:500])


def power_off() -> None:
    """Stop the machine, with everything on its disk."""
    os.sync()
    run("systemctl", "poweroff", check=False)


def main() -> None:
    """Continue with `setup`, or power off."""
    try:
        fetch_bundle(Path("/"))
        os.environ["PYTHONPATH"] = BUNDLE
        os.execv(sys.executable, [sys.executable, "-m", SETUP])  # noqa: S606 -- no shell is wanted
    except Exception as error:  # of any kind: it cannot be seen on the machine itself, which costs money
        say_failed(error)
        power_off()


if __name__ == "__main__":
    main()
