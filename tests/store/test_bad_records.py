"""A hundredth of all records is bad, in every way: all others are seen to by every pass, and the bad ones are named.

`make bad-records` does it with 10,000 records, `make test` with some hundred. What is bad follows from the seed.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import Level
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import text
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import reconcile, record_activity, sweep
from tests.lifecycle.examples import HOUR, MINUTE, NOON, a_worker, an_instance, quiet, reports
from tests.lifecycle.fakes import World
from tests.store import servers
from tests.store.items import HARMS, UNWATCHED, Item, item_of

RECORDS = int(os.environ.get("RECORDS", "300"))
BAD = max(RECORDS // 100, 2 * len(HARMS))
"""Each way twice at least, and then more than a hundredth of a few."""
SEED = int(os.environ.get("SEED", "8"))
KIND = "dynalite" if RECORDS <= 1000 else "dynamodb-local"
"""Where an index has several pages, dynalite loses items of equal times between them; DynamoDB Local does not."""
SAYS = "the record of "


@dataclass
class Cluster:
    """A world whose records are in a DynamoDB: half of the workers are idle and due, the others work."""

    world: World
    idle: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    unwatched: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)


def worker(n: int, *, idle: bool) -> Worker:
    life = NOON - 2 * HOUR if idle else NOON - 30 * MINUTE
    return a_worker(
        key=f"u{n:05}",
        instance_id=f"i-{n:05}",
        started_at=NOON - 3 * HOUR,
        last_activity=life,
        decided="" if idle else "busy",
        due_at=NOON - MINUTE if idle else NOON + 30 * MINUTE,
        changed_at=NOON - HOUR,
    )


def an_item(cluster: Cluster, n: int, harm: int | None) -> Item:
    """The item of worker `n`; which harm it has, if any, goes into the cluster's books."""
    idle, hides = n % 2 == 0, n % 50 == 1
    one = worker(n, idle=idle or hides or harm is not None)
    item = item_of(one)
    if harm is not None:
        HARMS[harm % len(HARMS)].change(item)
        cluster.bad.add(one.key)
    elif hides:
        UNWATCHED[n // 50 % 2][1](item)
        cluster.unwatched.add(one.key)
    else:
        (cluster.idle if idle else cluster.busy).add(one.key)
    return item


def fill(cluster: Cluster) -> None:
    rng = random.Random(SEED)  # noqa: S311 -- chooses what is bad
    harmed = {n: harm for harm, n in enumerate(rng.sample(range(RECORDS), BAD))}
    table = servers.name_of("workers")
    items = [an_item(cluster, n, harmed.get(n)) for n in range(RECORDS)]
    client: Any = boto3.client("dynamodb")
    for start in range(0, RECORDS, 25):
        wanted = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        client.batch_write_item(RequestItems={table: wanted})
    silence, work = quiet().reports, reports(Level.WORK, NOON - 2 * HOUR, NOON)
    for n in range(RECORDS):
        name = f"i-{n:05}"
        cluster.world.cloud.add(an_instance(key=f"u{n:05}", instance_id=name, launched_at=NOON - 3 * HOUR))
        cluster.world.metrics.reports[name] = work if f"u{n:05}" in cluster.busy else silence


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with servers.running(KIND) as endpoint, servers.used(endpoint):
        world = World()
        world.settings = SettingsStore(servers.CLUSTER)
        world.store = WorkerStore(servers.CLUSTER)  # type: ignore[assignment]  # the real one for the one in memory
        found = Cluster(world)
        fill(found)
        yield found


def named(caplog: pytest.LogCaptureFixture) -> Counter[str]:
    """How often each bad record was named since the last time."""
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()
    assert all(line.startswith(SAYS) for line in lines), lines[:5]
    return Counter(line.removeprefix(SAYS).partition(" ")[0] for line in lines)


def raw(keys: Iterable[str]) -> dict[str, Any]:
    """The items as DynamoDB keeps them."""
    found = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=servers.name_of("workers"))
    items = {item["worker"]["S"]: item for page in found for item in page["Items"]}
    return {key: items[key] for key in keys}


def test_bad_records_hide_no_other(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    service, store = cluster.world.service, cluster.world.store
    once, before = Counter(cluster.bad), raw(cluster.bad)
    print(f"seed {SEED}: {RECORDS} records, {len(once)} bad, {len(HARMS)} ways")

    done = record_activity(service, NOON)
    assert done["running"] == len(cluster.idle) + len(cluster.busy)
    assert {w.key for w in store.costing() if w.last_activity == NOON} == cluster.busy
    assert named(caplog) == Counter(dict.fromkeys(once, 2))  # by the pass, and by the line above

    outcomes = sweep(service, lambda: True)
    assert outcomes == {"stopped": len(cluster.idle)}
    assert set(cluster.world.cloud.stops) == {f"i-{key[1:]}" for key in cluster.idle}
    assert named(caplog) == once

    done = reconcile(service, NOON, lambda: True)
    assert named(caplog) == once
    assert done["unwatched"] == len(cluster.unwatched)
    assert "failed" not in done
    assert set(cluster.world.metrics.alarms) == {f"i-{k[1:]}" for k in cluster.busy | cluster.unwatched}
    told = [entry for entry in store.history_of_day("2026-11-23") if entry.kind is Kind.REPORT]
    assert Counter(entry.key for entry in told) == once
    assert {entry.reason for entry in told} == {"bad-record"}
    assert all(
        "until you correct the item in the table cloudjhub-test-workers" in text(e.message) for e in told
    )

    caplog.clear()
    assert sweep(service, lambda: True)["stopped"] == len(cluster.unwatched)
    assert named(caplog) == once
    stopped = [w for w in store.scan().workers if w.state is State.STOPPING]
    assert {w.key for w in stopped} == cluster.idle | cluster.unwatched
    assert raw(cluster.bad) == before
