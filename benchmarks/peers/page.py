"""docs/peers.md and its pictures: the sweeps side by side, and the latest stop by each one's rule.

The latest stop is derived, not measured: it assumes that nothing fails, and leaves out the time of the sweep and the
stop. The pictures are SVG: the same figures give the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.bench import counting
from benchmarks.bench.counting import per_hour
from benchmarks.bench.report import Row, Section, Table, markdown, verdict
from benchmarks.peers.fleet import TIMEOUT, USERS_FOR_EACH_THAT_RUNS, Fleet
from benchmarks.peers.measuring import CPU_BELOW_PERCENT, OURS, Comparison, Costs
from benchmarks.traces.plots import COLOURS, SETTINGS
from bootstrap.config.settings import Timing
from lifecycle_app.settings import SWEEP_SCHEDULE

GROWS_AT_MOST = 1.1


def page(comparison: Comparison, command: str, made_on: str, pictures: Sequence[tuple[str, str]]) -> str:
    """The whole document; `made_on`: when and on which machine, in sentences."""
    shown = "\n\n".join(f"![{caption}]({path})" for path, caption in pictures)
    tables = [_sweep(fleet, costs) for fleet, costs in _fleets(comparison)]
    sections: list[Section | Table] = [growth(comparison), *tables, _slow(comparison), _latest()]
    return markdown(_head(comparison, command, made_on, shown), sections)


def growth(comparison: Comparison) -> Section:
    """Ours and theirs, from the smallest fleet of all sweeps to the largest."""
    small, large = comparison.shared()[0], comparison.shared()[-1]
    rows = []
    for name in comparison.names:
        asked = comparison.growth(name, lambda costs: costs.first.asked)
        cpu = comparison.growth(name, lambda costs: costs.cpu.median)
        few, many = (comparison.by_fleet[fleet][name] for fleet in (small, large))
        rows += [
            Row(
                what=f"{name}: calls and items read",
                value=f"{few.first.asked:,}, {many.first.asked:,}: {asked:.2f}",
                target=_target(name, asked),
            ),
            Row(
                what=f"{name}: CPU",
                value=f"{few.cpu.shown(2, 's')}, {many.cpu.shown(2, 's')}: {cpu:.2f}",
                spread=f"{cpu_range(few)}, {cpu_range(many)}",
                target=_target(name, cpu),
            ),
        ]
    return Section(
        title="Growth",
        intro=f"With {small.running:,} and with {large.running:,} running workers, the same {small.due:,} of them "
        f"due; and the second as a multiple of the first.",
        rows=tuple(rows),
    )


def cpu_range(costs: Costs) -> str:
    """The lowest and the highest CPU seconds."""
    return costs.cpu.spread(2) or costs.cpu.shown(2)


def _target(name: str, ratio: float) -> str:
    return verdict(ratio, GROWS_AT_MOST) if name == OURS else ""


def _fleets(comparison: Comparison) -> list[tuple[Fleet, dict[str, Costs]]]:
    return [(fleet, dict(costs)) for fleet, costs in comparison.by_fleet.items()]


def _sweep(fleet: Fleet, costs: dict[str, Costs]) -> Table:
    return Table(
        title=f"One sweep: {fleet.title}",
        intro="Stops take no time. Each sweep stopped exactly the workers that were due.",
        head=("", "calls", "of which", "CPU", "memory", "took"),
        lines=tuple(
            (
                name,
                f"{of.first.called:,}",
                counting.text(dict(of.first.calls)) + _items(of),
                of.cpu.shown(2, "s"),
                f"{of.megabytes:.0f} MB",
                of.seconds.shown(1, "s"),
            )
            for name, of in costs.items()
        ),
    )


def _items(of: Costs) -> str:
    return f"; {of.first.items:,} items read" if of.first.items else ""


def _slow(comparison: Comparison) -> Table:
    intro = """No other worker runs. The delay is in the hub's answer to each stop: its drain handler's, or to the
        DELETE of a server. cloud-custodian does not use a hub; there StopInstances has the delay, once for all."""
    return Table(
        title=f"{comparison.slow_fleet.due:,} due, each stop {comparison.stop_seconds:g} s",
        intro=flow(intro),
        head=("", "took", "calls"),
        lines=tuple(
            (name, of.seconds.shown(1, "s"), counting.text(dict(of.first.calls)))
            for name, of in comparison.slow.items()
        ),
    )


def _latest() -> Table:
    intro = f"""Timeout {TIMEOUT.total_seconds():,.0f} s. Derived from each rule, not measured: if nothing fails, and
        without the time that sweep and stop take. What each rule does in a term of simulated people, and how much
        earlier our alarm usually is than our sweep: [traces](traces.md). cloud-custodian's is the latest stop of an
        unused machine; it uses CPU figures and usually stops before the timeout, including machines of people at
        work."""
    return Table(
        title="The latest stop after the last activity",
        intro=flow(intro),
        head=("", "at the latest", "because", "source"),
        lines=tuple(
            (rule.name, f"{rule.latest(TIMEOUT).total_seconds():,.0f} s", rule.because, rule.source)
            for rule in rules(TIMEOUT)
        ),
    )


def _head(comparison: Comparison, command: str, made_on: str, pictures: str) -> str:
    fleet = f"""The same fleet for all: {USERS_FOR_EACH_THAT_RUNS} users for each running worker, the same number due
        in every size. Each sweep runs in a separate process and is measured there: CPU seconds of the sweep without its
        imports, and the peak memory of the process, imports included. Calls are counted by the server that answers
        them, ours where they leave the process."""
    who = [
        f"""**{OURS}**: `python -m benchmarks.bench.sweeps --records USERS --running RUNNING --due DUE`, the real
