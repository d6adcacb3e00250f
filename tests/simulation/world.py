"""A whole cluster in virtual time: people, hub, workers, EC2, CloudWatch, records, functions on their schedules."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bootstrap.local.cloud.ec2.rules import State
from hub.drain.verdict import Request
from lifecycle_app import use_cases
from lifecycle_app.adapters.cloudwatch import CloudWatch
from lifecycle_app.adapters.ec2 import Ec2
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.contract import HUB_SOURCE, KEEP_REQUESTED, STOP_REQUESTED, Drain, Level
from lifecycle_app.errors import CloudError, EventRefused, HubAnswerOdd, HubUnreachable, StoreUnavailable
from lifecycle_app.model import events
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import Worker, split
from lifecycle_app.use_cases import Service
from tests.hub.fakes import SETTINGS
from tests.lifecycle.fakes import MemoryStore
from tests.simulation.audit import Audit
from tests.simulation.cloudwatch import LeanCloudWatch
from tests.simulation.ec2 import LeanEC2, Machine, refusal
from tests.simulation.functions import RETRY_AFTER, Chances, Crossed, Fate, Functions
from tests.simulation.hub import Hub, Seat, Threads
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.workers import PERIOD, Process, Workers

CLUSTER = SETTINGS.cluster
MINUTE = timedelta(minutes=1)
SCHEDULES = {"record_activity": 1, "sweep": 5, "reconcile": 15, "remove_stopped": 30}
"""Minutes."""
CPU_EVERY = 5
EC2_REFUSALS = (lambda: refusal("RequestLimitExceeded"), lambda: refusal("InternalError"))
STORE_REFUSALS = (lambda: StoreUnavailable("throttled"), lambda: StoreUnavailable("lost the answer"))
HUB_SETTINGS = replace(SETTINGS, read_interval=timedelta(seconds=30), home_disk=3)


class World:
    """One cluster. `faults` is the probability with which each thing that can fail does."""

    def __init__(
        self, seed: object, *, policy: Policy | None = None, root_kept: timedelta | None = None
    ) -> None:
        self.random = random.Random(str(seed))  # noqa: S311 -- not a secret
        random.seed(str(seed))  # the hub's own pauses between tries
        self.loop = VirtualLoop()
        self.policy = policy or Policy()
        self.root_kept = root_kept
        self.faults = 0.0
        self.faults_ended = self.loop.now()
        self.hub_down: list[tuple[datetime, datetime | None]] = []
        self.store = MemoryStore()
        self.ec2 = LeanEC2(
            now=self.loop.now,
            schedule=lambda after, act: self.loop.call_later(after.total_seconds(), act),
            told=self._on_state,
            boot_time=lambda: timedelta(seconds=self.random.uniform(8, 40)),
            stop_time=lambda: timedelta(seconds=self.random.uniform(5, 60)),
        )
        self.cloudwatch = LeanCloudWatch(now=self.loop.now, rang=self._on_alarm)
        self.workers = Workers(self.ec2, self.cloudwatch, CLUSTER, loses=self._hits)
        self.functions = Functions(self.loop, self._chances())
        self.audit = Audit(self, self.policy)
        self.seats: dict[str, Seat] = {}
        self.service = self._service()
        self.hub: Hub | None = None
        self.pending: dict[str, datetime] = {}
        self.stop_pressed: dict[str, datetime] = {}
        self.store.settings["cluster"] = _as_json(self.policy)
        self.loop.call_soon(self.start_hub)
        self.loop.call_soon(self._each_minute, 0)

    def now(self) -> datetime:
        return self.loop.now()

    def run(self, duration: timedelta) -> None:
        """Lets so much virtual time pass."""
        self.loop.run_until_complete(asyncio.sleep(duration.total_seconds()))

    def close(self) -> None:
        """Ends what runs, and the loop."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    @contextmanager
    def failing(self, probability: float) -> Iterator[None]:
        """Things fail with this probability."""
        self.faults = probability
        try:
            yield
        finally:
            self.faults, self.faults_ended = 0.0, self.now()

    # The hub's life.

    def start_hub(self) -> None:
        """A new hub process, if none runs."""
        if self.hub is not None:
            return
        threads = Threads(self.loop, self._latency, self._coin)
        self.hub = Hub(
            self.loop,
            HUB_SETTINGS,
            self.seats,
            ec2=_Flaky(self.ec2, self._hits, self._coin, EC2_REFUSALS),
            store=_Flaky(self.store, self._hits, self._coin, STORE_REFUSALS),
            workers=self.workers,
            send=self.deliver,
            threads=threads,
        )
        self.hub.begin()
        if self.hub_down:
            self.hub_down[-1] = (self.hub_down[-1][0], self.now())

    def kill_hub(self, down_for: timedelta = timedelta(seconds=5)) -> None:
        """SIGKILL, and a new one after some time."""
        if self.hub is None:
            return
        self.hub.kill()
        self.hub = None
        self.hub_down.append((self.now(), None))
        self.loop.call_later(down_for.total_seconds(), self.start_hub)

    def kill_hub_at(self, call: int) -> None:
        """SIGKILL about when the hub makes its call of that number from now on."""
        if self.hub is not None:
            threads = self.hub.threads
            threads.kill_at = (threads.calls + call, self.kill_hub)

    def was_hub_down(self, within: timedelta) -> bool:
        """Was the hub down at any time in the last so much?"""
        since = self.now() - within
        return any(until is None or until > since for _, until in self.hub_down[-3:])

    def pending_since(self) -> dict[str, datetime]:
        """Servers that are pending spawn, since when."""
        return dict(self.pending)

    # Events and functions.

    def deliver(self, event: dict[str, Any]) -> None:
        """EventBridge: soon, or late, twice or never."""
        copies = 0 if self._hits() and event["source"] == "aws.ec2" else 2 if self._hits() else 1
        for _ in range(copies):
            late = self.random.uniform(10, 600) if self._hits() else 0.0
            self.loop.call_later(self.random.uniform(0.2, 3) + late, self._handle, event)

    def invoke(self, name: str, act: Callable[[datetime], object], *, retried: bool = True) -> None:
        """A function runs with the time at which it begins."""

        def handled() -> object:
            try:
                return act(self.now())
            except EventRefused as refused:
                return f"ignored: {refused}"

        self.functions.invoke(name, handled, retries=RETRY_AFTER if retried else ())

    def scheduled(self, name: str) -> None:
        """One of the scheduled functions runs."""
        acts: dict[str, Callable[[datetime], object]] = {
            "record_activity": lambda now: use_cases.record_activity(self.service, now),
            "sweep": lambda _: use_cases.sweep(self.service, self._is_time_left),
            "reconcile": lambda now: use_cases.reconcile(self.service, now, self._is_time_left),
            "remove_stopped": lambda _: use_cases.remove_stopped(
                self.service, self.root_kept, self._is_time_left
            ),
        }
        self.invoke(name, acts[name], retried=name not in ("record_activity", "remove_stopped"))

    def _handle(self, event: dict[str, Any]) -> None:
        acts: dict[str, Callable[[datetime], object]] = {
            "aws.ec2": lambda now: use_cases.record_state(self.service, events.state_change(event), now),
            "aws.cloudwatch": lambda now: use_cases.idle_alarm(
                self.service, events.idle_alarm(event, CLUSTER), now
            ),
            STOP_REQUESTED: lambda now: use_cases.stop_requested(
                self.service, events.stop_request(event, CLUSTER), now
            ),
            KEEP_REQUESTED: lambda now: use_cases.keep_requested(
                self.service, events.keep_request(event, CLUSTER), now
            ),
        }
        name = event["detail-type"] if event["source"] == HUB_SOURCE else event["source"]
        self.invoke(name, acts[name])

    def _each_minute(self, minute: int) -> None:
        self.loop.call_later(PERIOD.total_seconds(), self._each_minute, minute + 1)
        self.cloudwatch.evaluate()
        if minute % CPU_EVERY == 0:
            self._measure()
        for name, every in SCHEDULES.items():
            if minute % every == 0 and not (self._hits() and name != "record_activity"):
                self.loop.call_later(self.random.uniform(0, 5), self.scheduled, name)

    def _measure(self) -> None:
        now = self.now()
        for process in self.workers.by_instance.values():
            busy = process.life.is_busy(now)
            self.cloudwatch.put(
                "AWS/EC2", "CPUUtilization", process.machine.instance_id, 60 if busy else 1, now
            )

    def _is_time_left(self) -> bool:
        return self.functions.remaining() > 110

    def _on_state(self, machine: Machine, state: State) -> None:
        if state is State.RUNNING:
            process = Process(machine, self.loop)
            self.workers.by_instance[machine.instance_id] = process
            work = process.run(self._environment, self.workers.report, self.random.uniform(4, 20))
            process.task = self.loop.begin_for(process, work)
        elif (ended := self.workers.by_instance.pop(machine.instance_id, None)) is not None:
            self.loop.cancel_tasks_of(ended)
        self.deliver(
            {
                "source": "aws.ec2",
                "detail-type": "EC2 Instance State-change Notification",
                "account": "123456789012",
                "region": "us-east-1",
                "time": self.now().replace(microsecond=0).isoformat(),
                "detail": {"instance-id": machine.instance_id, "state": str(state)},
            }
        )

    def _on_alarm(self, name: str, instance_id: str) -> None:
        metric = {"namespace": f"cloudjhub/{CLUSTER}", "dimensions": {"InstanceId": instance_id}}
        self.deliver(
            {
                "source": "aws.cloudwatch",
                "detail-type": "CloudWatch Alarm State Change",
                "account": "123456789012",
                "region": "us-east-1",
                "time": self.now().isoformat(),
                "detail": {
                    "alarmName": name,
                    "state": {"value": "ALARM"},
                    "configuration": {"metrics": [{"metricStat": {"metric": metric}}]},
                },
            }
        )

    def _environment(self, instance_id: str) -> bool:
        return self.hub is not None and self.hub.environment(instance_id)

    # What fails.

    def _hits(self) -> bool:
        return self.faults > 0 and self.random.random() < self.faults

    def _latency(self) -> float:
        if self._hits():
            return self.random.uniform(1, 30)
        return self.random.expovariate(20)

    def _chances(self) -> Chances:
        return Chances(self._latency, self._fate, self._failure, self._coin)

    def _fate(self, _what: str) -> Fate:
        if not self._hits() or self.random.random() > 0.2:
            return Fate.PASSES
        return self.random.choice((Fate.ENDS_BEFORE, Fate.ENDS_AFTER))

    def _failure(self, what: str) -> Exception | None:
        part, _, call = what.partition(".")
        if part == "hub" or not self._hits():
            return None
        if part == "store":
            return StoreUnavailable(f"{call}: throttled")
        return CloudError(call, "NoAnswer", "timeout")

    def _coin(self) -> bool:
        return self.random.random() < 0.5

    def _service(self) -> Service:
        store: Any = Crossed("store", self.store, self.functions)
        cloud: Any = Crossed("cloud", Ec2(self.ec2, _Stopper(self.ec2, self.audit), CLUSTER), self.functions)
        metrics: Any = Crossed("metrics", CloudWatch(self.cloudwatch, CLUSTER, PERIOD), self.functions)
        return Service(CLUSTER, store, store, cloud, metrics, HubClient(self), self.now)


