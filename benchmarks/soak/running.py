"""Runs a soak: users at work in a local cloud with faults, then a quiet time, then the audit's story."""

import json
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.soak.faults import Faults
from benchmarks.soak.people import LOGIN_PATIENCE, SimulatedUser, checksum
from benchmarks.soak.plan import plan
from benchmarks.soak.story import Record, Seen, Story
from benchmarks.soak.watch import Watch, workers
from bootstrap.local.settings import REPORT_PERIOD, LocalSettings
from lifecycle_app.contract import CLUSTER_SCOPE
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import read
from lifecycle_app.model.policy import Policy, policy_for
from lifecycle_app.model.worker import State
from tests.scenarios.cloud import LocalCloud
from tests.scenarios.events import sweep_event

SWEEP = timedelta(seconds=75)
"""Every minute, by a schedule that ticks every ten seconds, plus the function's time."""
UP = ("pending", "running", "stopping")
PASSES = 2
SETTLED_WITHIN = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of a soak."""

    seed: int
    people: int
    seconds: float
    """Of work and faults; the quiet time follows."""
    idle_timeout: timedelta
    hung_after: timedelta


def soak(state_dir: Path, port: int, size: Size) -> Story:
    """The story of a soak in its own local cloud."""
    policy = f"hung_after={size.hung_after.total_seconds():.0f}"
    idle = f"{size.idle_timeout.total_seconds():.0f}s"
    cloud = LocalCloud(state_dir, port, "--idle-timeout", idle, "--policy", policy, "--stop-time", "2s")
    try:
        cloud.up()
        return _soak(cloud, size)
    finally:
        cloud.down()


def _soak(cloud: LocalCloud, size: Size) -> Story:
    seen: list[Seen] = []
    is_over = threading.Event()
    people = [
        SimulatedUser(person, f"{size.seed} {person.name}", size.idle_timeout.total_seconds(), seen.append)
        for person in (cloud.person(f"soaked-{number}", may_idle=True) for number in range(size.people))
    ]
    watch, faults = Watch(cloud), Faults(cloud)
    watch.start()
    lives = [threading.Thread(target=one.live, args=(is_over,), daemon=True) for one in people]
    for life in lives:
        life.start()
    try:
        faults.carry_out(plan(size.seed, size.seconds))
    finally:
        faults.all_off()
        is_over.set()
    for life in lives:
        life.join()
    policy = _policy(cloud, size)
    _await_quiet(cloud, policy)
    ended = _await_settled(cloud)
    watch.end()
    return Story(
        policy=policy,
        period=REPORT_PERIOD,
        sweep=SWEEP,
        patience=timedelta(seconds=LOGIN_PATIENCE),
        ended=ended,
        faults=tuple(faults.episodes),
        crashes=(*faults.crashes, *watch.dead),
        calls=tuple(watch.calls),
        transitions=tuple(watch.transitions),
        records=_records(cloud),
        history=tuple(entry for one in people for entry in history(cloud, one.person.name)),
        seen=tuple(seen),
        homes=_homes(cloud, [one.person.name for one in people]),
    )


def _policy(cloud: LocalCloud, size: Size) -> Policy:
    """The policy that the local cloud's settings result in."""
    settings = LocalSettings(state_dir=cloud.state_dir, port=0, network=0, idle_timeout=size.idle_timeout)
    document = {**settings.policy_document(), "hung_after": size.hung_after.total_seconds()}
    return policy_for("", (), {CLUSTER_SCOPE: json.dumps(document)})


def _await_quiet(cloud: LocalCloud, policy: Policy) -> None:
    """Until every machine has stopped, or until the audit can be certain that one does not."""
    longest = max(policy.idle_timeout, policy.hung_after) + 3 * SWEEP
    end = time.monotonic() + longest.total_seconds()
    while any(one["state"] in UP for one in workers(cloud)) and time.monotonic() < end:
        time.sleep(1)


def _await_settled(cloud: LocalCloud) -> datetime:
    """Waits for two passes of reconcile and their effects; returns the time."""
    for _ in range(PASSES):
        cloud.invoke("reconcile", sweep_event())
    end = time.monotonic() + SETTLED_WITHIN
    while not _agree(cloud) and time.monotonic() < end:
        time.sleep(1)
    return datetime.now(UTC)


def _agree(cloud: LocalCloud) -> bool:
    """An event may still be in transit; the audit decides whether that matters."""
    states = {one["instance_id"]: one["state"] for one in workers(cloud)}
    records = _records(cloud).values()
    return all(states.get(one.instance_id, one.state) == one.state for one in records)


def _records(cloud: LocalCloud) -> dict[str, Record]:
    return {
        str(row["worker"]): Record(instance_id=str(row["instance"]), state=State(row["state"]))
        for row in cloud.status()["workers"]
    }


def history(cloud: LocalCloud, worker: str) -> Iterable[Entry]:
    """A worker's history as values."""
    for row in cloud.history(worker):
        yield Entry(
            key=worker,
            at=datetime.fromisoformat(str(row["at"]).partition("#")[0]),
            kind=Kind(row["kind"]),
            reason=str(row["reason"]),
            message=read(str(row["words"])),
            instance_id=str(row["instance_id"]),
            evidence=json.loads(str(row["evidence"])) if row.get("evidence") else {},
        )


def _homes(cloud: LocalCloud, names: Iterable[str]) -> dict[tuple[str, str], str]:
    """The files on the home disks, attached or not."""
    return {
        (name, path.name): checksum(path.read_text())
        for name in names
        if (disk := _home_disk(cloud, name))
        for path in (cloud.state_dir / "volumes" / disk).glob("file-*.txt")
    }


def _home_disk(cloud: LocalCloud, worker: str) -> str:
    found: dict[str, Any] = cloud.client("dynamodb").get_item(
        TableName="cloudjhub-local-workers", Key={"worker": {"S": worker}}
    )
    with suppress(KeyError):
        return str(found["Item"]["home_volume"]["S"])
    return ""
