"""The world outside in memory. tests/lifecycle/test_*_contract.py hold these and the adapters to the same."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from lifecycle_app.adapters.cloudwatch import IdleAlarm, idle_alarm
from lifecycle_app.adapters.hub_client import DrainAnswer, HubUser
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import (
    BadRecord,
    HubAnswerOdd,
    HubUnreachable,
    RecordConflict,
    StopRejected,
    TerminationRejected,
)
from lifecycle_app.model.evidence import AppTraffic, Evidence, Report, Source
from lifecycle_app.model.growth import HomeReport
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.policy_record import PolicyRecord
from lifecycle_app.model.removal import Attached, Described
from lifecycle_app.model.worker import Instance, Scan, State, Worker
from lifecycle_app.use_cases import Service
from lifecycle_app.use_cases.ports import Settings
from tests.lifecycle.examples import MINUTE, NOON

EPOCH = datetime.fromtimestamp(0, UTC)


class MemoryStore:
    """Like store.WorkerStore."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.entries: dict[tuple[str, str], Entry] = {}
        self.settings: dict[str, str] = {}
        self.answers: dict[str, PolicyRecord] = {}
        self.before_settings: Callable[[PolicyRecord], None] = lambda _: None
        self.bad: dict[str, BadRecord] = {}
        """Records that cannot be used; they take the place of a worker's good one."""
        self._lock = Lock()
        self.before_put: Callable[[Worker], None] = lambda _: None

    def get(self, key: str) -> Worker | None:
        if key in self.bad:
            raise self.bad[key]
        return self.workers.get(key)

    def by_instance(self, instance_id: str) -> Worker | None:
        held = (w for w in self.workers.values() if w.instance_id == instance_id)
        found = next((w for w in held if w.key not in self.bad), None)
        bad = next((b for b in self.bad.values() if b.instance_id == instance_id), None)
        if bad and not found:
            raise bad
        return found

    def changed_since(self, at: datetime) -> list[Worker]:
        changed = [w for w in self._usable() if w.changed_at >= at]
        return sorted(changed, key=lambda w: w.changed_at)

    def all_workers(self) -> list[Worker]:
        return self.changed_since(EPOCH)

    def scan(self) -> Scan:
        return Scan(self.all_workers(), list(self.bad.values()))

    def costing(self) -> list[Worker]:
        costing = [(w.due_at, w) for w in self._usable() if w.state.costs and w.due_at]
        return [w for _, w in sorted(costing, key=lambda pair: pair[0])]

    def due(self, now: datetime) -> list[Worker]:
        return [w for w in self.costing() if w.due_at and w.due_at <= now]

    def put(self, worker: Worker, now: datetime) -> Worker:
        self.before_put(worker)
        with self._lock:
            return self._put(worker, now)

    def _put(self, worker: Worker, now: datetime) -> Worker:
        known = self.workers.get(worker.key)
        if worker.key in self.bad or (known.version if known else 0) != worker.version:
            raise RecordConflict(f"record of {worker.key} was changed by another writer")
        self.workers[worker.key] = replace(worker, version=worker.version + 1, changed_at=now)
        return self.workers[worker.key]

    def add_history(self, entry: Entry) -> None:
        self.entries[entry.key, entry.sort_key] = entry

    def history(self, key: str, limit: int = 100) -> list[Entry]:
        found = sorted((sort, e) for (k, sort), e in self.entries.items() if k == key)
        return [entry for _, entry in reversed(found)][:limit]

    def history_of_day(self, day: str) -> list[Entry]:
        found = [(e.sort_key, e) for e in self.entries.values() if e.day == day]
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def newest_of_day(self, day: str, limit: int) -> list[Entry]:
        return self.history_of_day(day)[::-1][:limit]

    def runs_of_days(self, days: Iterable[str]) -> Iterator[Entry]:
        return (e for day in days for e in self.history_of_day(day) if e.kind is Kind.RUN)

    def policies(self, scopes: Iterable[str]) -> dict[str, str]:
        return {scope: self.settings[scope] for scope in scopes if scope in self.settings}

    def policy_record(self, scope: str) -> PolicyRecord:
        kept = self.answers.get(scope, PolicyRecord(scope=scope))
        return replace(kept, policy=self.settings.get(scope, ""))

    def put_policy_record(self, before: PolicyRecord, after: PolicyRecord) -> None:
        self.before_settings(after)
        found = self.policy_record(after.scope)
        if (found.policy, found.changes) != (before.policy, before.changes):
            raise RecordConflict(f"policy of {after.scope} was changed meanwhile")
        self.answers[after.scope] = after
        self.settings[after.scope] = after.policy
        if not after.policy:
            del self.settings[after.scope]

    def _usable(self) -> list[Worker]:
        return [w for w in self.workers.values() if w.key not in self.bad]

    def told(self, key: str, *kinds: Kind) -> list[str]:
        """The reasons in a worker's history, oldest first, of these kinds."""
        return [e.reason for e in reversed(self.history(key)) if not kinds or e.kind in kinds]


