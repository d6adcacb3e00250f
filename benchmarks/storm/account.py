"""A lean AWS as a process: EC2 with its token buckets, the records, STS, Parameter Store and events.

The records are written by the lifecycle app's own `record_state`, some time after each state change.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from botocore.exceptions import ClientError

from benchmarks.storm import settings, wire
from benchmarks.storm.settings import CLUSTER, Storm
from benchmarks.storm.wire import Records
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.gateway.throttling import Buckets
from lifecycle_app.adapters.ec2 import Ec2
from lifecycle_app.errors import CloudError, EventRefused, NotNow
from lifecycle_app.model.events import StateChange
from lifecycle_app.model.worker import State as Recorded
from lifecycle_app.model.worker import Worker
from lifecycle_app.use_cases import Service, record_state
from tests.lifecycle.fakes import MemoryHub, MemoryMetrics, MemoryStore
from tests.simulation.ec2 import LeanEC2, Machine

DELIVERY = (0.3, 1.5)
"""Seconds from a state change to its record: EventBridge and a function."""
RETRY_AFTER = (60.0, 120.0)
"""Lambda retries an event's function twice."""
LIFECYCLE = "lifecycle"


class Ec2OfStorm(LeanEC2):
    """EC2 whose private addresses are loopback addresses of this machine."""

    workers = settings.WORKERS

    def add(self, machine: Machine) -> None:
        number = len(self.by_id) + 256
        machine.address = f"{self.workers}.{number >> 8}.{number & 255}"
        super().add(machine)


