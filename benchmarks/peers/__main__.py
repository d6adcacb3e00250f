"""`python -m benchmarks.peers`: our sweep compared with the peers'; writes docs/peers.md and its pictures.

`make peers` installs the peers first.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import report
from benchmarks.peers.measuring import are_installed, compare
from benchmarks.peers.page import by_running, page

SIZES = (1_000, 2_000, 10_000)
OURS_TOO = (20_000,)
"""A hundred thousand users."""


def main() -> None:
    """Measures all sweeps, and writes the page and its pictures."""
    given = _parse()
    if not are_installed():
        sys.exit("the peers are not installed: run `make peers`")
    began_at, load = datetime.now(UTC), report.load_average()
    comparison = compare(
        given.running,
        given.ours_too,
        given.due,
        given.stop_seconds,
        given.repetitions,
        lambda text: print(text, flush=True),
    )
    pictures = given.docs / "pictures"
    by_running(comparison, lambda costs: costs.first.called, "calls of a sweep", pictures / "peers-calls.svg")
    by_running(
        comparison, lambda costs: costs.cpu.median, "CPU seconds of a sweep", pictures / "peers-cpu.svg"
    )
    shown = [
        ("pictures/peers-calls.svg", "Calls of one sweep by running workers"),
        ("pictures/peers-cpu.svg", "CPU of one sweep by running workers"),
    ]
    times = "once" if given.repetitions == 1 else f"{given.repetitions} times, medians"
    made_on = (
        f"On {began_at:%Y-%m-%d %H:%M} UTC, each sweep measured {times}. "
        f"The machine: {report.machine()}; its load average was {load:.1f} when it began and "
        f"{report.load_average():.1f} when it ended."
    )
    (given.docs / "peers.md").write_text(page(comparison, _command(given), made_on, shown), encoding="utf-8")
    print(f"written: {given.docs / 'peers.md'}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--running", type=int, nargs="+", default=SIZES, help="running workers, for all sweeps"
    )
    parser.add_argument(
        "--ours-too", type=int, nargs="*", default=OURS_TOO, help="running workers, for ours alone"
    )
    parser.add_argument("--due", type=int, default=100)
    parser.add_argument("--stop-seconds", type=float, default=1.0)
    parser.add_argument("--repetitions", type=int, default=3, help="of the sweeps whose stops take no time")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), help="where to write peers.md and pictures/"
    )
    return parser.parse_args()


def _command(given: argparse.Namespace) -> str:
    sizes, more = (" ".join(map(str, counts)) for counts in (given.running, given.ours_too))
    return (
        f"python -m benchmarks.peers --running {sizes} --ours-too {more} --due {given.due} "
        f"--stop-seconds {given.stop_seconds:g} --repetitions {given.repetitions}"
    )


if __name__ == "__main__":
    main()
