"""The use cases' view of AWS and the hub, as protocols. The adapters and the tests' fakes both fit them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lifecycle_app.adapters.cloudwatch import IdleAlarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.concurrency import MapAll, one_by_one
from lifecycle_app.contract import Drain, Level
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.growth import HomeReport, HomeVolume
from lifecycle_app.model.history import Entry
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.policy_record import PolicyRecord
from lifecycle_app.model.removal import Described
from lifecycle_app.model.worker import Instance, Scan, Worker


class Store(Protocol):
    """See store.WorkerStore."""

    def get(self, key: str) -> Worker | None:
        """The record as last written, None without one. Raises BadRecord."""

    def by_instance(self, instance_id: str) -> Worker | None:
        """The worker that has this instance; eventually consistent. Raises BadRecord."""

    def scan(self) -> Scan:
        """All workers, and the records that cannot be used."""

    def changed_since(self, at: datetime) -> list[Worker]:
        """Workers written then or later; eventually consistent."""

    def due(self, now: datetime) -> list[Worker]:
        """Workers that cost money and are due for a check, longest due first."""

    def costing(self) -> list[Worker]:
        """Workers that are pending, running or stopping."""

    def put(self, worker: Worker, now: datetime) -> Worker:
        """The worker as written. Raises RecordConflict if its record was written since it was read."""

    def add_history(self, entry: Entry) -> None:
        """Stores the entry; adding it again changes nothing."""


class Settings(Protocol):
    """See settings_store.SettingsStore."""

    def policies(self, scopes: Iterable[str]) -> dict[str, str]:
        """The JSON of those scopes that have a policy."""

    def policy_record(self, scope: str) -> PolicyRecord:
        """The scope's policy, its changes and its last answer, as last written; empty if there is none."""

    def put_policy_record(self, before: PolicyRecord, after: PolicyRecord) -> None:
        """Writes `after`. Raises RecordConflict if policy or changes are not those of `before` any more."""


class Cloud(Protocol):
    """See ec2.Ec2."""

    def workers(self) -> list[Instance]:
        """All instances with the cluster's tags, terminated ones too. Raises CloudError."""

    def named(self, instance_ids: Sequence[str]) -> list[Instance]:
        """Those of the instances that EC2 lists as workers; it lists new ones late. Raises CloudError."""

    def knows(self, instance_id: str) -> bool:
        """Does EC2 list the instance, worker or not? Raises CloudError."""

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """Asks EC2 to stop it. Raises StopRejected; another CloudError if it is unknown what EC2 did."""

    def described(self, instance_id: str) -> Described | None:
        """A worker's instance with its disks; None if EC2 lists no worker of that id. Raises CloudError."""

    def terminate(self, instance_id: str) -> None:
        """Asks EC2 to terminate it. Raises TerminationRejected; another CloudError if it is unknown what EC2 did."""


class Metrics(Protocol):
    """See cloudwatch.CloudWatch."""

    def put_idle_alarm(self, instance_id: str, policy: Policy) -> None:
        """Creates or updates the alarm that fires after the policy's idle timeout."""

    def delete_idle_alarms(self, instance_ids: Sequence[str]) -> None:
        """Deletes these instances' alarms, if they exist."""

    def idle_alarms(self) -> dict[str, IdleAlarm]:
        """The cluster's idle alarms, by instance."""

    def newest(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        """The levels that each worker has reported since then, by instance."""

    def evidence(self, instance_id: str, policy: Policy, now: datetime) -> Evidence:
        """What CloudWatch knows of one worker over the time that its policy looks back on."""

    def evidence_of_all(self, policies: Mapping[str, Policy], now: datetime) -> dict[str, Evidence]:
        """The evidence of each instance, by its policy."""

    def strange_metrics(self, instance_ids: Collection[str], most: int) -> int:
        """How many metrics in the namespace are none of these instances' reports; counted until more than `most`."""

    def homes(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, HomeReport]:
        """What workers whose homes are filling have last reported of them, by instance."""

    def suits(self, alarm: IdleAlarm, policy: Policy) -> bool:
        """Is this the alarm for this policy?"""


class Volumes(Protocol):
    """See volumes.Volumes."""

    def described(self, volume_ids: Sequence[str]) -> dict[str, HomeVolume]:
        """Those of the volumes that EC2 lists, by id. Raises CloudError."""

    def grow(self, volume_id: str, size: int) -> None:
        """Asks EC2 to grow the volume to so many GiB. Raises CloudError."""

    def unmarked(self, volume_ids: Sequence[str]) -> list[str]:
        """Those that are homes of this cluster, and are not marked for the daily backups. Raises CloudError."""

    def mark(self, volume_ids: Sequence[str]) -> None:
        """Marks the volumes for the daily backups. Raises CloudError."""


class Hub(Protocol):
    """See hub_client.HubClient."""

    def drain(
        self, worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        """Whether the hub releases the claimed worker's server; activity below `counts` does not forbid it."""

    def active_users(self) -> list[HubUser]:
        """All users with a server that runs or starts."""


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
    function: str = ""
    """The name of the function that runs, which the history of a stop has."""
