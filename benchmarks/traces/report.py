"""docs/traces.md: what a term costs under each rule, in money and in lost work."""

from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from textwrap import fill

from benchmarks.traces import ours
from benchmarks.traces.figures import (
    ATTENTION,
    DISKS,
    HOURS_A_MONTH,
    MACHINE,
    METRICS,
    VARIANTS,
    Tally,
    Term,
    percentile,
    share_within,
    watching,
)
from benchmarks.traces.ours import REPORT_PERIOD
from benchmarks.traces.trace import HOUR, MINUTE, Delays
from lifecycle_app.model.history import LEAST_SECONDS_BILLED, PER_HOUR
from lifecycle_app.model.resolution import SHORT_ALARMS_EVERY

SOON = 90.0
TWO_SWEEPS = 2 * ours.SWEEP
BOUND = 1.15
PARTS: tuple[tuple[str, str, Callable[[Delays], float]], ...] = (
    ("report", f"the worker reports each {REPORT_PERIOD:.0f} s", lambda delays: delays.report),
    (
        "window",
        f"the alarm's periods move on by {SHORT_ALARMS_EVERY.seconds} s: until they no longer contain that report",
        lambda delays: delays.window,
    ),
    (
        "evaluation",
        f"CloudWatch evaluates them each {SHORT_ALARMS_EVERY.seconds} s, at a second that cannot be chosen",
        lambda delays: delays.evaluation,
    ),
    ("delivery", "EventBridge and the function's start", lambda delays: delays.delivery),
    (
        "function",
        "evidence, decision, claim, the hub's answer, StopInstances",
        lambda delays: delays.function,
    ),
)


def document(terms: Sequence[Term], command: str, pictures: Sequence[tuple[str, str]]) -> str:
    """The whole page; `pictures` by path and description."""
    shown = "\n\n".join(f"![{caption}]({path})" for path, caption in pictures)
    return "\n\n".join([_head(terms, command), *map(_term, terms), shown, _foot()]) + "\n"


def _head(terms: Sequence[Term], command: str) -> str:
    groups = "; ".join(
        f"{term.title}: {term.people} people, {term.weeks} weeks, {term.sessions:,} sessions"
        for term in terms
    )
    soonest, latest = ours.DELIVERY
    rules = [
        f"""**ours**: the product's `decide`, its CloudWatch queries and alarm, reports each {REPORT_PERIOD:.0f} s,
        CloudWatch's evaluation as in the local cloud, each {SHORT_ALARMS_EVERY.seconds} s, the hub's drain verdict;
        triggered by the alarm (delivered within {soonest:.0f} to {latest:.0f} s, {ours.ALARMS_LOST:.0%} lost) and by
        the sweep every five minutes.""",
        "**perfect oracle**: stops exactly at the timeout after the last true activity. The lower bound.",
        """**jupyterhub-idle-culler** 2.0.0 with `timeout` 3600 and its default `cull_every`, half of that; it uses
            what JupyterHub 6 knows, from the proxy and from single-user servers, every five minutes.""",
        """**cloudJHub (before)**: a model of its call pattern: a check every 300 s, by the activity that its hub had
            from the proxy.""",
        """**cloud-custodian** c7n 0.9.53: `instance-uptime` over an hour, and the filter `metrics` on EC2's
        CPUUtilization, average over an hour below 5 % (or 2 %), every five minutes. The CPU that a typing person uses
        is the decisive assumption here: 4 to 5 % of the machine.""",
        "The peers' stops take no time and never fail.",
    ]
    return "\n\n".join(
        [
            "# Work lost and money wasted",
            _flow(
                f"""Written by `make traces` (`{command}`). Simulated people, real decisions, virtual time: the same
                    seed gives the same page. {groups}."""
            ),
            _flow(
                """Each person's trace contains the truth: every action, every cell and terminal program, when a tab
                    was open. Every rule sees the part of it that it can see in reality, runs over the same traces,
                    and is
                    judged by the truth. A stopped machine is started by the next action of its user. All rules have the
                    same timeout, an hour. The habits, each with its reason, are in `benchmarks/traces/people.py`; none
                    was measured at a real site: they are suitable for comparing rules, not for predicting a bill."""
            ),
            _bullets(rules),
        ]
    )


