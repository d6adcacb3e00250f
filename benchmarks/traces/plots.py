"""The pictures of docs/traces.md, as SVG: the same figures give the same bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.traces.figures import Tally, Term
from benchmarks.traces.trace import HOUR, MINUTE

COLOURS = {
    "cloudJHub (ours)": "#0b7a4b",
    "perfect oracle": "#222222",
    "jupyterhub-idle-culler": "#d9480f",
    "cloudJHub (before)": "#7048e8",
    "cloud-custodian, 5 %": "#1c7ed6",
    "cloud-custodian, 2 %": "#74b3e8",
    "never stop": "#868e96",
}
SETTINGS: dict[Any, Any] = {  # matplotlib types each of its 300 settings' names
    "svg.hashsalt": "cloudjhub",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e9ecef",
    "axes.axisbelow": True,
}
LATE_TICKS = (-HOUR, -MINUTE, 0, MINUTE, 5 * MINUTE, 30 * MINUTE, 3 * HOUR, 24 * HOUR)
LATE_WORDS = ("1 h early", "1 min", "timeout", "1 min", "5 min", "30 min", "3 h", "1 day late")

KILLED_TICKS = (0, 1, 10, 100, 1000, 10000)


def late(terms: Sequence[Term], path: Path) -> None:
    """How late each rule stops idle machines: the share of stops that came so soon."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        for place, term in enumerate(terms):
            axes = figure.add_subplot(1, len(terms), place + 1)
            for tally in term.tallies:
                if tally.late and tally.name != "perfect oracle":
                    _distribution(axes, tally)
            axes.axvline(0, color=COLOURS["perfect oracle"], linewidth=1, label="perfect oracle")
            axes.set_xscale("symlog", linthresh=MINUTE)
            axes.set_xticks(LATE_TICKS, LATE_WORDS, rotation=40, ha="right")
            axes.set_xlim(-2 * HOUR, 80 * HOUR)
            axes.set_title(term.title, loc="left", fontweight="bold")
            axes.set_ylabel("share of stops that came by then, %" if place == 0 else "")
            axes.set_ylim(0, 101)
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
        )
        save(figure, path)


def money(terms: Sequence[Term], path: Path) -> None:
    """Dollars a month against sessions killed during work."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        for place, term in enumerate(terms):
            axes = figure.add_subplot(1, len(terms), place + 1)
            for tally in term.tallies:
                at = (tally.killed_working, tally.dollars(term.length))
                # The oracle's ring leaves to be seen what lies on it.
                fill = "none" if tally.name == "perfect oracle" else "full"
                axes.plot(*at, "o", fillstyle=fill, color=COLOURS[tally.name], markersize=8, label=tally.name)
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xticks(KILLED_TICKS, [f"{ticked:,}" for ticked in KILLED_TICKS])
            axes.set_xlim(left=-0.3)
            axes.set_yscale("log")
            axes.set_title(term.title, loc="left", fontweight="bold")
            axes.set_xlabel("stops that killed work, in the term")
            axes.set_ylabel("machines, $ a month" if place == 0 else "")
            axes.yaxis.set_major_formatter("${x:,.0f}")
            axes.yaxis.set_minor_formatter("${x:,.0f}")
            axes.tick_params(which="minor", labelsize=7)
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
        )
        save(figure, path)


def _distribution(axes: Axes, tally: Tally) -> None:
    values = sorted(tally.late)
    # A thousand points draw the same curve as fifteen thousand.
    step = max(1, len(values) // 1000)
    shown = [*values[::step], values[-1]]
    shares = [100 * place / len(values) for place in range(0, len(values), step)] + [100.0]
    axes.plot(shown, shares, color=COLOURS[tally.name], linewidth=1.8, label=tally.name)


def save(figure: Figure, path: Path) -> None:
    """Write it without a date, so that the same figures give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
