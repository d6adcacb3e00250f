"""Measures everything and writes the report: `make bench`."""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import counting, logins, package, report, running, sweeps
from benchmarks.bench.report import Section, markdown
from benchmarks.bench.visitor import visitor
from tests.scenarios.cloud import REPOSITORY, LocalCloud

REPORT = REPOSITORY / "docs" / "benchmarks.md"
BOOT_TIME = 1.0
# Long enough that nothing is stopped during the measurement.
IDLE_TIMEOUT = "3600s"
TOGETHER = 5
RUNNING = 6


def main() -> None:
    """Measures everything and writes the report."""
    given = _parse()
    began_at, load = datetime.now(UTC), report.load_average()
    print("the Lambda package", flush=True)
    sections = package.measure(given.repetitions + 4)
    print("sweeps", flush=True)
    swept = sweeps.measure()
    print("`make local`", flush=True)
    ready_section = running.time_to_start(given.port, given.repetitions)
    sections = [ready_section, *_with_cloud(given), swept, *sections, counting.section()]
    given.output.write_text(markdown(_head(began_at, load, given), sections))
    print(f"written: {given.output}")


def _with_cloud(given: argparse.Namespace) -> Sequence[Section]:
    options = ("--idle-timeout", IDLE_TIMEOUT, "--boot-time", f"{BOOT_TIME}s")
    with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
        cloud = LocalCloud(Path(folder) / "cloud", given.port, *options)
        homes = Path(folder) / "homes"
        homes.mkdir()
        try:
            cloud.up()
            print("logins next to bare starts", flush=True)
            timed = logins.measure(cloud, homes, given.repetitions, BOOT_TIME)
            print("calls per login", flush=True)
            people = [visitor(cloud, f"caller{number}") for number in range(TOGETHER)]
            calls = logins.measure_calls(cloud, people)
            print("running servers", flush=True)
            people = [visitor(cloud, f"runner{number}") for number in range(RUNNING)]
            quiet = running.measure(cloud, people, given.window)
        finally:
            cloud.down()
    return [*timed, calls, *quiet]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="of what is measured in seconds")
    parser.add_argument("--window", type=float, default=60.0, help="seconds for which calls are counted")
    parser.add_argument("--port", type=int, default=8200, help="the hub's port on 127.0.0.1")
    parser.add_argument("--output", type=Path, default=REPORT)
    return parser.parse_args()


def _head(began_at: datetime, load: float, given: argparse.Namespace) -> str:
    command = f"python -m benchmarks.bench --repetitions {given.repetitions} --window {given.window:g}"
    return f"""# Benchmarks

Written by `{command}` (`make bench`) on {began_at:%Y-%m-%d %H:%M} UTC.
The machine: {report.machine()}; its load average when it began: {load:.1f}.

Seconds depend on the machine and its other load; ratios and counts hardly do. What must not grow (calls, the package)
is asserted by `tests/scenarios/test_counts.py`.

Comparisons with the alternatives, with plots: [one sweep](peers.md), [a term of stops](traces.md), and
[a class that logs in](storm.md). The steps of a login on real machines: [login path](login-path.md).
"""


if __name__ == "__main__":
    main()
