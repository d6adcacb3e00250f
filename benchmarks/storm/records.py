"""Records in memory, read as the hub reads DynamoDB: GetItem, Query on an index, BatchGetItem."""

from collections.abc import Callable, Mapping
from typing import Any

from lifecycle_app.adapters.tables import COSTS, WorkerRecord
from lifecycle_app.model.messages import stored
from lifecycle_app.model.worker import Worker
from tests.lifecycle.fakes import MemoryStore

PAGE = 1024 * 1024
"""Bytes that one Query reads."""


class Records:
    """What the tables answer. `store` is the one that the lifecycle's own code writes."""

    def __init__(self, store: MemoryStore, cluster: str) -> None:
        self._store = store
        self._cluster = cluster
        self._items: dict[tuple[str, int], dict[str, Any]] = {}

    def answer(self, action: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one of the hub's calls."""
        answers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "GetItem": self._get,
            "Query": self._query,
            "BatchGetItem": lambda asked: {
                "Responses": {table: [] for table in asked["RequestItems"]},
                "UnprocessedKeys": {},
            },
        }
        return answers[action](asked)

    def _get(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = self._store.get(asked["Key"]["worker"]["S"])
        return {"Item": self._item(found)} if found else {}

    def _query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["IndexName"] == "instance":
            [value] = asked["ExpressionAttributeValues"].values()
            found = self._store.by_instance(value["S"])
            return _page([self._item(found)] if found else [], None)
        values = asked["ExpressionAttributeValues"].values()
        since = max((float(value["N"]) for value in values if "N" in value), default=0.0)
        start = asked.get("ExclusiveStartKey")
        after = (float(start["changed_at"]["N"]), start["worker"]["S"]) if start else (0.0, "")
        changed = [
            worker
            for worker in sorted(self._store.workers.values(), key=_order)
            if worker.changed_at.timestamp() >= since and _order(worker) > after
        ]
        return self._paged(changed)

    def _paged(self, workers: list[Worker]) -> dict[str, Any]:
        items: list[dict[str, Any]] = []
        size = 0
        for worker in workers:
            item = self._item(worker)
            size += _size(item)
            if size > PAGE:
                last = items[-1]
                return _page(items, {name: last[name] for name in ("worker", "cluster", "changed_at")})
            items.append(item)
        return _page(items, None)

    def _item(self, worker: Worker) -> dict[str, Any]:
        key = (worker.key, worker.version)
        if key not in self._items:
            self._items[key] = _item(worker, self._cluster)
        return self._items[key]


def _item(worker: Worker, cluster: str) -> dict[str, Any]:
    """The record as DynamoDB keeps it: what is empty is not there."""
    names = {name: getattr(worker, name) for name in WorkerRecord.get_attributes() if hasattr(worker, name)}
    costs = COSTS if worker.state.costs else None
    answer = {
        **names,
        "worker": worker.key,
        "cluster": cluster,
        "costs": costs,
        "evidence": stored(worker.message),
        "groups": list(worker.groups),
    }
    record = WorkerRecord(**{name: value for name, value in answer.items() if value not in (None, "")})
    return dict(record.serialize())


def _order(worker: Worker) -> tuple[float, str]:
    return round(worker.changed_at.timestamp(), 6), worker.key


def _size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + len(str(value)) - 8 for name, value in item.items())


def _page(items: list[dict[str, Any]], last: dict[str, Any] | None) -> dict[str, Any]:
    page: dict[str, Any] = {"Items": items, "Count": len(items), "ScannedCount": len(items)}
    return {**page, "LastEvaluatedKey": last} if last else page
