"""What the store makes of DynamoDB itself: pages, times to live, what it does not take."""

from collections.abc import Iterator

import boto3
import pytest

from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import plain
from tests.lifecycle.examples import ALICE, HOUR, NOON, a_worker
from tests.store import servers


@pytest.fixture(scope="module", params=servers.KINDS)
def full(request: pytest.FixtureRequest) -> Iterator[WorkerStore]:
    with servers.running(request.param) as endpoint, servers.used(endpoint):
        yield WorkerStore(servers.CLUSTER)


@pytest.fixture
def store(full: WorkerStore) -> WorkerStore:
    servers.empty(boto3.client("dynamodb"))
    return full


def an_entry(**evidence: object) -> Entry:
    return Entry(
        key="alice",
        at=NOON,
        kind=Kind.RUN,
        reason="idle",
        message=plain(""),
        instance_id=ALICE,
        evidence=evidence,
    )


def test_many_records_come_in_many_pages(store: WorkerStore) -> None:
    for n in range(150):
        store.put(a_worker(key=f"u{n:03}", instance_id=f"i-{n}", message=plain("x" * 10_000)), NOON)
    assert len(store.costing()) == len(store.everybody()) == len(store.census().workers) == 150


def test_many_policies_are_asked_for_in_many_calls(store: WorkerStore) -> None:
    assert store.policies([f"user/{n}" for n in range(250)]) == {}


def test_a_policy_that_is_asked_for_twice_is_read_once(store: WorkerStore) -> None:
    """DynamoDB refuses such a call, so that one record with a group twice would keep a sweep from all others."""
    assert store.policies(["cluster", "group/a", "group/a"]) == {}


def test_history_ends_with_its_time_to_live(store: WorkerStore) -> None:
    store.add_history(an_entry())
    (item,) = boto3.client("dynamodb").scan(TableName=servers.name_of("history"))["Items"]
    assert item["expires_at"]["N"] == str(int((NOON + 90 * 24 * HOUR).timestamp()))
    assert item["at"]["S"] == "2026-11-23T12:00:00.000000Z#run:idle"


def test_two_clusters_do_not_share_their_tables(store: WorkerStore) -> None:
    store.put(a_worker(), NOON)
    with pytest.raises(StoreUnavailable):
        WorkerStore("elsewhere").get("alice")
    assert store.get("alice") is not None


def test_what_dynamodb_does_not_take_is_the_trouble_of_one_record(store: WorkerStore) -> None:
    """An item has 400 KB at most; the store can be asked for all others."""
    with pytest.raises(BadRecord, match="the record of alice cannot be used: DynamoDB does not take it"):
        store.put(a_worker(message=plain("x" * 500_000)), NOON)
    with pytest.raises(BadRecord):
        store.add_history(an_entry(told="x" * 500_000))
    bob = store.put(a_worker(key="bob", instance_id="i-b"), NOON)
    assert store.by_instance("i-b") == bob


def test_users_and_image_are_those_that_were_set(store: WorkerStore) -> None:
    assert store.wanted() == {}
    table = boto3.resource("dynamodb").Table(servers.name_of("settings"))
    table.put_item(Item={"scope": "image", "image": "ami-1", "made_by": "something newer"})
    table.put_item(Item={"scope": "users", "users": "{}", "version": 3})
    assert store.wanted() == {"image": "ami-1", "users": "{}"}
