"""Runs Spin on the model of the stop and start protocol: generates its verifier, compiles it, lets it search."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("protocol.pml")
NEEDED = ("spin", "gcc")
MEMORY_MB = 2000
MOST_STEPS = 1_000_000
SAFETY = ("-DSAFETY",)
FAIRNESS = ("-DNFAIR=4",)
"""Room for the processes whose fairness is kept account of."""
CUT_SHORT = re.compile(
    r"max search depth too small|out of memory|memory limit|Search not completed|aborting|interrupted"
)
ERRORS = re.compile(r"errors: (\d+)")
STATES = re.compile(r"(\d\S*) states, stored")
DEPTH = re.compile(r"depth reached (\d+)")


@dataclass(frozen=True, slots=True)
class Search:
    """The results of one search."""

    errors: int
    states: int
    depth: int
    is_complete: bool
    said: str


def missing() -> list[str]:
    """The programs that are needed, and are not there."""
    return [name for name in NEEDED if shutil.which(name) is None]


def search(folder: Path, defined: tuple[str, ...], *, patience: bool = False) -> Search:
    """Searches all states of the model with these names defined, or until the first error.

    With `patience` it looks for a login that never ends, under weak fairness; otherwise for a failed assertion.
    """
    return _read(_said(folder, defined, patience, "-O1"))


def refutes(folder: Path, defined: tuple[str, ...], *, patience: bool = False) -> bool:
    """Does it find an error? One is found soon, so that the compiler's work is spared."""
    return _read(_said(folder, defined, patience, "-O0")).errors > 0


def _said(folder: Path, defined: tuple[str, ...], patience: bool, optimised: str) -> str:
    names = [f"-D{name}" for name in (*defined, *(("PATIENCE",) if patience else ()))]
    _run(folder, "spin", "-a", *names, str(MODEL))
    flags = FAIRNESS if patience else SAFETY
    _run(folder, "gcc", "-w", optimised, "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", *flags, "-o", "pan", "pan.c")
    return _run(folder, "./pan", f"-m{MOST_STEPS}", *(("-a", "-f") if patience else ()))


def _read(said: str) -> Search:
    found = {
        name: pattern.search(said)
        for name, pattern in (("errors", ERRORS), ("states", STATES), ("depth", DEPTH))
    }
    figures = {name: int(float(match[1])) for name, match in found.items() if match}
    is_complete = len(figures) == len(found) and not CUT_SHORT.search(said)
    return Search(
        figures.get("errors", 0), figures.get("states", 0), figures.get("depth", 0), is_complete, said
    )


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    said = done.stdout + done.stderr
    if done.returncode:
        raise AssertionError(f"{command} failed:\n{said}")
    return said
