"""AWS's protocols: queries by botocore's own models, and DynamoDB's answers from records in memory.

A form becomes boto3's arguments, boto3's answer becomes XML. The records are read as the hub reads DynamoDB: GetItem,
Query on an index, BatchGetItem.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ServiceModel

from lifecycle_app.adapters.tables import COSTS, WorkerRecord
from lifecycle_app.model.messages import stored
from lifecycle_app.model.worker import Worker
from tests.lifecycle.fakes import MemoryStore

REQUEST_ID = "00000000-0000-4000-8000-000000000000"


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def arguments(service: str, action: str, form: str) -> dict[str, Any]:
    """What boto3's method was called with."""
    shape = model(service).operation_model(action).input_shape
    return _structure(shape, _nested(dict(parse_qsl(form, keep_blank_values=True))))


def answer(service: str, action: str, values: Mapping[str, Any]) -> str:
    """The XML of what boto3's method is to give."""
    shape = model(service).operation_model(action).output_shape
    space = model(service).metadata.get("xmlNamespace", "")
    body = _members(shape, values)
    if service != "ec2":
        body = f"<{action}Result>{body}</{action}Result>"
    return f'<{action}Response xmlns="{space}">{body}<requestId>{REQUEST_ID}</requestId></{action}Response>'


def refusal(code: str, message: str) -> str:
    """The XML of an error of EC2's."""
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>{REQUEST_ID}</RequestID></Response>"


def _nested(form: Mapping[str, str]) -> dict[str, Any]:
    """`A.1.B=c` as {"A": {"1": {"B": "c"}}}."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def _structure(shape: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    named = {_query_name(name, member): (name, member) for name, member in shape.members.items()}
    return {named[key][0]: _value(named[key][1], value) for key, value in values.items() if key in named}


def _query_name(name: str, member: Any) -> str:
    given = member.serialization
    found: str = given.get("queryName") or given.get("name") or name
    return found[0].upper() + found[1:]


def _value(shape: Any, values: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, values)
        case "list":
            return [_value(shape.member, values[key]) for key in sorted(values, key=int)]
        case "integer" | "long":
            return int(values)
        case "boolean":
            return values == "true"
        case _:
            return values


def _members(shape: Any, values: Mapping[str, Any]) -> str:
    return "".join(
        _element(shape.members[name].serialization.get("name", name), shape.members[name], value)
        for name, value in values.items()
        if name in shape.members
    )


def _element(tag: str, shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        inner = _members(shape, value)
    elif shape.type_name == "list":
        item = shape.member.serialization["name"]
        inner = "".join(_element(item, shape.member, one) for one in value)
    elif isinstance(value, datetime):
        inner = f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{tag}>{inner}</{tag}>"


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