function's
        code, its records in Amazon's DynamoDB Local. EC2 and CloudWatch are in its own process: their work is
        included in its CPU and memory, the cost of sending ten to thirty requests to them is not.""",
        """**jupyterhub-idle-culler** 2.0.0: its `cull_idle` with default options and `timeout` 3600, against a hub that
        pages users by 50 as JupyterHub 6 does by default.""",
        f"""**cloud-custodian** c7n 0.9.53: `custodian run` with `instance-uptime`, the filter `metrics` (CPUUtilization
        below {CPU_BELOW_PERCENT}% over an hour) and `stop`, against an EC2 that returns 1,000 instances a page, EC2's
        maximum.""",
        """**cloudJHub (before)**: a model of its calls, not its code, which is in no package index: the hub's users,
            one DescribeInstances after the other for each user without a server in the hub, and ten stops at a time by
            the hub.""",
    ]
    substitutes = """The substitutes for hub and AWS answer at once, return fewer attributes of an instance than EC2,
        and do none of the hub's own work for a page or a stop. So the seconds are not those of a real cloud; the number
        of calls, the CPU, and their growth can be compared."""
    ours = """Ours makes more calls for each worker that is due: it reads and writes its record twice, asks the hub,
        stops the instance and records why. It makes none for workers that are not due. Another function,
        `record_activity`, reads the reports of all running workers once a minute, and its work does grow with them
        ([scaling](scaling.md)); the peers have nothing but their sweep."""
    return "\n\n".join(
        [
            "# One sweep compared with its peers",
            flow(f"Written by `{command}`. {made_on}"),
            flow(fleet),
            "\n".join(flow(f"- {intro}", "  ") for intro in who),
            flow(substitutes),
            flow(ours),
            pictures,
        ]
    )


def flow(text: str, indent: str = "") -> str:
    """The text, wrapped."""
    return fill(
        " ".join(text.split()), 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


MINUTE = timedelta(minutes=1)
REPORT = Timing().report_period
SWEEP = timedelta(hours=1) / per_hour(SWEEP_SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`known_within`: how much later an activity may be known; `every`: the time between two checks."""

    name: str
    known_within: timedelta
    every: timedelta
    because: str
    source: str

    def latest(self, timeout: timedelta) -> timedelta:
        """After the last activity, with that timeout."""
        return timeout + self.known_within + self.every


def rules(timeout: timedelta) -> Sequence[Rule]:
    """The rules with their defaults."""
    return (
        Rule(
            name="cloudJHub (ours)",
            known_within=REPORT,
            every=SWEEP,
            because=f"a report every {REPORT.total_seconds():.0f} s; without the alarm, the sweep every 5 minutes"
            " (300 s)",
            source="`report_period`; `SWEEP_SCHEDULE` in `lifecycle_app/settings.py`",
        ),
        Rule(
            name="jupyterhub-idle-culler",
            known_within=timedelta(0),
            every=timeout // 2,
            because="`cull_every` is by default half of `timeout` (1,800 s)",
            source="2.0.0, `IdleCuller._default_cull_every`",
        ),
        Rule(
            name="cloud-custodian",
            known_within=5 * MINUTE,
            every=5 * MINUTE,
            because="EC2 reports CPUUtilization every five minutes (300 s); run every 5 minutes (300 s): it has no "
            "interval of its own",
            source="0.9.53, filter `metrics` with a window of the timeout; EC2's basic monitoring",
        ),
        Rule(
            name="cloudJHub (before)",
            known_within=timedelta(0),
            every=5 * MINUTE,
            because="it runs every 300 s",
            source="its culler's interval, `docs/seed-capabilities.md`",
        ),
    )


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