def _as_json(policy: Policy) -> str:
    """The policy as it is set; durations in seconds."""
    fields = {
        name: value.total_seconds() if isinstance(value := getattr(policy, name), timedelta) else value
        for name in (
            "idle_timeout",
            "busy_allowance",
            "app_allowance",
            "max_lifetime",
            "start_grace",
            "hung_after",
            "hung_cpu",
        )
    }
    return json.dumps(fields)


class _Flaky:
    """A client whose calls fail at times, before or after they have done their work."""

    def __init__(
        self,
        inner: Any,
        hits: Callable[[], bool],
        coin: Callable[[], bool],
        errors: Sequence[Callable[[], Exception]],
    ) -> None:
        self._inner = inner
        self._hits = hits
        self._coin = coin
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        def called(*args: Any, **more: Any) -> Any:
            if not self._hits():
                return getattr(self._inner, name)(*args, **more)
            error = self._errors[0 if self._coin() else -1]()
            if str(error).startswith("lost") or "InternalError" in str(error):
                getattr(self._inner, name)(*args, **more)
            raise error

        return called


class _Stopper:
    """The client that stops; the audit sees what its stops hit."""

    def __init__(self, ec2: LeanEC2, audit: Audit) -> None:
        self._ec2 = ec2
        self._audit = audit

    def stop_instances(self, InstanceIds: list[str], Force: bool = False) -> Any:  # noqa: N803 -- boto3's own names
        for one in InstanceIds:
            self._audit.on_stop(one)
        return self._ec2.stop_instances(InstanceIds=InstanceIds, Force=Force)

    def terminate_instances(self, InstanceIds: list[str]) -> Any:  # noqa: N803 -- boto3's own name
        for one in InstanceIds:
            self._audit.on_termination(one)
        return self._ec2.terminate_instances(InstanceIds=InstanceIds)