class Account:
    """The account and its resources."""

    def __init__(self, storm: Storm, secrets: dict[str, str]) -> None:
        self.storm = storm
        self.secrets = secrets
        self.random = random.Random(storm.seed)  # noqa: S311 -- not a secret
        self.store = MemoryStore()
        self.records = Records(self.store, CLUSTER)
        self.calls: Counter[str] = Counter()
        self.changes: list[dict[str, Any]] = []
        self.changed = asyncio.Event()
        self.duplicates = 0
        self.failures: Counter[str] = Counter()
        self.ec2 = Ec2OfStorm(
            now=lambda: datetime.now(UTC),
            schedule=lambda after, act: asyncio.get_running_loop().call_later(after.total_seconds(), act),
            told=self._on_state,
            boot_time=lambda: timedelta(seconds=self.random.uniform(*storm.boot)),
            limits=Buckets(time.monotonic),
        )
        self.ec2.workers = storm.workers
        cloud = Ec2(self.ec2, self.ec2, CLUSTER)
        self.service = Service(
            CLUSTER, self.store, self.store, cloud, MemoryMetrics(), MemoryHub(), lambda: datetime.now(UTC)
        )
        if not storm.first:
            self._make_machines()

    def _make_machines(self) -> None:
        """Each user has had a machine since yesterday."""
        now, yesterday = datetime.now(UTC), datetime.now(UTC) - timedelta(days=1)
        state = State.RUNNING if self.storm.running else State.STOPPED
        for number in range(self.storm.users):
            name = self.storm.name(number)
            tags = {"cloudjhub:cluster": CLUSTER, "cloudjhub:role": "worker", "cloudjhub:user": name}
            machine = Machine(
                instance_id=f"i-{number:017x}",
                address="",
                zone="us-east-1a",
                instance_type="t3.medium",
                tags={**tags, "cloudjhub:server": ""},
                launched_at=yesterday,
                home=f"vol-{number:017x}",
                state=state,
                has_run=True,
            )
            self.ec2.add(machine)
            self.ec2.volumes[machine.home or ""] = machine.instance_id
            self.store.put(_record(name, machine, yesterday), now - timedelta(hours=1))
            if self.storm.running:
                self._announce(machine, state)

    def _on_state(self, machine: Machine, state: State) -> None:
        at = datetime.now(UTC)
        self._announce(machine, state)
        if state is State.PENDING:
            own = self.ec2.by_user[machine.worker].values()
            self.duplicates += sum(one.is_alive for one in own) > 1
        recorded = Recorded.TERMINATED if state is State.SHUTTING_DOWN else Recorded(state)
        event = StateChange(machine.instance_id, recorded, at.replace(microsecond=0))
        self._later(self.random.uniform(*DELIVERY), lambda: self._record(event, RETRY_AFTER))

    def _record(self, event: StateChange, retries: tuple[float, ...]) -> None:
        before = Counter(self.ec2.calls)
        try:
            record_state(self.service, event, datetime.now(UTC))
        except (NotNow, CloudError, EventRefused) as error:
            self.failures[f"record_state: {type(error).__name__}"] += 1
            if retries:
                self._later(retries[0], lambda: self._record(event, retries[1:]))
        made = Counter(self.ec2.calls)
        made.subtract(before)
        self.calls.update({f"{LIFECYCLE} {action}": count for action, count in made.items()})

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, act)

    def _announce(self, machine: Machine, state: State) -> None:
        answer = {"instance": machine.instance_id, "address": machine.address, "user": machine.worker}
        self.changes.append({**answer, "state": str(state), "at": time.time()})
        self.changed.set()
        self.changed = asyncio.Event()

    # HTTP.

    async def aws(self, request: web.Request) -> web.Response:
        """The endpoint of all services: the signature names the service."""
        body = await request.text()
        target = request.headers.get("X-Amz-Target", "")
        if target:
            service, _, action = target.partition(".")
            return self._json(service, action, json.loads(body))
        signed = request.headers["Authorization"].partition("Credential=")[2].partition(",")[0]
        service, key = signed.split("/")[-2], signed.split("/")[0]
        action = body.partition("Action=")[2].partition("&")[0]
        self.calls[f"{service}:{action}"] += 1
        if service == "sts":
            return _xml(wire.answer("sts", action, _identity(key)))
        return self._ec2(action, body)

    def _ec2(self, action: str, body: str) -> web.Response:
        asked = wire.arguments("ec2", action, body)
        method = "".join(f"_{char.lower()}" if char.isupper() else char for char in action)[1:]
        for unused in ("MaxResults", "NextToken"):
            asked.pop(unused, None)
        try:
            answer = getattr(self.ec2, method)(**asked)
        except ClientError as error:
            self.calls[f"ec2:{action} refused"] += 1
            said = error.response["Error"]
            throttled = said["Code"] == "RequestLimitExceeded"
            return _xml(wire.refusal(said["Code"], said["Message"]), 503 if throttled else 400)
        return _xml(wire.answer("ec2", action, answer))

    def _json(self, service: str, action: str, asked: dict[str, Any]) -> web.Response:
        name = {"DynamoDB_20120810": "dynamodb", "AmazonSSM": "ssm", "AWSEvents": "events"}[service]
        self.calls[f"{name}:{action}"] += 1
        if name == "dynamodb":
            answer = self.records.answer(action, asked)
        elif name == "ssm":
            found = {one: self.secrets.get(one.split("/", 3)[3]) for one in asked["Names"]}
            answer = {"Parameters": [{"Name": one, "Value": value} for one, value in found.items() if value]}
        else:
            answer = {"FailedEntryCount": 0, "Entries": [{} for _ in asked["Entries"]]}
        return web.Response(text=json.dumps(answer), content_type="application/x-amz-json-1.0")

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """All state changes from the first one on, one line of JSON each."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        seen = 0
        while True:
            more = self.changed
            lines = [json.dumps(one) + "\n" for one in self.changes[seen:]]
            seen += len(lines)
            await answer.write("".join(lines).encode())
            await more.wait()

    async def counts(self, request: web.Request) -> web.Response:
        """All counts."""
        users = Counter(machine.worker for machine in self.ec2.by_id.values())
        several = sum(count > 1 for count in users.values())
        found = {"calls": self.calls, "changes": self.changes, "failures": self.failures}
        return web.json_response(
            {**found, "duplicates": self.duplicates, "several": several, "machines": len(self.ec2.by_id)}
        )


def _record(name: str, machine: Machine, at: datetime) -> Worker:
    """The record of a machine that has been in its state for a long time."""
    runs = machine.state is State.RUNNING
    return Worker(
        key=name,
        instance_id=machine.instance_id,
        state=Recorded(machine.state),
        state_at=at,
        version=0,
        changed_at=at,
        address=machine.address,
        instance_type=machine.instance_type,
        zone=machine.zone,
        home_volume=machine.home,
        started_at=at if runs else None,
        last_activity=at,
        due_at=at + timedelta(days=2) if runs else None,
        stop_reason=None if runs else "idle",
    )


def _identity(key: str) -> dict[str, str]:
    """The caller: a machine's access key is its instance's id."""
    is_worker = key.startswith("i-")
    role = f"{settings.ROLE}/{key}" if is_worker else "cloudjhub-storm-manager/i-0123456789abcdef0"
    arn = f"arn:aws:sts::{settings.ACCOUNT}:assumed-role/{role}"
    return {"UserId": "storm", "Account": settings.ACCOUNT, "Arn": arn}


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/xml")


def application(storm: Storm, secrets: dict[str, str]) -> web.Application:
    """The account as an HTTP server."""
    account = Account(storm, secrets)
    app = web.Application()
    app.add_routes(
        [
            web.post("/", account.aws),
            web.get("/_storm/counts", account.counts),
            web.get("/_storm/follow", account.follow),
        ]
    )
    return app


async def _application(file: Path) -> web.Application:
    return application(*settings.read(file))


def main() -> None:
    """Serves the account until terminated."""
    file = Path(sys.argv[1])
    storm, _ = settings.read(file)
    web.run_app(
        _application(file), host=f"{storm.network}.0.2", port=storm.aws_port, print=None, access_log=None
    )


if __name__ == "__main__":
    main()
