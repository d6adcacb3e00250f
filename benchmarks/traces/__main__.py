"""`python -m benchmarks.traces`: a term of a course and of a team under every rule; writes docs/traces.md."""

import argparse
from pathlib import Path

from benchmarks.traces import plots, report
from benchmarks.traces.figures import term
from benchmarks.traces.people import STUDENTS, TEAM

DOCS = Path("docs")


def main() -> None:
    """Simulate, write, and print the tables."""
    given = _parse()
    command = (
        f"python -m benchmarks.traces --seed {given.seed} --students {given.students} "
        f"--weeks {given.weeks} --team {given.team}"
    )
    terms = [
        term("A course", STUDENTS, given.students, given.weeks, given.seed),
        term("A team", TEAM, given.team, given.weeks, given.seed),
    ]
    pictures = given.docs / "pictures"
    plots.late(terms, pictures / "traces-late.svg")
    plots.money(terms, pictures / "traces-money.svg")
    shown = [
        ("pictures/traces-late.svg", "How late each rule stops idle machines"),
        ("pictures/traces-money.svg", "Dollars a month against work killed, by rule"),
    ]
    (given.docs / "traces.md").write_text(report.document(terms, command, shown), encoding="utf-8")
    print(report.summary(terms))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--weeks", type=int, default=15)
    parser.add_argument("--team", type=int, default=20)
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to write traces.md and pictures/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
