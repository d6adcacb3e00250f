"""`python -m benchmarks.traces.root_disks`: what root disks cost and how long users wait, by `workers.root_kept`; draws
the picture of docs/costs.md and prints its table.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.traces.figures import HOURS_A_MONTH, LAST_STOPS
from benchmarks.traces.peers import Oracle
from benchmarks.traces.people import STUDENTS, TEAM, Habits, trace
from benchmarks.traces.plots import SETTINGS, save
from benchmarks.traces.trace import HOUR, MINUTE, WEEK, Run, runs
from bootstrap.config.values import root_lasts
from bootstrap.costs import Prices
from lifecycle_app.contract import NEVER

KEPT = ("0s", "12h", "1d", "3d", "7d", NEVER)
ROOT_GB = 8
LAUNCH, START = 40.8, 29.6
"""Seconds from the click to JupyterLab: the sums of docs/login-path.md for a launch and for a start."""
REMOVAL_EVERY = 30 * MINUTE
"""A root disk is removed by the first pass after `root_kept`: half of this later on average."""
NEAR = 0.2
"""Minutes between two points that would be drawn on each other."""
GROUPS = (("A course", STUDENTS, 200, 15, "#0b7a4b"), ("A team", TEAM, 20, 15, "#d9480f"))
"""Title, habits, people, weeks: those of docs/traces.md; and a colour."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one group of people under one `root_kept`."""

    kept: str
    dollars: float
    """For root disks, of a user in a month."""
    launches: float
    """The share of logins, without each user's first, that find no machine."""
    waited: float
    """Minutes that a user waits in a month until JupyterLab is there."""


def outcome(kept: str, lives: Sequence[Sequence[Run]], until: float) -> Outcome:
    """What it comes to for people with these runs, in seconds, until the end of the term. Pure."""
    lasts = root_lasts(kept)
    keeps = float("inf") if lasts is None else lasts.total_seconds() + REMOVAL_EVERY / 2
    there = waited = 0.0
    later = launches = 0
    for life in lives:
        ends = [*(run.life.start for run in life[1:]), until][: len(life)]
        there += sum(
            run.end - run.life.start + min(keeps, max(0.0, next_at - run.end))
            for run, next_at in zip(life, ends, strict=True)
        )
        gaps = [after.life.start - before.end for before, after in pairwise(life)]
        found = sum(gap > keeps for gap in gaps)
        later, launches = later + len(gaps), launches + found
        waited += (found + bool(life)) * LAUNCH + (len(gaps) - found) * START
    months = len(lives) * until / HOUR / HOURS_A_MONTH
    dollars = ROOT_GB * Prices().disk_month * there / HOUR / HOURS_A_MONTH / months
    return Outcome(kept, dollars, launches / later if later else 0.0, waited / MINUTE / months)


def outcomes(title: str, habits: Habits, people: int, weeks: int, seed: object) -> list[Outcome]:
    """For each of KEPT; machines are stopped an hour after their last use."""
    until = weeks * WEEK + LAST_STOPS
    lives = [
        list(runs(trace(seed, f"{title} {number}", habits, weeks), Oracle(), until, seed))
        for number in range(people)
    ]
    return [outcome(kept, lives, until) for kept in KEPT]


def table(groups: Sequence[tuple[str, Sequence[Outcome]]]) -> str:
    """Markdown."""
    titles = [title.lower() for title, _ in groups]
    heads = [f"{what}, {title}" for title in titles for what in ("$ a user", "launches", "minutes waited")]
    lines = [f"| `root_kept` | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for place, kept in enumerate(KEPT):
        cells = [
            f"{one.dollars:.2f} | {one.launches:.0%} | {one.waited:.1f}"
            for one in (found[place] for _, found in groups)
        ]
        lines.append(f"| {kept} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(groups: Sequence[tuple[str, Sequence[Outcome]]], path: Path) -> None:
    """Dollars against minutes, as SVG: a line for each group, a point for each of KEPT."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.add_subplot()
        for (title, found), (*_, colour) in zip(groups, GROUPS, strict=True):
            waits, dollars = [one.waited for one in found], [one.dollars for one in found]
            axes.plot(waits, dollars, "o-", color=colour, markersize=6, linewidth=1.2, label=title)
            for at, kept in _labels(found).items():
                axes.annotate(kept, at, xytext=(7, 4), textcoords="offset points", fontsize=8)
        axes.set_ylim(0, 0.75)
        axes.set_xlabel("waiting for JupyterLab, minutes a user and month")
        axes.set_ylabel("root disk of 8 GB, $ a user and month")
        axes.legend(frameon=False)
        save(figure, path)


def _labels(found: Sequence[Outcome]) -> dict[tuple[float, float], str]:
    """One for each point; points that lie on each other have one together."""
    labels: dict[tuple[float, float], str] = {}
    last: Outcome | None = None
    for one in found:
        if last is not None and one.waited > last.waited - NEAR:
            labels[last.waited, last.dollars] += f", {one.kept}"
            continue
        labels[one.waited, one.dollars] = one.kept
        last = one
    return labels


def main() -> None:
    """Simulate, draw, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces.root_disks", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/costs-root-kept.svg"))
    given = parser.parse_args()
    groups = [
        (title, outcomes(title, habits, people, weeks, given.seed))
        for title, habits, people, weeks, _ in GROUPS
    ]
    picture(groups, given.picture)
    print(table(groups))


if __name__ == "__main__":
    main()
