"""docs/storm.md: the results of the storms, with the goals and a model of cloudJHub."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from benchmarks.bench import report
from benchmarks.storm.cloudjhub_model import Outcome
from benchmarks.storm.figures import Figures, Quiet, percentile

HEAD = """# A class logs in at once

Written by `python -m benchmarks.storm --report` (`make storm`) on {at:%Y-%m-%d %H:%M} UTC. The machine: {machine};
its load average when it began: {load:.1f}. All processes share its cores.

The real JupyterHub with the real configuration and spawner, the real configurable-http-proxy, and in front of it nginx
with a manager's own file, by HTTPS, against a lean AWS that speaks EC2's own protocol with EC2's token buckets
(StartInstances and RunInstances: 5 at once, 2 a second). The records are written by the lifecycle app's own code,
0.3 to 1.5 s after each change. Each user is a browser with an empty cache: login page with scripts and
styles, password, progress page and its events, OAuth to the server. Each machine listens at its own private address
once it has booted (2 to 5 s), has proved its identity by STS, has fetched its environment and has started its
server (1 to 2 s). AWS answers at once; the additional time of real machines and calls is the same for any system.

*Overhead* is the time from sending the password to JupyterLab, without the machine's boot and the server's start.
*Step* is the longest step of the hub's event loop, which blocks all others; below 100 ms it is not
shown. *Late* is the longest delay of a tick that is due every 10 ms, and how much of it the loop used a core: many
steps that are ready at once delay it too, and so does a core that other programs use.
"""


def markdown(
    at: datetime,
    storms: Sequence[Figures],
    quiets: Sequence[Quiet],
    models: Sequence[tuple[str, Outcome]],
) -> str:
    """The whole page."""
    head = HEAD.format(at=at, machine=report.machine(), load=report.load_average())
    parts = [head, *storms_of(storms), *first_logins(storms), *_quiet(quiets), *_models(models)]
    return "\n".join(parts) + "\n"


def line(one: Figures) -> str:
    """A storm in one row."""
    late, used = one.longest_gap()
    step = one.longest_step()
    hub = one.usage["hub"]
    cells = [
        title(one),
        str(one.failed),
        str(one.duplicates),
        f"{one.per_login('ec2:StartInstances'):.3f}",
        f"{one.per_login('ec2:RunInstances'):.2f}",
        f"{one.per_login('ec2:DescribeInstances'):.3f}",
        f"{one.per_login('dynamodb:GetItem'):.2f}",
        f"{one.calls['dynamodb:Query']}",
        f"{one.latest:.0f} s",
        f"{percentile(one.overheads, 0.5):.1f} / {percentile(one.overheads, 0.95):.1f} s",
        f"{1000 * step:.0f} ms" if step else "< 100 ms",
        f"{1000 * late:.0f} ms ({1000 * used:.0f})" if late else "< 100 ms",
        str(len(one.gaps)),
        f"{hub.memory:.0f} MB",
        f"{hub.cpu:.0f} s ({1000 * hub.cpu / one.storm.users:.0f} ms)",
    ]
    return "| " + " | ".join(cells) + " |"


def title(one: Figures) -> str:
    """The name of the storm."""
    kind = "first logins" if one.storm.first else "stopped machines"
    return f"{one.storm.users:,} {kind} within {one.storm.within:.0f} s" + (
        ", most at the beginning" if one.storm.stagger == "rush" else ""
    )


def storms_of(storms: Sequence[Figures]) -> list[str]:
    """The section about storms: a row for each, and what went wrong."""
    rows = [
        "## Storms",
        "",
        "| storm | failed | duplicates | StartInstances per login | RunInstances per login"
        " | DescribeInstances per login | GetItem per login | Query in all | last ready after | overhead p50 / p95"
        " | longest step | latest tick (own CPU)"
        " | ticks > 100 ms late | hub's memory | hub's CPU (per login) |",
        "|---|" + "---|" * 14,
        *(line(one) for one in storms),
        "",
        "Goals with stopped machines: no failed login, no duplicate, at most 0.05 StartInstances and no "
        "DescribeInstances per login, no step over 100 ms, p95 of the overhead at most 2 s.",
        "",
        "| storm | CPU of hub | proxy | lean AWS | machines | users | other programs |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in storms:
        cpu = [f"{one.usage[name].cpu:.0f} s" for name in ("hub", "proxy", "account", "machines", "users")]
        rows.append(f"| {title(one)} | {' | '.join(cpu)} | {one.others:.1f} cores |")
    for one in storms:
        for problem, count in one.problems.most_common(5):
            rows += ["", f"{title(one)}: {count} users saw `{problem[:200]}`."]
    return [*rows, "", *_blocks(storms)]


def _blocks(storms: Sequence[Figures]) -> list[str]:
    worst = [(title(one), max(one.steps, key=lambda b: float(b["step"]))) for one in storms if one.steps]
    rows = []
    for what, block in worst:
        where = " < ".join(reversed(block["stack"][-5:])) or "unknown"
        garbage = f"{1000 * block['garbage']:.0f} of them in garbage collection"
        rows.append(f"- {what}: {1000 * block['step']:.0f} ms, {garbage}: `{where}`")
    return ["What ran in the longest steps, innermost first:", "", *rows, ""] if rows else []


def first_logins(storms: Sequence[Figures]) -> list[str]:
    """The section about places in the queue."""
    rows = []
    for one in (one for one in storms if one.storm.first):
        shown = [places for places in one.places if places]
        falling = sum(all(a > b for a, b in pairwise(p)) for p in shown)
        rows.append(
            f"{title(one)}: {one.machines:,} machines for {one.storm.users:,} users. {len(shown):,} users saw a "
            f"place in the queue, {falling:,} of them places that only went down; the highest place was"
            f" {max((p[0] for p in shown), default=0)}. No user was overtaken by more than {one.overtaken} users who "
            f"came half a second or more later."
        )
    return ["## First logins", "", *rows, ""] if rows else []


def _quiet(quiets: Sequence[Quiet]) -> list[str]:
    if not quiets:
        return []
    rows = [
        "## Running servers",
        "",
        "A hub that was restarted with this number of running servers, after it has adopted them; poll() of each "
        "every 5 s, and the records read every 5 s. The CPU is the hub's total. Goals: 1 query for each interval, 1 "
        "ms.",
        "",
        "| servers | adopted after | DynamoDB queries per interval | EC2 calls | CPU per round"
        " | CPU per server and round | longest block | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in quiets:
        ec2 = sum(count for name, count in one.calls.items() if name.startswith("ec2:"))
        cpu = 1000 * one.cpu / one.rounds
        rows.append(
            f"| {one.servers:,} | {one.ready:.0f} s | {one.calls['dynamodb:Query'] / one.rounds:.2f} | {ec2}"
            f" | {cpu:.0f} ms | {one.per_poll:.2f} ms | {1000 * one.longest_block:.0f} ms | {one.memory:.0f} MB |"
        )
    return [*rows, ""]


def _models(models: Sequence[tuple[str, Outcome]]) -> list[str]:
    rows = [
        "## cloudJHub, modelled",
        "",
        "Its libraries no longer run: this is a model of its call pattern "
        "(`benchmarks/storm/cloudjhub_model.py` describes it) in virtual time against the same buckets. Its "
        "constants were chosen so that 100 users come close to what was observed of the real one (last after 101 s, "
        "2,753 calls of StartInstances); the figures for 500 follow from that (observed: 315 s, 24,482, 3,696 "
        "Describe). Of 500 first logins 310 failed in reality; the model, which has no blocked event loop, shows "
        "fewer.",
        "",
        "| case | failed | StartInstances | RunInstances | DescribeInstances | last after |",
        "|---|---|---|---|---|---|",
    ]
    for what, one in models:
        counts = (one.calls[name] for name in ("StartInstances", "RunInstances", "DescribeInstances"))
        counted = " | ".join(f"{count:,}" for count in counts)
        rows.append(f"| {what} | {one.failed} | {counted} | {one.latest:.0f} s |")
    return [*rows, ""]
