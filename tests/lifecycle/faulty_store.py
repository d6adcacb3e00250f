"""The store in memory, of which one call fails in one of the ways in which DynamoDB's do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from lifecycle_app.errors import BadRecord, RecordConflict, StoreUnavailable
from lifecycle_app.model.history import Entry
from lifecycle_app.model.worker import Scan, Worker
from tests.lifecycle.fakes import MemoryStore

T = TypeVar("T")


class Fault(StrEnum):
    """How a call fails."""

    REFUSED = "refused"
    """Throttled, timed out or not connected, before anything was done."""
    ANSWER_LOST = "answer lost"
    """Done, but the answer did not come."""
    OVERTAKEN = "overtaken"
    """Another writer has written the record just before."""
    DONE_TWICE = "done twice"
    """Done, but the answer did not come; so the client asked again, and found the version changed by itself."""
    BAD = "bad"
    """The record cannot be used."""


BOTH = (Fault.REFUSED, Fault.ANSWER_LOST)
FAULTS = {
    "get": (Fault.REFUSED, Fault.BAD),
    "by_instance": (Fault.REFUSED, Fault.BAD),
    "scan": (Fault.REFUSED,),
    "due": (Fault.REFUSED,),
    "costing": (Fault.REFUSED,),
    "policies": (Fault.REFUSED,),
    "add_history": (*BOTH, Fault.BAD),
    "put": tuple(Fault),
}
"""By call; what reads has no effect that could come before the failure."""


class FaultyStore:
    """Counts its calls; `fails` says how each fails, by its number, if it does. `inner` never fails."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.called: list[str] = []
        self.fails: dict[int, Fault] = {}
        self.turns_bad: tuple[str, str] | None = None
        """A worker and a call: whenever that is made about it, the record cannot be used."""

    def get(self, key: str) -> Worker | None:
        return self._call("get", key, lambda: self.inner.get(key))

    def by_instance(self, instance_id: str) -> Worker | None:
        return self._call("by_instance", "alice", lambda: self.inner.by_instance(instance_id))

    def scan(self) -> Scan:
        return self._call("scan", "", self.inner.scan)

    def due(self, now: datetime) -> list[Worker]:
        return self._call("due", "", lambda: self.inner.due(now))

    def costing(self) -> list[Worker]:
        return self._call("costing", "", self.inner.costing)

    def policies(self, scopes: list[str]) -> dict[str, str]:
        return self._call("policies", "", lambda: self.inner.policies(scopes))

    def add_history(self, entry: Entry) -> None:
        self._call("add_history", entry.key, lambda: self.inner.add_history(entry))

    def put(self, worker: Worker, now: datetime) -> Worker:
        return self._call("put", worker.key, lambda: self.inner.put(worker, now))

    def _call(self, name: str, key: str, act: Callable[[], T]) -> T:
        fault = Fault.BAD if self.turns_bad == (key, name) else self.fails.get(len(self.called))
        self.called.append(name)
        match fault:
            case None:
                return act()
            case Fault.REFUSED:
                raise StoreUnavailable(f"{name}: throttled")
            case Fault.BAD:
                raise BadRecord(key, "made so by a test")
            case Fault.OVERTAKEN:
                self._write_another(key)
        done = act()
        if fault is Fault.ANSWER_LOST:
            raise StoreUnavailable(f"{name}: timed out")
        if fault is Fault.DONE_TWICE:
            raise RecordConflict(f"record of {key} was changed by another writer")
        return done

    def _write_another(self, key: str) -> None:
        known = self.inner.workers.get(key)
        if known:
            self.inner.workers[key] = replace(known, version=known.version + 1)
