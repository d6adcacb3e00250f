"""A login storm: `python -m benchmarks.storm --users 500`. `--report` writes docs/storm.md."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.storm import figures, report
from benchmarks.storm.cloudjhub_model import Outcome, class_of
from benchmarks.storm.figures import Figures, measure
from benchmarks.storm.settings import Storm
from tests.hub.emulated import REPOSITORY

REPORT = REPOSITORY / "docs/storm.md"
STORMS = ((250, False), (500, False), (1000, False), (500, True), (1000, True))
"""Number of users, and whether it is their first login."""
SERVERS = (0, 500, 2000)
ROUNDS = 12
SETTLING = 120.0
"""Seconds that a first login may take in addition to the queue."""


def main() -> None:
    """Runs one storm and prints it, or all of them for the report."""
    given = _parse()
    if given.report:
        _report(given.seed)
    elif given.poll:
        for servers in (0, given.poll):
            quiet = figures.idle_servers(servers, ROUNDS)
            print(quiet, f"{quiet.per_poll:.3f} ms per server and round", sep="\n")
    else:
        _print(measure(_storm(given.users, given.first, given.seed, given.within, given.stagger)))


def _storm(users: int, first: bool, seed: int, within: float = 60.0, stagger: str = "even") -> Storm:
    patience = users / 2 + SETTLING if first else 300.0
    return Storm(
        users=users, within=within, first=first, seed=seed, stagger=stagger, patience=max(300.0, patience)
    )


def _print(found: Figures) -> None:
    print("\n".join(report.storms_of([found]) + report.first_logins([found])))
    print(dict(found.calls), dict(found.lifecycle))


def _report(seed: int) -> None:
    at, models = datetime.now(UTC), list(_models(seed))
    storms: list[Figures] = []
    quiets: list[figures.Quiet] = []
    for users, first in STORMS:
        storms.append(measure(_storm(users, first, seed)))
        print(report.line(storms[-1]), flush=True)
        REPORT.write_text(report.markdown(at, storms, quiets, models))
    for servers in SERVERS:
        quiets.append(figures.idle_servers(servers, ROUNDS))
        print(quiets[-1], flush=True)
        REPORT.write_text(report.markdown(at, storms, quiets, models))
    print(f"written: {REPORT}")


def _models(seed: int) -> Iterator[tuple[str, Outcome]]:
    yield "100 users at once, stopped machines", class_of(100, seed=seed)
    yield "500 users at once, stopped machines", class_of(500, seed=seed)
    yield "500 first logins at once", class_of(500, first=True, seed=seed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--within", type=float, default=60.0, help="seconds within which they arrive")
    parser.add_argument("--first", action="store_true", help="first logins: no user has a machine yet")
    parser.add_argument("--stagger", choices=("even", "rush"), default="even")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poll", type=int, metavar="SERVERS", help="measure this number of idle servers")
    parser.add_argument("--report", action="store_true", help=f"everything; writes {REPORT.name}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
