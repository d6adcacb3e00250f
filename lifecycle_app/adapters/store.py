"""Workers and their history in DynamoDB. No PynamoDB object leaves this module."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from lifecycle_app.adapters.tables import COSTS, HistoryRecord, WorkerRecord, available, bound
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import read, stored
from lifecycle_app.model.worker import EPOCH, Scan, Worker

log = logging.getLogger(__name__)

R = TypeVar("R", WorkerRecord, HistoryRecord)
V = TypeVar("V", Worker, Entry)


def log_bad(bad: BadRecord) -> None:
    """A record that cannot be used is an error in the log: the operator has to correct it."""
    log.error("%s", bad)


class WorkerStore:
    """The workers and the history of one cluster. Every method raises StoreUnavailable if DynamoDB cannot be asked.

    A record that cannot be used raises BadRecord where it is read alone; among others it is left out and passed to
    `on_bad`.
    """

    def __init__(
        self,
        cluster: str,
        history_kept: timedelta = timedelta(days=90),
        region: str | None = None,
        on_bad: Callable[[BadRecord], None] = log_bad,
    ) -> None:
        self._cluster = cluster
        self._history_kept = history_kept
        self._on_bad = on_bad
        self._workers = bound(WorkerRecord, cluster, "workers", region)
        self._history = bound(HistoryRecord, cluster, "history", region)

    def get(self, key: str) -> Worker | None:
        """The worker's record as last written (a consistent read). Raises BadRecord."""
        with available(f"record of {key}"):
            try:
                return _worker(self._workers.get(key, consistent_read=True))
            except DoesNotExist:
                return None

    def by_instance(self, instance_id: str) -> Worker | None:
        """The worker that has this instance. A record written in the last second may be missed. Raises BadRecord."""
        with available(f"record of {instance_id}"):
            found, bad = _sorted_out(self._workers.query(instance_id, index_name="instance"), _worker)
        if bad and not found:
            raise bad[0]
        return found[0] if found else None

    def changed_since(self, at: datetime) -> list[Worker]:
        """Workers written at `at` or later, oldest change first.

        Eventually consistent, and stamped by the clocks of different functions: `changes_from` says
        from when on to ask again. A worker's `version` tells whether it was seen before.
        """
        with available("changed workers"):
            condition = self._workers.changed_at >= at
            return self._usable(self._workers.query(self._cluster, condition, index_name="changed"), _worker)

    def all_workers(self) -> list[Worker]:
        """All workers, whatever their state; eventually consistent."""
        return self.changed_since(EPOCH)

    def scan(self) -> Scan:
        """All workers, and the records that cannot be used, which the caller reports."""
        with available("all workers"):
            workers, bad = _sorted_out(self._workers.query(self._cluster, index_name="changed"), _worker)
        return Scan(workers, bad)

    def due(self, now: datetime) -> list[Worker]:
        """Workers that cost money and are due for a check, longest due first."""
        with available("due workers"):
            condition = self._workers.due_at <= now
            return self._usable(self._workers.query(COSTS, condition, index_name="due"), _worker)

    def costing(self) -> list[Worker]:
        """Workers that are pending, running or stopping; eventually consistent."""
        with available("costing workers"):
            return self._usable(self._workers.query(COSTS, index_name="due"), _worker)

    def put(self, worker: Worker, now: datetime) -> Worker:
        """The worker as written, if its record was not written since `worker` was read.

        A worker whose version is 0 is created. Raises RecordConflict if it was, and BadRecord if DynamoDB does not take
        it.
        """
        written = replace(worker, version=worker.version + 1, changed_at=now)
        model = self._workers
        unchanged = model.version == worker.version if worker.version else model.worker.does_not_exist()
        with available(f"record of {worker.key}", worker.key):
            # Not put: attributes that a newer version has written are kept.
            model(worker.key).update(self._actions(written), condition=unchanged)
        return written

    def add_history(self, entry: Entry) -> None:
        """Stores the entry until it expires. Adding it again changes nothing. Raises BadRecord if DynamoDB does not
        take it.
        """
        record = self._history(
            worker=entry.key,
            at=entry.sort_key,
            day=entry.day,
            kind=entry.kind.value,
            reason=entry.reason,
            words=stored(entry.message),
            instance_id=entry.instance_id,
            evidence=dict(entry.evidence),
            seconds=entry.seconds,
            cost=entry.cost,
            expires_at=int((entry.at + self._history_kept).timestamp()),
        )
        with available(f"history of {entry.key}", entry.key):
            record.save()

    def history(self, key: str, limit: int = 100) -> list[Entry]:
        """A worker's newest entries, newest first."""
        with available(f"history of {key}"):
            found = self._history.query(key, scan_index_forward=False, limit=limit)
            return self._usable(found, _entry)

    def history_of_day(self, day: str) -> list[Entry]:
        """All workers' entries of a UTC day (2026-11-23), oldest first."""
        with available(f"history of {day}"):
            return self._usable(self._history.query(day, index_name="day"), _entry)

    def newest_of_day(self, day: str, limit: int) -> list[Entry]:
        """All workers' newest entries of a UTC day, newest first."""
        with available(f"history of {day}"):
            found = self._history.query(day, index_name="day", scan_index_forward=False, limit=limit)
            return self._usable(found, _entry)

    def runs_of_days(self, days: Iterable[str]) -> Iterator[Entry]:
        """All workers' runs that ended on these UTC days, oldest first of each day; read page by page as they are
        asked for.
        """
        is_run = self._history.kind == Kind.RUN.value
        for day in days:
            with available(f"history of {day}"):
                for record in self._history.query(day, filter_condition=is_run, index_name="day"):
                    yield from self._usable([record], _entry)

    def _usable(self, records: Iterable[R], read: Callable[[R], V]) -> list[V]:
        found, bad = _sorted_out(records, read)
        for one in bad:
            self._on_bad(one)
        return found

    def _actions(self, worker: Worker) -> list[Action]:
        values = {
            "cluster": self._cluster,
            "costs": COSTS if worker.state.costs else None,
            "instance_id": worker.instance_id,
            "state": worker.state,
            "state_at": worker.state_at,
            "version": worker.version,
            "changed_at": worker.changed_at,
            "address": worker.address,
            "instance_type": worker.instance_type or None,
            "zone": worker.zone or None,
            "home_volume": worker.home_volume,
            "home_attached": worker.home_attached,
            "started_at": worker.started_at,
            "last_activity": worker.last_activity,
            "last_interaction": worker.last_interaction,
            "evidence": stored(worker.message) or None,
            "due_at": worker.due_at,
            "claimed_until": worker.claimed_until,
            "removing": worker.removing or None,
            "stop_reason": worker.stop_reason,
            "decided": worker.decided or None,
            "hub_odd_since": worker.hub_odd_since,
            "keep_until": worker.keep_until,
            "keep_by": worker.keep_by or None,
            "keep_request": worker.keep_request or None,
            "keep_refusal": worker.keep_refusal or None,
            "seconds_run": worker.seconds_run,
            "month": worker.month or None,
            "month_seconds": worker.month_seconds,
            "month_dollars": worker.month_dollars,
            "over_budget_since": worker.over_budget_since,
            "over_budget_of": worker.over_budget_of or None,
            "groups": list(worker.groups),
        }
        known = self._workers.get_attributes()
        return [
            known[name].remove() if value is None else known[name].set(value)
            for name, value in values.items()
        ]


