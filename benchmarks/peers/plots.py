"""The pictures of docs/peers.md, as SVG: the same figures give the same bytes."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.peers.comparison import Comparison
from benchmarks.peers.measuring import Costs
from benchmarks.traces.plots import COLOURS, SETTINGS


def by_running(comparison: Comparison, measured: Callable[[Costs], float], label: str, path: Path) -> None:
    """What each sweep cost, by how many workers run; both scales are logarithmic."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for name in comparison.names:
            costs = comparison.of(name)
            running = [fleet.running for fleet in costs]
            axes.plot(running, list(map(measured, costs.values())), "o-", color=_colour(name), label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([fleet.running for fleet in comparison.by_fleet])
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter("")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.set_xlabel("workers that run")
        axes.set_ylabel(label)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _colour(name: str) -> str:
    """The same as in docs/traces.md."""
    return next(colour for known, colour in COLOURS.items() if known.startswith(name.partition(", ")[0]))
