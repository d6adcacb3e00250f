"""`make soak`: many users, many faults, and an audit of everything that happened."""

import argparse
import secrets
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks.soak.audit import audit
from benchmarks.soak.report import table
from benchmarks.soak.running import Size, soak
from tests.shared.addresses import free_port


def main() -> int:
    """The exit code: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of work and faults; a quiet time follows")
    parser.add_argument("--people", type=int, default=14)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--state-dir", type=Path, help="kept, with its logs")
    given = parser.parse_args()
    print(f"soak with seed {given.seed}: {given.people} people, {given.minutes:g} minutes", flush=True)
    size = Size(
        seed=given.seed,
        people=given.people,
        seconds=given.minutes * 60,
        idle_timeout=timedelta(seconds=60),
        hung_after=timedelta(seconds=120),
    )
    with tempfile.TemporaryDirectory(prefix="cloudjhub-soak-") as fresh:
        story = soak(given.state_dir or Path(fresh), free_port(), size)
    violations = audit(story)
    print(table(story, violations, given.seed))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
