"""Logins, in seconds and in calls, next to the bare start of the same server.

The bare start is what a worker runs, without a machine, a boot client or a hub that waits.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bench import counting
from benchmarks.bench.counting import HUB, LIFECYCLE, Calls, state
from benchmarks.bench.report import Row, Sample, Section, measured, ratios, sample
from benchmarks.bench.visitor import Login, Visitor, visitor
from tests.scenarios.cloud import LocalCloud
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE

TARGET = 1.3
QUIET = 1.0
SERVER_IS_UP = "is running at:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A login, the bare start just before it, its calls, and when its server reported that it is up."""

    login: Login
    bare: float
    calls: Calls
    up: float


def measure(cloud: LocalCloud, homes: Path, repetitions: int, boot_time: float) -> list[Section]:
    """First and later logins, each next to a bare start, one at a time."""
    first_visitor = visitor(cloud, "first")
    first_visitor.timed_start()
    server = of_worker(cloud, "first")
    stop_all(cloud, [first_visitor])
    first: list[Measured] = []
    again: list[Measured] = []
    for turn in range(repetitions):
        who = visitor(cloud, f"visitor{turn}")
        home = homes / who.name
        home.mkdir()
        for kind in (first, again):
            alone = server.start(first_visitor, home)
            kind.append(_login(cloud, who, alone))
            stop_all(cloud, [who])
    return [_against_bare(first, again, boot_time), _stages(first, again)]


def calls_of(cloud: LocalCloud, act: Callable[[], object]) -> Calls:
    """The calls made during `act`, without the hub's reads for all users: records, users and image."""
    before = counting.seen(cloud)
    act()
    made = counting.seen(cloud)
    made.subtract(before)
    del made[HUB, "dynamodb:Query"], made[HUB, "dynamodb:BatchGetItem"]
    return made


def measure_calls(cloud: LocalCloud, visitors: Sequence[Visitor]) -> Section:
    """Calls of a first and a later login, and of simultaneous later logins. No user is logged in before or after."""
    alone = visitors[0]
    first = calls_of(cloud, alone.start)
    stop_all(cloud, [alone])
    again = calls_of(cloud, alone.start)
    stop_all(cloud, [alone])
    start_all(visitors)
    stop_all(cloud, visitors)
    together = calls_of(cloud, lambda: start_all(visitors))
    stop_all(cloud, visitors)
    many = f"{len(visitors)} later logins at once"
    return Section(
        title="Calls per login",
        intro="The hub's calls to AWS, from Start until JupyterLab is ready. The records are read for all servers "
        "together, see below; that reader is not counted here.",
        rows=tuple(
            Row(what=f"{what}: {service}", value=counting.text(made), target=target)
            for what, calls, wish in (
                ("first login", first, "1 change"),
                ("later login", again, "1 call"),
                (many, together, "1 call"),
            )
            for service, name, target in (("EC2", "ec2:", wish), ("DynamoDB", "dynamodb:", ""))
            for made in [counting.made_by(calls, HUB, name)]
        ),
    )


def start_all(visitors: Sequence[Visitor]) -> None:
    """All visitors press Start at once; returns when all servers are ready."""
    with ThreadPoolExecutor(len(visitors)) as pool:
        list(pool.map(lambda who: who.request_start(), visitors))
        list(pool.map(lambda who: who.await_ready(), visitors))


def stop_all(cloud: LocalCloud, visitors: Sequence[Visitor]) -> None:
    """All visitors press Stop; returns when all are recorded as stopped and the lifecycle app makes no more calls."""
    for who in visitors:
        who.stop()
    records = cloud.client("dynamodb")
    names = [who.name for who in visitors]
    cloud.await_true(f"{names} are stopped", lambda: all(_is_stopped(records, name) for name in names))
    rest = counting.made_by(counting.seen(cloud), LIFECYCLE)
    while True:
        time.sleep(QUIET)
        now = counting.made_by(counting.seen(cloud), LIFECYCLE)
        if now == rest:
            return
        rest = now


def _is_stopped(records: Any, key: str) -> bool:
    found = records.get_item(
        TableName="cloudjhub-local-workers", Key={"worker": {"S": key}}, ConsistentRead=True
    )
    return bool(found["Item"]["state"]["S"] == "stopped")


def _login(cloud: LocalCloud, who: Visitor, alone: float) -> Measured:
    before = counting.seen(cloud)
    login = who.timed_start()
    calls = counting.seen(cloud)
    calls.subtract(before)
    return Measured(login=login, bare=alone, calls=calls, up=_said_up(cloud, who.name) - login.began)


