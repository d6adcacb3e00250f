"""Mutates the code that decides which worker is stopped, and writes docs/mutants.md: `make mutants`."""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

from benchmarks.mutants.outcome import (
    LEAST_KILLED,
    Mutant,
    Verdict,
    judged,
    read_explanations,
    read_mutants,
)
from benchmarks.mutants.report import markdown
from benchmarks.mutants.staging import stage

REPOSITORY = Path(__file__).resolve().parents[2]
PLACE = REPOSITORY / "build" / "mutants"
SURVIVORS = Path(__file__).with_name("survivors.toml")
REPORT = REPOSITORY / "docs" / "mutants.md"


def main() -> int:
    """The exit code: 0 if enough mutants are killed and every survivor is explained."""
    given = _parse()
    stage(REPOSITORY, PLACE)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(given.processes), *given.names]
    code = subprocess.run(command, cwd=PLACE, check=False).returncode
    if code:
        print(f"mutmut ended with {code}: check that the tests pass without a mutant")
        return 1
    with contextlib.chdir(PLACE):
        mutants = read_mutants(PLACE / "mutants", get_diff_for_mutant)
    verdict = judged(mutants, read_explanations(SURVIVORS))
    _print(verdict)
    if given.names:
        return 1 if verdict.unexplained else 0
    for one in verdict.needless:
        print(f"explained, but killed or gone: {one.function}: {one.change[1]}")
    at = datetime.now(UTC)
    REPORT.write_text(markdown(mutants, verdict, at=at, version=version("mutmut"), least=LEAST_KILLED))
    return 0 if verdict.is_good else 1


def _print(verdict: Verdict) -> None:
    print(f"\n{verdict.killed} of {verdict.total} mutants killed, {verdict.rate:.1%}")
    for mutant in _in_order(verdict.unexplained):
        print(f"unexplained: {mutant.function}\n  - {mutant.change[0]}\n  + {mutant.change[1]}")


def _in_order(mutants: Iterable[Mutant]) -> list[Mutant]:
    return sorted(mutants, key=lambda one: (one.function, one.change))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "names", nargs="*", help="only these, as lifecycle_app.model.decision*; the report stays as it is"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
