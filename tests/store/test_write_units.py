"""What a pass of `record_activity` pays for: write units as Amazon's own DynamoDB Local counts them."""

from dataclasses import replace
from typing import Any

import boto3
import pytest

from bootstrap.costs import Assumptions
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.model.messages import message
from tests.lifecycle.examples import MINUTE, NOON, a_worker
from tests.store import servers

RUNNING = a_worker(last_activity=NOON - MINUTE, due_at=NOON + 14 * MINUTE)


@pytest.fixture(scope="module")
def table() -> Any:
    with servers.running("dynamodb-local") as endpoint, servers.used(endpoint):
        yield boto3.resource("dynamodb").Table(servers.name_of("workers"))


def test_a_pass_writes_as_many_units_as_the_bill_says(table: Any) -> None:
    store = WorkerStore(servers.CLUSTER)
    store.put(RUNNING, NOON)
    before = _item(table)
    worker = store.get("alice")
    assert worker is not None
    store.put(replace(worker, last_activity=NOON, due_at=NOON + 15 * MINUTE), NOON + MINUTE)
    after = _item(table)
    table.put_item(Item=before)
    used = table.put_item(Item=after, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert used["CapacityUnits"] == Assumptions().writes_a_pass, used


def test_a_record_is_as_large_as_the_bill_says(table: Any) -> None:
    """One with everything in it; DynamoDB counts names and values in UTF-8."""
    full = a_worker(
        key="carol",
        instance_id="i-0123456789abcdef0",
        last_activity=NOON,
        last_interaction=NOON,
        due_at=NOON + 14 * MINUTE,
        home_volume="vol-0123456789abcdef0",
        groups=("students", "teachers"),
        message=message("active", last_used=NOON),
    )
    WorkerStore(servers.CLUSTER).put(full, NOON)
    size = sum(len(name) + len(str(value).encode()) for name, value in _item(table, "carol").items())
    assert 400 < size <= 1000 * Assumptions().record_kb


def _item(table: Any, key: str = "alice") -> dict[str, Any]:
    [found] = [one for one in table.scan(ConsistentRead=True)["Items"] if key in one.values()]
    return dict(found)
