"""The use cases' view of AWS and the hub, as protocols. The adapters and the tests' fakes both fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lifecycle_app.adapters.cloudwatch import IdleAlarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.concurrency import MapAll, one_by_one
from lifecycle_app.contract import Drain, Level
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.history import Entry
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import Instance, Scan, Worker


class Store(Protocol):
    """See store.WorkerStore."""

    def get(self, key: str) -> Worker | None: ...
    def by_instance(self, instance_id: str) -> Worker | None: ...
    def scan(self) -> Scan: ...
    def due(self, now: datetime) -> list[Worker]: ...
    def costing(self) -> list[Worker]: ...
    def put(self, worker: Worker, now: datetime) -> Worker: ...
    def add_history(self, entry: Entry) -> None: ...


class Settings(Protocol):
    """See settings_store.SettingsStore."""

    def policies(self, scopes: Iterable[str]) -> dict[str, str]: ...


class Cloud(Protocol):
    """See ec2.Ec2."""

    def workers(self) -> list[Instance]: ...
    def named(self, instance_ids: Sequence[str]) -> list[Instance]: ...
    def knows(self, instance_id: str) -> bool: ...
    def stop(self, instance_id: str, *, force: bool = False) -> None: ...


class Metrics(Protocol):
    """See cloudwatch.CloudWatch."""

    def put_idle_alarm(self, instance_id: str, policy: Policy) -> None: ...
    def delete_idle_alarms(self, instance_ids: Sequence[str]) -> None: ...
    def idle_alarms(self) -> dict[str, IdleAlarm]: ...
    def newest(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]: ...
    def evidence(self, instance_id: str, policy: Policy, now: datetime) -> Evidence: ...
    def evidence_of_all(self, policies: Mapping[str, Policy], now: datetime) -> dict[str, Evidence]: ...
    def suits(self, alarm: IdleAlarm, policy: Policy) -> bool: ...


class Hub(Protocol):
    """See hub_client.HubClient."""

    def drain(self, worker: Worker, mode: Drain, since: datetime, counts: Level) -> DrainAnswer: ...
    def active_users(self) -> list[HubUser]: ...


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the use cases act through, for one cluster.

    `clock` gives the present time, for what happens late in a long run: each worker of a sweep is decided about at its
    own time, and a write has the time at which it was made. `map_all` does the same for many workers.
    """

    cluster: str
    store: Store
    settings: Settings
    cloud: Cloud
    metrics: Metrics
    hub: Hub
    clock: Callable[[], datetime]
    map_all: MapAll = one_by_one
