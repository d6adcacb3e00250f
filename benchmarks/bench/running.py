"""The local cloud: the time until a user can log in, and the cost of idle servers in memory and calls."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.bench import counting
from benchmarks.bench.counting import HUB, LIFECYCLE, WORKER, Calls
from benchmarks.bench.logins import start_all, stop_all
from benchmarks.bench.report import Row, Section, measured, sample, slope
from benchmarks.bench.visitor import Visitor
from tests.scenarios.cloud import LocalCloud

MEGABYTE = 1024 * 1024
CONFIGURATION = "jupyterhub_config.py"


def measure(cloud: LocalCloud, visitors: Sequence[Visitor], window: float) -> list[Section]:
    """Without servers, and then with one more server at a time. `window` in seconds. All are stopped at the end."""
    memory = [_memory(cloud)]
    quiet = _calls_within(cloud, window)
    for who in visitors:
        start_all([who])
        memory.append(_memory(cloud))
    busy = _calls_within(cloud, window)
    stop_all(cloud, visitors)
    return [_memory_section(memory), _calls_section(quiet, busy, len(visitors), window)]


def hub_process(cloud: LocalCloud) -> psutil.Process:
    """The hub of this local cloud."""
    [hub] = [process for process in psutil.process_iter() if _is_hub(process, cloud)]
    return hub


def _is_hub(process: psutil.Process, cloud: LocalCloud) -> bool:
    folder = f"{cloud.state_dir}/"
    try:
        arguments = process.cmdline()
        return "-m" in arguments and any(
            w.startswith(folder) and w.endswith(CONFIGURATION) for w in arguments
        )
    except psutil.Error:
        return False


def _memory(cloud: LocalCloud) -> tuple[float, float]:
    """RSS and USS of the hub in megabytes."""
    used = hub_process(cloud).memory_full_info()
    return used.rss / MEGABYTE, used.uss / MEGABYTE


def _calls_within(cloud: LocalCloud, window: float) -> Calls:
    before = counting.seen(cloud)
    time.sleep(window)
    after = counting.seen(cloud)
    after.subtract(before)
    return after


def _memory_section(memory: Sequence[tuple[float, float]]) -> Section:
    counts = range(len(memory))
    rows = []
    for name, values in zip(("RSS", "USS"), zip(*memory, strict=True), strict=True):
        grown = 1024 * slope(counts, values)
        rows += [
            Row(what=f"{name} of the hub, no server", value=f"{values[0]:.1f} MB"),
            Row(what=f"{name} of the hub, {counts[-1]} servers", value=f"{values[-1]:.1f} MB"),
            Row(what=f"{name} per running server", value=f"{grown:,.0f} kB"),
        ]
    return Section(
        title="Memory of the hub",
        intro="For a hub that has had logins before. Per server: the slope over all counts, by least squares.",
        rows=tuple(rows),
    )


def _calls_section(quiet: Calls, busy: Calls, servers: int, window: float) -> Section:
    per_minute = 60 / window
    rows = []
    for title, who, service in (
        ("hub, DynamoDB", HUB, "dynamodb:"),
        ("hub, EC2", HUB, "ec2:"),
        ("lifecycle app, DynamoDB", LIFECYCLE, "dynamodb:"),
        ("lifecycle app, EC2", LIFECYCLE, "ec2:"),
        ("lifecycle app, CloudWatch", LIFECYCLE, "cloudwatch:"),
        ("workers, CloudWatch", WORKER, "cloudwatch:"),
    ):
        without = sum(counting.made_by(quiet, who, service).values()) * per_minute
        with_all = sum(counting.made_by(busy, who, service).values()) * per_minute
        target = "growth 0" if who == HUB else ""
        rows.append(
            Row(
                what=title,
                value=f"{without:.0f} without servers, {with_all:.0f} with {servers}",
                spread="",
                target=target,
            )
        )
    return Section(
        title="Calls per minute while nothing happens",
        intro=f"Counted over {window:.0f} s each. Locally the hub reads the records every second, workers report "
        "every 10 s, and each schedule of the lifecycle app runs every minute; on AWS it is 5 s, half a minute, and "
        "1, 5 and 15 minutes.",
        rows=tuple(rows),
    )


TARGET = 20.0


def time_to_start(port: int, repetitions: int) -> Section:
    """Starts from an empty state directory, and again from that of the first run."""
    empty, resumed = [], []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
            cloud = LocalCloud(Path(folder), port)
            empty.append(_up(cloud))
            resumed.append(_up(cloud))
    return Section(
        title="`make local`",
        intro="`python -m bootstrap local up --detach` until it returns, which is when a user can log in.",
        rows=(
            measured("from an empty state directory", sample(empty), 1, "s", at_most=TARGET),
            measured("resuming", sample(resumed), 1, "s", at_most=TARGET),
        ),
    )


def _up(cloud: LocalCloud) -> float:
    began = time.monotonic()
    try:
        cloud.up()
        return time.monotonic() - began
    finally:
        cloud.down()