class HubClient:
    """What lifecycle_app.adapters.hub_client is to the functions."""

    ANSWERS_WITHIN = 15.0

    def __init__(self, world: World) -> None:
        self._world = world

    def drain(
        self, worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        asked = Request(
            worker=worker.key,
            instance_id=worker.instance_id,
            since=since,
            mode=Drain(mode),
            counts=int(counts),
            apps=apps,
        )
        answer: DrainAnswer = self._world.functions.wait_for("hub.drain", lambda: self._asked(asked))
        return answer

    def active_users(self) -> list[HubUser]:
        def told() -> list[HubUser]:
            hub = self._world.hub
            if hub is None:
                raise HubUnreachable("nothing listens")
            servers: dict[str, set[str]] = {}
            for key, spawner in hub.spawners.items():
                if spawner.active:
                    servers.setdefault(split(key)[0], set()).add(key)
            return [HubUser(name, (), frozenset(keys)) for name, keys in servers.items()]

        found: list[HubUser] = self._world.functions.cross("hub.active_users", told)
        return found

    async def _asked(self, request: Request) -> DrainAnswer:
        hub = self._world.hub
        if hub is None:
            raise HubUnreachable("nothing listens")
        asking = hub.in_background(hub.drain(request))
        done, _ = await asyncio.wait([asking], timeout=self.ANSWERS_WITHIN)
        if not done or asking.cancelled():
            raise HubAnswerOdd("no answer")
        said = asking.result()
        return DrainAnswer(said.drained, said.reason, said.evidence)