def _term(term: Term) -> str:
    return "\n\n".join(
        [
            f"## {term.title}",
            _money(term),
            _remarks(term),
            f"### {term.title}: when idle machines are stopped",
            _late(term),
            _precision(term),
            _parts(term),
            _variants(term),
        ]
    )


def _money(term: Term) -> str:
    head = (
        "rule",
        "killed while working",
        "killed within the timeout",
        "idle machine-hours",
        "machine-hours",
        "$ a month",
        "relative to the oracle",
        "logins that waited",
    )
    rows = [
        (
            tally.name,
            f"{tally.killed_working:,}",
            f"{tally.killed_within:,}",
            f"{tally.idle / HOUR:,.0f}",
            f"{tally.up / HOUR:,.0f}",
            f"{tally.dollars(term.length):,.2f}",
            f"{tally.billed / term.oracle.billed:.3f}",
            f"{tally.logins_waited:,}",
        )
        for tally in term.tallies
    ]
    return _table(head, rows)


def _remarks(term: Term) -> str:
    us, oracle = term.ours, term.oracle
    watched = us.watched_dollars(term.length, REPORT_PERIOD)
    ratio = watched / oracle.dollars(term.length)
    stuck = us.whys.get("sweep: busy-too-long", 0)
    return _bullets(
        [
            f"Killed while working: {_verdict(us.killed_working == 0)} (target 0).",
            _early(us),
            f"""Machines and watching them relative to the oracle's machines: {ratio:.3f}, {_verdict(ratio <= BOUND)}
            (target ≤ {BOUND}). Watching costs at most ${watching(REPORT_PERIOD):.4f} for each hour of a machine: all
            {METRICS} metrics have data, and AWS's free million of reports is used up ([idleness](idleness.md)).
            With it the bill is ${watched:,.2f} a month. Disks, ${DISKS * term.people:,.2f} a month, are the same
            under every rule.""",
            f"""{stuck} of our stops ended a cell that waited for `input()` or looped, a day after its user had left
                (`busy_allowance`). Useful work takes at most 20 h here: what runs longer than the allowance without a
                person is stopped by policy.""",
        ]
    )


def _early(us: Tally) -> str:
    if not us.killed_within:
        return "No stop came before the timeout was over."
    return f"""{us.killed_within} stops came up to {us.early:.0f} s before the timeout was over,
    {us.within_terminal} of them after a terminal's program: processes are checked for each report, so one that ends
    between two
    reports was last seen in the earlier one."""


def _late(term: Term) -> str:
    head = ("rule", "stops", "before the timeout", "median", "95 %", "latest")
    rows = [
        (
            tally.name,
            f"{len(tally.late):,}",
            f"{tally.killed_within / len(tally.late):.1%}",
            _length(percentile(tally.late, 0.5)),
            _length(percentile(tally.late, 0.95)),
            _length(max(tally.late)),
        )
        for tally in term.tallies
        if tally.late
    ]
    intro = _flow(
        """From the last activity to StopInstances, minus the timeout. Stops that killed work, and those that a stuck
            program had delayed, are not in this table."""
    )
    return intro + "\n\n" + _table(head, rows)


def _precision(term: Term) -> str:
    us, alarm = term.ours, term.ours.late_by_alarm
    soon, latest = share_within(alarm, SOON), max(us.late)
    early = f", by at most {us.early:.0f} s, see above" if us.killed_within else ""
    intro = _flow(
        f"""Ours, {len(us.late):,} stops, {len(alarm):,} of them by alarm (for the others the sweep came first, or the
            alarm was lost):"""
    )
    targets = [
        f"never before the timeout: {_verdict(not us.killed_within)}{early};",
        f"""by alarm within {SOON:.0f} s: {soon:.1%}, {_verdict(soon >= 0.95)} (target 95 %); 95 % within
        {percentile(alarm, 0.95):.0f} s;""",
        f"""all within two sweeps ({TWO_SWEEPS / MINUTE:.0f} min): {_verdict(latest <= TWO_SWEEPS)}, the latest
        {latest:.0f} s.""",
    ]
    return intro + "\n\n" + _bullets(targets)