def _sorted_out(records: Iterable[R], read: Callable[[R], V]) -> tuple[list[V], list[BadRecord]]:
    found, bad = [], []
    for record in records:
        try:
            found.append(read(record))
        except BadRecord as error:
            bad.append(error)
    return found, bad


def _worker(record: WorkerRecord) -> Worker:
    if record.problem:
        raise BadRecord(record.worker, record.problem, record.instance_id or "", record.home_volume or "")
    # What is not in the index `due` is not checked, whatever its time.
    is_looked_at = record.costs is not None or not record.state.costs
    return Worker(
        key=record.worker,
        instance_id=record.instance_id,
        state=record.state,
        state_at=record.state_at,
        version=record.version,
        changed_at=record.changed_at,
        address=record.address,
        instance_type=record.instance_type or "",
        zone=record.zone or "",
        home_volume=record.home_volume,
        home_attached=record.home_attached,
        started_at=record.started_at,
        last_activity=record.last_activity,
        last_interaction=record.last_interaction,
        message=read(record.evidence or ""),
        due_at=record.due_at if is_looked_at else None,
        claimed_until=record.claimed_until,
        removing=bool(record.removing),
        stop_reason=record.stop_reason,
        decided=record.decided or "",
        hub_odd_since=record.hub_odd_since,
        keep_until=record.keep_until,
        keep_by=record.keep_by or "",
        keep_request=record.keep_request or "",
        keep_refusal=record.keep_refusal or "",
        seconds_run=record.seconds_run,
        month=record.month or "",
        month_seconds=record.month_seconds,
        month_dollars=record.month_dollars,
        over_budget_since=record.over_budget_since,
        over_budget_of=record.over_budget_of or "",
        groups=tuple(record.groups or ()),
    )


def _entry(record: HistoryRecord) -> Entry:
    at, kind = record.at.partition("#")[0], record.kind
    try:
        if record.problem:
            raise ValueError(record.problem)
        return Entry(
            key=record.worker,
            at=datetime.fromisoformat(at),
            kind=Kind(kind),
            reason=record.reason,
            message=read(record.words),
            instance_id=record.instance_id,
            evidence=record.evidence or {},
            seconds=record.seconds,
            cost=record.cost,
        )
    except ValueError as error:
        raise BadRecord(f"{record.worker} in the history at {record.at}", str(error)) from error