def _said_up(cloud: LocalCloud, key: str) -> float:
    """Epoch seconds at which the worker's server last reported on its console that it runs."""
    [instance] = [
        one["instance_id"]
        for one in counting.state(cloud)["instances"]
        if one["tags"].get("cloudjhub:user") == key and one["state"] == "running"
    ]
    console = (cloud.state_dir / "console" / f"{instance}.log").read_text(errors="replace")
    line = [line for line in console.splitlines() if SERVER_IS_UP in line][-1]
    return datetime.strptime(line[3:26], "%Y-%m-%d %H:%M:%S.%f").astimezone().timestamp()


def _against_bare(first: Sequence[Measured], again: Sequence[Measured], boot_time: float) -> Section:
    rows = []
    for name, logins in (("first login", first), ("later login", again)):
        alone = sample(one.bare for one in logins)
        whole = sample(one.login.usable for one in logins)
        rows += [
            measured(f"{name}: bare start of the server", alone, 2, "s"),
            measured(f"{name}: from Start to usable", whole, 2, "s"),
            measured(f"{name} minus the boot time, as a ratio", ratios(whole.less(boot_time), alone), 3,
                     at_most=TARGET),
        ]  # fmt: skip
    return Section(
        title="From Start to a usable JupyterLab",
        intro="Usable: `/user/<name>/lab` and its kernel specs answer through the proxy. The bare start is the very "
        "command and environment that a worker runs, in a new home for a first login and in a used one for a later "
        "login, until the same two answer. Both are measured alternately, and each ratio is of two consecutive "
        f"values. The emulated machine is pending for {boot_time:g} s (`--boot-time`), which is not our work.",
        rows=tuple(rows),
    )


def _stages(first: Sequence[Measured], again: Sequence[Measured]) -> Section:
    rows = []
    for name, logins in (("first login", first), ("later login", again)):
        for what, seconds in _parts(logins).items():
            rows.append(measured(f"{name}: {what}", seconds, 2, "s"))
    return Section(
        title="Where a login's time goes",
        intro="Seconds from one step to the next, from the progress page and the machine's console.",
        rows=tuple(rows),
    )


def _parts(logins: Sequence[Measured]) -> dict[str, Sample]:
    return {
        "the request to AWS for the machine": sample(one.login.booting for one in logins),
        "pending, and the boot client until it has its environment": sample(
            one.login.fetched - one.login.booting for one in logins
        ),
        "the server until it reports that it runs": sample(one.up - one.login.fetched for one in logins),
        "until the hub has noticed": sample(one.login.answers - one.up for one in logins),
        "until Lab is usable through the proxy": sample(
            one.login.usable - one.login.answers for one in logins
        ),
    }


# The local cloud finds the processes of an instance by these; a bare server must not have them.
MARKERS = ("CLOUDJHUB_INSTANCE", "CLOUDJHUB_BOOT_PID")
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class BareServer:
    """The command and environment of a worker's server; its visitors still log in through the hub."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def start(self, visitor: Visitor, home: Path) -> float:
        """Seconds from the start of the process until Lab is usable; the server is terminated afterwards."""
        port = free_port()
        url = f"http://127.0.0.1:{port}{self.environment['JUPYTERHUB_SERVICE_PREFIX']}"
        ours = {"HOME": str(home), "JUPYTERHUB_ROOT_DIR": str(home), "JUPYTERHUB_SERVICE_URL": url}
        began = time.monotonic()
        with (home / "server.log").open("ab") as log:
            process = subprocess.Popen(
                self.arguments,
                cwd=home,
                env={**self.environment, **ours},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            visitor.await_usable(url.rstrip("/"), PATIENCE)
            return time.monotonic() - began
        finally:
            process.terminate()
            process.wait(GRACE)


def of_worker(cloud: LocalCloud, key: str) -> BareServer:
    """The server that runs on this worker's instance."""
    [boot] = [
        one["pid"]
        for one in state(cloud)["instances"]
        if one["tags"].get("cloudjhub:user") == key and one["state"] == "running"
    ]
    [server] = [
        child
        for child in psutil.Process(boot).children(recursive=True)
        if "jupyterhub.singleuser" in child.cmdline()
    ]
    environment = {name: value for name, value in server.environ().items() if name not in MARKERS}
    return BareServer(tuple(server.cmdline()), environment)
