"""Workers, their history and the policies in DynamoDB. No PynamoDB object leaves this module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pynamodb.exceptions import DoesNotExist, PutError, PynamoDBException

from lifecycle_app.errors import RecordConflict, StoreUnavailable
from lifecycle_app.history import Entry, Kind
from lifecycle_app.records import COSTS, HistoryRecord, SettingRecord, WorkerRecord, bound
from lifecycle_app.worker import State, Worker

EPOCH = datetime.fromtimestamp(0, UTC)
CONDITION_FAILED = "ConditionalCheckFailedException"


class WorkerStore:
    """The tables of one cluster. Every method raises StoreUnavailable if DynamoDB cannot be asked."""

    def __init__(
        self, cluster: str, history_kept: timedelta = timedelta(days=90), region: str | None = None
    ) -> None:
        self._cluster = cluster
        self._history_kept = history_kept
        self._workers = bound(WorkerRecord, cluster, "workers", region)
        self._history = bound(HistoryRecord, cluster, "history", region)
        self._settings = bound(SettingRecord, cluster, "settings", region)

    def get(self, key: str) -> Worker | None:
        """The worker's record as last written (a consistent read)."""
        with _available(f"record of {key}"):
            try:
                return _worker(self._workers.get(key, consistent_read=True))
            except DoesNotExist:
                return None

    def by_instance(self, instance_id: str) -> Worker | None:
        """The worker that has this instance. A record written in the last second may be missed."""
        with _available(f"record of {instance_id}"):
            found = [_worker(r) for r in self._workers.query(instance_id, index_name="instance", limit=1)]
        return found[0] if found else None

    def changed_since(self, at: datetime) -> list[Worker]:
        """Workers written at `at` or later, oldest change first.

        Eventually consistent, and stamped by the clocks of different functions: ask again from a minute
        before the newest change seen. A worker's `version` tells whether it was seen before.
        """
        with _available("changed workers"):
            condition = self._workers.changed_at >= at
            return [_worker(r) for r in self._workers.query(self._cluster, condition, index_name="changed")]

    def everybody(self) -> list[Worker]:
        """All workers, whatever their state; eventually consistent."""
        return self.changed_since(EPOCH)

    def due(self, now: datetime) -> list[Worker]:
        """Workers that cost money and should be looked at by now, longest due first."""
        with _available("due workers"):
            condition = self._workers.due_at <= now
            return [_worker(r) for r in self._workers.query(COSTS, condition, index_name="due")]

    def costing(self) -> list[Worker]:
        """Workers that are pending, running or stopping; eventually consistent."""
        with _available("costing workers"):
            return [_worker(r) for r in self._workers.query(COSTS, index_name="due")]

    def put(self, worker: Worker, now: datetime) -> Worker:
        """The worker as written, if nobody has written its record since `worker` was read.

        A worker whose version is 0 is created. Raises RecordConflict if somebody was faster.
        """
        written = replace(worker, version=worker.version + 1, changed_at=now)
        model = self._workers
        unchanged = model.version == worker.version if worker.version else model.worker.does_not_exist()
        with _available(f"record of {worker.key}"):
            try:
                self._record(written).save(condition=unchanged)
            except PutError as error:
                if error.cause_response_code == CONDITION_FAILED:
                    raise RecordConflict(f"record of {worker.key} was changed by somebody else") from error
                raise
        return written

    def add_history(self, entry: Entry) -> None:
        """Keeps the entry until its time is over. Adding it again changes nothing."""
        record = self._history(
            worker=entry.key,
            at=entry.sort_key,
            day=entry.day,
            kind=entry.kind.value,
            reason=entry.reason,
            words=entry.words,
            instance_id=entry.instance_id,
            evidence=dict(entry.evidence),
            seconds=entry.seconds,
            cost=entry.cost,
            expires_at=int((entry.at + self._history_kept).timestamp()),
        )
        with _available(f"history of {entry.key}"):
            record.save()

    def history(self, key: str, limit: int = 100) -> list[Entry]:
        """A worker's newest entries, newest first."""
        with _available(f"history of {key}"):
            return [_entry(r) for r in self._history.query(key, scan_index_forward=False, limit=limit)]

    def history_of_day(self, day: str) -> list[Entry]:
        """All workers' entries of a UTC day (2026-11-23), oldest first."""
        with _available(f"history of {day}"):
            return [_entry(r) for r in self._history.query(day, index_name="day")]

    def policies(self, scopes: list[str]) -> dict[str, str]:
        """The JSON text of those scopes that have a policy."""
        with _available("policies"):
            found = self._settings.batch_get(scopes)
            return {record.scope: record.policy for record in found if record.policy}

    def wanted(self) -> dict[str, str]:
        """What the scopes `users` (a JSON text) and `image` hold, of those that exist; eventually consistent."""
        with _available("users and image"):
            found = {record.scope: record for record in self._settings.batch_get(["users", "image"])}
            texts = {scope: getattr(record, scope) for scope, record in found.items()}
            return {scope: text for scope, text in texts.items() if text}

    def _record(self, worker: Worker) -> WorkerRecord:
        return self._workers(
            worker=worker.key,
            cluster=self._cluster,
            costs=COSTS if worker.state.costs else None,
            instance_id=worker.instance_id,
            state=worker.state.value,
            state_at=worker.state_at,
            version=worker.version,
            changed_at=worker.changed_at,
            address=worker.address,
            instance_type=worker.instance_type or None,
            zone=worker.zone or None,
            home_volume=worker.home_volume,
            home_attached=worker.home_attached,
            started_at=worker.started_at,
            last_activity=worker.last_activity,
            last_interaction=worker.last_interaction,
            evidence=worker.evidence or None,
            due_at=worker.due_at,
            claimed_until=worker.claimed_until,
            stop_reason=worker.stop_reason,
            decided=worker.decided or None,
            hub_odd_since=worker.hub_odd_since,
            keep_until=worker.keep_until,
            seconds_run=worker.seconds_run,
            groups=list(worker.groups),
        )


@contextmanager
def _available(what: str) -> Iterator[None]:
    try:
        yield
    except PynamoDBException as error:
        raise StoreUnavailable(f"{what}: {error}") from error


def _worker(record: WorkerRecord) -> Worker:
    return Worker(
        key=record.worker,
        instance_id=record.instance_id,
        state=State(record.state),
        state_at=record.state_at,
        version=int(record.version),
        changed_at=record.changed_at,
        address=record.address,
        instance_type=record.instance_type or "",
        zone=record.zone or "",
        home_volume=record.home_volume,
        home_attached=record.home_attached,
        started_at=record.started_at,
        last_activity=record.last_activity,
        last_interaction=record.last_interaction,
        evidence=record.evidence or "",
        due_at=record.due_at,
        claimed_until=record.claimed_until,
        stop_reason=record.stop_reason,
        decided=record.decided or "",
        hub_odd_since=record.hub_odd_since,
        keep_until=record.keep_until,
        seconds_run=int(record.seconds_run),
        groups=tuple(record.groups or ()),
    )


def _entry(record: HistoryRecord) -> Entry:
    return Entry(
        key=record.worker,
        at=datetime.fromisoformat(record.at.partition("#")[0]),
        kind=Kind(record.kind),
        reason=record.reason,
        words=record.words,
        instance_id=record.instance_id,
        evidence=record.evidence or {},
        seconds=None if record.seconds is None else int(record.seconds),
        cost=record.cost,
    )