@dataclass
class MemoryCloud:
    """Like ec2.Ec2."""

    instances: dict[str, Instance] = field(default_factory=dict)
    cluster: str = "test"
    strangers: set[str] = field(default_factory=set)
    """Instances that are no workers."""
    stops: list[str] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)
    stop_error: Exception | None = None
    terminations: list[str] = field(default_factory=list)
    termination_error: Exception | None = None
    disks: dict[str, tuple[Attached, ...]] = field(default_factory=dict)
    """Of instances that have others than a root disk and their home disk."""

    def add(self, *instances: Instance) -> None:
        self.instances |= {instance.instance_id: instance for instance in instances}

    def set_state(self, instance_id: str, state: State) -> None:
        self.instances[instance_id] = replace(self.instances[instance_id], state=state)

    def workers(self) -> list[Instance]:
        return [i for i in self.instances.values() if i.cluster == self.cluster]

    def named(self, instance_ids: Sequence[str]) -> list[Instance]:
        return [self.instances[i] for i in instance_ids if i in self.instances]

    def knows(self, instance_id: str) -> bool:
        return instance_id in self.instances or instance_id in self.strangers

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        if self.stop_error is not None:
            raise self.stop_error
        if instance_id not in self.instances:
            raise StopRejected("StopInstances", "InvalidInstanceID.NotFound", f"no {instance_id}")
        self.stops.append(instance_id)
        if force:
            self.forced.append(instance_id)
        self.set_state(instance_id, State.STOPPING)

    def described(self, instance_id: str) -> Described | None:
        instance = self.instances.get(instance_id)
        if instance is None:
            return None
        root = Attached(volume="vol-root", is_root=True, goes_with_instance=True)
        home = (Attached(volume=instance.home_volume),) if instance.home_volume else ()
        return Described(instance=instance, disks=self.disks.get(instance_id, (root, *home)))

    def terminate(self, instance_id: str) -> None:
        if self.termination_error is not None:
            raise self.termination_error
        if instance_id not in self.instances:
            raise TerminationRejected("TerminateInstances", "InvalidInstanceID.NotFound", f"no {instance_id}")
        self.terminations.append(instance_id)
        self.set_state(instance_id, State.TERMINATED)


@dataclass
class MemoryMetrics:
    """Like cloudwatch.CloudWatch."""

    period: timedelta = MINUTE
    reports: dict[str, tuple[Report, ...]] = field(default_factory=dict)
    cpu: dict[str, tuple[float, ...]] = field(default_factory=dict)
    apps: dict[str, AppTraffic] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    alarms: dict[str, IdleAlarm] = field(default_factory=dict)
    strange: int = 0
    """Metrics of no worker."""
    home_reports: dict[str, HomeReport] = field(default_factory=dict)

    def put_idle_alarm(self, instance_id: str, policy: Policy) -> None:
        self.alarms[instance_id] = idle_alarm(policy, self.period)

    def delete_idle_alarms(self, instance_ids: Sequence[str]) -> None:
        for instance_id in instance_ids:
            self.alarms.pop(instance_id, None)

    def idle_alarms(self) -> dict[str, IdleAlarm]:
        return dict(self.alarms)

    def strange_metrics(self, instance_ids: Collection[str], most: int) -> int:
        return min(most + 1, 5 * len(set(self.reports) - set(instance_ids)) + self.strange)

    def homes(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, HomeReport]:
        found = {one: self.home_reports[one] for one in instance_ids if one in self.home_reports}
        return {one: report for one, report in found.items() if since <= report.at <= now}

    def suits(self, alarm: IdleAlarm, policy: Policy) -> bool:
        return alarm == idle_alarm(policy, self.period)

    def newest(self, instance_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, Evidence]:
        return {i: Evidence(period=self.period, reports=self._between(i, since, now)) for i in instance_ids}

    def evidence(self, instance_id: str, policy: Policy, now: datetime) -> Evidence:
        back = max(policy.idle_timeout, policy.start_grace, policy.hung_after) + 4 * self.period
        seen = self._between(instance_id, now - back, now)
        return Evidence(
            period=self.period,
            reports=seen,
            cpu=self.cpu.get(instance_id, ()),
            app=self.apps.get(instance_id),
            source=self.sources.get(instance_id),
        )

    def evidence_of_all(self, policies: Mapping[str, Policy], now: datetime) -> dict[str, Evidence]:
        return {
            instance_id: self.evidence(instance_id, policy, now) for instance_id, policy in policies.items()
        }

    def _between(self, instance_id: str, since: datetime, now: datetime) -> tuple[Report, ...]:
        return tuple(r for r in self.reports.get(instance_id, ()) if since <= r.at < now)


YES = DrainAnswer(True, "nothing has happened since")


@dataclass
class MemoryHub:
    """Like hub_client.HubClient, answering every drain with what `answers` returns."""

    users: list[HubUser] = field(default_factory=list)
    is_down: bool = False
    is_odd: bool = False
    asked: list[tuple[str, Drain, datetime]] = field(default_factory=list)
    counted: list[Level] = field(default_factory=list)
    apps_counted: list[bool] = field(default_factory=list)
    answers: Callable[[Worker, Drain], DrainAnswer] = lambda _, __: YES

    def drain(
        self, worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        self._reach()
        self.asked.append((worker.key, mode, since))
        self.counted.append(counts)
        self.apps_counted.append(apps)
        return self.answers(worker, mode)

    def active_users(self) -> list[HubUser]:
        self._reach()
        return list(self.users)

    def _reach(self) -> None:
        if self.is_down:
            raise HubUnreachable("nothing listens")
        if self.is_odd:
            raise HubAnswerOdd("500 Internal Server Error")


@dataclass
class World:
    """A service on all the fakes."""

    store: MemoryStore = field(default_factory=MemoryStore)
    cloud: MemoryCloud = field(default_factory=MemoryCloud)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    hub: MemoryHub = field(default_factory=MemoryHub)
    now: datetime = NOON
    """What the clock shows."""
    settings: Settings | None = None
    """The settings table, where it is not in the store."""

    @property
    def service(self) -> Service:
        settings = self.settings or self.store
        return Service("test", self.store, settings, self.cloud, self.metrics, self.hub, lambda: self.now)

    def record(self, key: str = "alice") -> Worker:
        worker = self.store.get(key)
        assert worker is not None
        return worker