def _parts(term: Term) -> str:
    delays = term.ours.delays
    parts = [(name, intro, *_spread([part(one) for one in delays])) for name, intro, part in PARTS]
    return "\n\n".join(
        [
            "The consecutive delays in a stop by alarm:",
            _table(("delay", "because", "mean", "95 %", "most"), parts),
        ]
    )


def _variants(term: Term) -> str:
    head = (
        "ours with",
        "killed while working",
        "earliest stop",
        "stops by alarm",
        f"of them within {SOON:.0f} s",
        "95 % of them",
        "latest of them",
        "latest stop",
        "machines, $ a month",
        "and watching",
        "relative to the oracle",
    )
    compared = [
        (f"reports each {REPORT_PERIOD:.0f} s, as above", term.ours, REPORT_PERIOD),
        *((one.label, tally, one.period) for one, tally in zip(VARIANTS, term.variants, strict=True)),
    ]
    intro = _flow(
        """The same people with other alarms. By CloudWatch's documentation an alarm's periods move on at each
            evaluation; if they followed the clock's, alarms would fire later. With reports each minute, alarms and
            reports are cheaper, and machines run longer."""
    )
    return intro + "\n\n" + _table(head, [_compared(term, *one) for one in compared])


def _compared(term: Term, intro: str, tally: Tally, period: float) -> Sequence[str]:
    alarm, watched = tally.late_by_alarm, tally.watched_dollars(term.length, period)
    return (
        intro,
        f"{tally.killed_working:,}",
        f"{min(tally.late):+.0f} s",
        f"{len(alarm):,}",
        f"{share_within(alarm, SOON):.1%}",
        f"{percentile(alarm, 0.95):.0f} s",
        f"{max(alarm):.0f} s",
        f"{max(tally.late):.0f} s",
        f"{tally.dollars(term.length):,.2f}",
        f"{watched:,.2f}",
        f"{watched / term.oracle.dollars(term.length):.3f}",
    )


def _spread(values: Sequence[float]) -> tuple[str, str, str]:
    return f"{mean(values):.1f} s", f"{percentile(values, 0.95):.1f} s", f"{max(values):.1f} s"


def _foot() -> str:
    attention = f"{ATTENTION / MINUTE:.0f} minutes"
    counted = [
        f"""**Killed while working**: useful work runs when the stop comes, or its user did something less than
        {attention} before.""",
        "**Killed within the timeout**: not that, but less than an hour after the last true activity.",
        f"""**Idle machine-hours**: billed, while no useful work ran and the user had done nothing for {attention};
        the boot is not idle.""",
        f"""**Dollars a month**: {MACHINE} at ${PER_HOUR[MACHINE]} an hour from `running` to StopInstances (at least
        {LEAST_SECONDS_BILLED} s a run; `pending` and `stopping` are free), times {HOURS_A_MONTH} hours a month,
        divided by the hours of the term and the two days after it. Machines only, unless watching is mentioned.""",
        "**Logins that waited**: found their machine stopped; a user's first login is left out.",
        "Killed work costs nothing more, which makes a rule that kills look cheaper than it is.",
    ]
    return "## What is counted\n\n" + _bullets(counted)


def _flow(text: str, indent: str = "") -> str:
    """The text, wrapped."""
    return fill(
        " ".join(text.split()), 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(_flow(f"- {text}", "  ") for text in texts)


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _length(seconds: float) -> str:
    if abs(seconds) < 10 * MINUTE:
        return f"{seconds + 0.0:.0f} s".replace("-0 s", "0 s")
    return f"{seconds / MINUTE:,.0f} min" if abs(seconds) < 3 * HOUR else f"{seconds / HOUR:,.1f} h"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(terms: Sequence[Term]) -> str:
    """The tables of costs, for the terminal."""
    return "\n\n".join(f"{term.title}\n{_money(term)}" for term in terms)
