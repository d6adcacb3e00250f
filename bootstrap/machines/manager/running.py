"""Runs the system's programs: a list of words, never a shell."""

import subprocess
from collections.abc import Callable, Sequence

from bootstrap.machines.manager.errors import SetupError

Run = Callable[[Sequence[str]], str]
"""Runs a command and gives what it printed. Raises SetupError with the last line of its errors."""


def run(command: Sequence[str]) -> str:
    """As `Run`."""
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()
        raise SetupError(f"{' '.join(command[:4])} ended with {done.returncode}: {lines[-1]}")
    return done.stdout


def answer_code(command: Sequence[str]) -> int:
    """The exit code of a program that answers by it."""
    return subprocess.run(list(command), capture_output=True, check=False).returncode
