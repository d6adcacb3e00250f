"""The cost of one sweep, by the number of workers that exist, run and are due.

`python -m benchmarks.bench.sweeps --records 100000 --due 1000` prints it as JSON; with `--running N` others run that
are not due yet. The records are in Amazon's DynamoDB Local (or dynalite, with `--store dynalite`), the hub is a
separate, slow server, EC2 and CloudWatch are lean versions in this process.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from unittest.mock import patch

import boto3
from botocore.httpsession import URLLib3Session

from benchmarks.bench.report import Row, Section, verdict
from benchmarks.peers.installed import peak_megabytes
from bootstrap.local.cloud.ec2 import rules
from lifecycle_app.adapters.cloudwatch import CloudWatch
from lifecycle_app.adapters.ec2 import Ec2, StopBatches
from lifecycle_app.adapters.hub_client import DrainAnswer, HubClient
from lifecycle_app.adapters.hub_session import session
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.concurrency import in_threads
from lifecycle_app.contract import TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER, Drain, Level, metric_namespace
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases import Service, sweep
from tests.scenarios.cloud import REPOSITORY
from tests.simulation.cloudwatch import LeanCloudWatch
from tests.simulation.ec2 import LeanEC2, Machine
from tests.store import servers
from tests.store.items import item_of

MINUTE = timedelta(minutes=1)
ITEMS_A_CALL = 25
SIZES = (1_000, 10_000, 100_000)
SAME_DUE = 100
MANY_DUE = 1_000
IDLE_FOR = 100
"""Minutes."""
NOT_YET = timedelta(minutes=30)
"""Until a running worker that is not due becomes due."""


class Token:
    """Any token: the hub of the benchmark accepts it."""

    def value(self) -> str:
        return "token"

    def forget(self) -> None: ...


class Requests:
    """DynamoDB requests as they leave this process, and what they read."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.read = 0
        self._lock = Lock()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts the requests within the block."""
        send = URLLib3Session.send

        def counted(sender: Any, request: Any) -> Any:
            answer = send(sender, request)
            self._note(request.headers.get("X-Amz-Target", b"?"), answer.content)
            return answer

        with patch.object(URLLib3Session, "send", counted):
            yield

    def _note(self, target: bytes | str, content: bytes) -> None:
        name = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        body = json.loads(content or b"{}")
        with self._lock:
            self.calls[name] += 1
            self.read += body.get("ScannedCount", 0) + ("Item" in body)
            self.read += sum(map(len, body.get("Responses", {}).values()))


class CountedHub(HubClient):
    """The real client; counts its requests. Each drain is one request."""

    def __init__(self, api: str) -> None:
        super().__init__(api, Token(), session(None))
        self.calls: Counter[str] = Counter()
        self._lock = Lock()

    def drain(
        self, worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        with self._lock:
            self.calls["drain"] += 1
        return super().drain(worker, mode, since, counts)


def a_worker(number: int, now: datetime, *, due: bool, running: bool = False) -> Worker:
    """A worker that has been idle for long and is due, a running one, or a stopped one, as most are."""
    runs = due or running
    return Worker(
        key=f"user{number:06}",
        instance_id=f"i-{number:017x}",
        state=State.RUNNING if runs else State.STOPPED,
        state_at=now - IDLE_FOR * MINUTE,
        version=1,
        changed_at=now - IDLE_FOR * MINUTE,
        started_at=now - IDLE_FOR * MINUTE if runs else None,
        due_at=now - MINUTE if due else now + NOT_YET if running else None,
    )


def fill(records: int, due: int, now: datetime, running: int = 0) -> list[Worker]:
    """Writes the records and returns those that are due. `running` of them run, including those that are due.

    Only a batch is kept in memory, so that the process's memory is the sweep's.
    """
    client, table = boto3.client("dynamodb"), servers.name_of("workers")
    for start in range(0, records, ITEMS_A_CALL):
        numbers = range(start, min(start + ITEMS_A_CALL, records))
        items = [
            _item(a_worker(number, now, due=number < due, running=number < running)) for number in numbers
        ]
        left: Any = {table: [{"PutRequest": {"Item": item}} for item in items]}
        while left:
            left = client.batch_write_item(RequestItems=left)["UnprocessedItems"]
    return [a_worker(number, now, due=True) for number in range(due)]


def _item(worker: Worker) -> dict[str, Any]:
    item = item_of(worker)
    if not worker.state.costs:
        del item["costs"]
    return item


def a_cluster(due: Sequence[Worker], hub: CountedHub) -> tuple[Service, LeanEC2, LeanCloudWatch]:
    """The real service on lean clouds, with the machines of the due workers and their reports."""

    def now() -> datetime:
        return datetime.now(UTC)

    ec2, cloudwatch = LeanEC2(now=now, schedule=lambda _after, _act: None), LeanCloudWatch(now=now)
    for worker in due:
        ec2.add(_machine(worker))
        for minute in range(IDLE_FOR):
            at = worker.state_at + minute * MINUTE
            cloudwatch.put(metric_namespace(servers.CLUSTER), "Activity", worker.instance_id, 0, at)
    service = Service(
        cluster=servers.CLUSTER,
        store=WorkerStore(servers.CLUSTER),
        settings=SettingsStore(servers.CLUSTER),
        cloud=Ec2(ec2, StopBatches(_OneByOne(ec2)), servers.CLUSTER),
        metrics=CloudWatch(cloudwatch, servers.CLUSTER, MINUTE),
        hub=hub,
        clock=now,
        map_all=in_threads,
    )
    return service, ec2, cloudwatch


class _OneByOne:
    """The lean EC2 is not thread-safe."""

    def __init__(self, ec2: LeanEC2) -> None:
        self._ec2 = ec2
        self._lock = Lock()

    def stop_instances(self, **request: Any) -> object:
        with self._lock:
            return self._ec2.stop_instances(**request)


def _machine(worker: Worker) -> Machine:
    tags = {TAG_CLUSTER: servers.CLUSTER, TAG_ROLE: "worker", TAG_USER: worker.key, TAG_SERVER: ""}
    return Machine(
        worker.instance_id,
        "10.0.0.1",
        "us-east-1a",
        "t3.medium",
        tags,
        worker.state_at,
        state=rules.State.RUNNING,
        has_run=True,
    )


def swept(records: int, due: int, hub_api: str, running: int = 0) -> dict[str, Any]:
    """What one sweep did and used, on the DynamoDB that the environment names."""
    hub = CountedHub(hub_api)
    service, ec2, cloudwatch = a_cluster(fill(records, due, datetime.now(UTC), running), hub)
    requests = Requests()
    began, worked = time.monotonic(), time.process_time()
    with requests.counting():
        outcomes = sweep(service, lambda: True)
    return {
        "records": records,
        "running": max(running, due),
        "due": due,
        "outcomes": outcomes,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - worked,
        "megabytes": peak_megabytes(),
        "dynamodb": dict(requests.calls),
        "items_read": requests.read,
        "ec2": dict(ec2.calls),
        "cloudwatch": dict(cloudwatch.calls),
        "hub": dict(hub.calls),
    }


@contextmanager
def slow_hub(seconds: float) -> Iterator[str]:
    """A hub in a separate process that releases every server, after `seconds` for each."""
    command = [sys.executable, "-m", "benchmarks.bench.slow_hub", str(seconds)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as hub:
        try:
            assert hub.stdout is not None
            yield f"http://127.0.0.1:{int(hub.stdout.readline())}/hub/api"
        finally:
            hub.terminate()


def in_a_process(
    records: int, due: int, hub_seconds: float, store: str = "dynamodb-local", running: int = 0
) -> dict[str, Any]:
    """The same in a new process, to measure its memory alone."""
    options = [
        "--records",
        str(records),
        "--due",
        str(due),
        "--hub-seconds",
        str(hub_seconds),
        "--store",
        store,
        "--running",
        str(running),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench.sweeps", *options],
        cwd=REPOSITORY,
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def measure() -> Section:
    """By the number of existing workers with the same number due; and with a thousand due, each a second at the hub."""
    same = {records: in_a_process(records, SAME_DUE, 0) for records in SIZES}
    storm = in_a_process(SIZES[-1], MANY_DUE, 1)
    rows = [
        Row(
            what=f"{records:,} workers, {SAME_DUE} due",
            value=f"{sum(cost['dynamodb'].values())} DynamoDB requests that read {cost['items_read']} items,"
            f" {sum(cost['cloudwatch'].values())} GetMetricData, {cost['cpu']:.1f} s CPU, {cost['megabytes']:.0f} MB",
        )
        for records, cost in same.items()
    ]
    reads = [cost["items_read"] + sum(cost["dynamodb"].values()) for cost in same.values()]
    growth = max(reads) / min(reads)
    rows.append(Row(what="the most reads / the fewest", value=f"{growth:.2f}", target=verdict(growth, 1.1)))
    what = f"{SIZES[-1]:,} workers, {MANY_DUE:,} due, each a second at the hub"
    stops = (
        f"{storm['outcomes'].get('stopped', 0):,} stopped in {storm['ec2']['StopInstances']} StopInstances"
    )
    rows += [
        Row(what=what, value=f"{storm['seconds']:.1f} s, {stops}", target=verdict(storm["seconds"], 30, "s")),
        Row(what="its CPU", value=f"{storm['cpu']:.1f} s"),
        Row(
            what="its memory",
            value=f"{storm['megabytes']:.0f} MB",
            target=verdict(storm["megabytes"], 256, "MB"),
        ),
    ]
    return Section(
        title="One sweep",
        intro="`python -m benchmarks.bench.sweeps --records N --due M`: the real function's code, its records in "
        "Amazon's "
        "DynamoDB Local, the hub a separate server, EC2 and CloudWatch lean in-memory versions. Requests are "
        "counted as they leave the process.",
        rows=tuple(rows),
    )


def main() -> None:
    """Prints the cost of one sweep as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench.sweeps", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--due", type=int, default=10)
    parser.add_argument("--running", type=int, default=0, help="that run, including those that are due")
    parser.add_argument(
        "--hub-seconds", type=float, default=0.0, help="seconds that the hub takes for each drain"
    )
    parser.add_argument("--store", default="dynamodb-local", choices=["dynamodb-local", "dynalite"])
    given = parser.parse_args()
    with (
        servers.running(given.store) as endpoint,
        servers.used(endpoint),
        slow_hub(given.hub_seconds) as hub_api,
    ):
        print(json.dumps(swept(given.records, given.due, hub_api, given.running)))


if __name__ == "__main__":
    main()
