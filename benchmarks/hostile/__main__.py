"""`python -m benchmarks.hostile`: attacks a hub and prints what it used; `--report` writes it into docs/security.md."""

import argparse
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.hostile.attacks import ANONYMOUS, WORKERS
from benchmarks.hostile.measuring import Figures, attacked, scene
from tests.hub.emulated import REPOSITORY

REPORT = REPOSITORY / "docs/security.md"
BEGINS, ENDS = "<!-- make hostile -->", "<!-- end of make hostile -->"


def main() -> None:
    """Attacks, and prints or writes the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write docs/security.md")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the emulated AWS, which names each request
    with (
        tempfile.TemporaryDirectory(prefix="cloudjhub-hostile-") as directory,
        scene(Path(directory)) as there,
    ):
        found = attacked(there, given.requests, given.seed)
    text = table(found, datetime.now(UTC))
    print(text)
    if given.report:
        before, _, rest = REPORT.read_text(encoding="utf-8").partition(BEGINS)
        REPORT.write_text(f"{before}{BEGINS}\n{text}\n{ENDS}{rest.partition(ENDS)[2]}", encoding="utf-8")


def table(found: Figures, at: datetime) -> str:
    """Markdown: one table of what the hub used, and the kinds whose step was longest."""
    median, nearly, most = (f"{seconds * 1000:,.0f} ms" for seconds in found.health_median_and_most)
    answers = ", ".join(f"{status} {count:,}" for status, count in sorted(found.answers.items()))
    worst = sorted(found.longest, key=lambda name: -found.longest[name])[:5]
    lines = [
        f"{found.requests:,} requests of {len(ANONYMOUS) + len(WORKERS)} kinds, {at:%Y-%m-%d}, {os.cpu_count()} cores "
        "(`make hostile ARGS=--report`):",
        "",
        "| | |",
        "|---|---|",
        f"| hub's memory before, and at most | {found.before:.0f} MB, {found.peak:.0f} MB |",
        f"| event loop's longest step, CPU | {max(found.longest.values()) * 1000:.0f} ms |",
        f"| the same for the ordinary login page | {found.longest['login page'] * 1000:.0f} ms |",
        f"| health check: median, 99th percentile, longest | {median}, {nearly}, {most} |",
        f"| health checks that failed | {found.unhealthy} of {len(found.health)} |",
        f"| answers (held: an unfinished request) | {answers} |",
        "| longest steps | "
        + ", ".join(f"{name} {found.longest[name] * 1000:.0f} ms" for name in worst)
        + " |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
