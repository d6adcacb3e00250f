"""The store on DynamoDB and the tests' store in memory keep to the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from lifecycle_app.errors import RecordConflict, StoreUnavailable
from lifecycle_app.history import Entry, Kind
from lifecycle_app.store import WorkerStore
from lifecycle_app.worker import State, Worker
from tests.lifecycle.emulated import emulated_aws
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker
from tests.lifecycle.fakes import MemoryStore

Store = WorkerStore | MemoryStore

WHOLE = Worker(
    key="ünï $(x)/gpu",
    instance_id=ALICE,
    state=State.STOPPING,
    state_at=NOON - 3 * SECOND,
    version=0,
    changed_at=NOON,
    address="10.0.1.5",
    instance_type="t3.medium",
    zone="us-east-1a",
    home_volume="vol-1",
    home_attached=False,
    started_at=datetime(2026, 11, 23, 9, 0, 0, 123457, tzinfo=UTC),
    last_activity=NOON - MINUTE,
    last_interaction=NOON - HOUR,
    evidence="words",
    due_at=NOON + MINUTE,
    claimed_until=NOON + 2 * MINUTE,
    stop_reason="idle",
    decided="active",
    hub_odd_since=NOON - 2 * MINUTE,
    keep_until=NOON + HOUR,
    seconds_run=12345,
    groups=("a", "b"),
)
BARE = Worker(key="bob", instance_id=BOB, state=State.STOPPED, state_at=NOON, version=0, changed_at=NOON)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with emulated_aws():
            yield WorkerStore("test")


def set_policy(store: Store, scope: str, policy: str) -> None:
    if isinstance(store, MemoryStore):
        store.settings[scope] = policy
    else:
        item = {"scope": {"S": scope}, "policy": {"S": policy}}
        boto3.client("dynamodb").put_item(TableName="cloudjhub-test-settings", Item=item)


@pytest.mark.parametrize("worker", [WHOLE, BARE], ids=["whole", "bare"])
def test_what_is_put_can_be_read(store: Store, worker: Worker) -> None:
    written = store.put(worker, NOON)
    assert written == replace(worker, version=1, changed_at=NOON)
    assert store.get(worker.key) == written
    assert store.by_instance(worker.instance_id) == written
    assert store.everybody() == [written]


def test_who_is_unknown(store: Store) -> None:
    assert store.get("nobody") is None
    assert store.by_instance("i-0") is None
    assert store.everybody() == store.costing() == store.due(NOON) == []


def test_a_field_that_is_emptied_is_gone(store: Store) -> None:
    written = store.put(WHOLE, NOON)
    emptied = replace(BARE, key=WHOLE.key, version=written.version)
    assert store.put(emptied, NOON) == store.get(WHOLE.key)
    assert store.costing() == []


def test_a_record_that_says_nothing_of_its_home_has_it() -> None:
    with emulated_aws():
        store = WorkerStore("test")
        written = store.put(BARE, NOON)
        key = {"worker": {"S": "bob"}}
        client = boto3.client("dynamodb")
        client.update_item(
            TableName="cloudjhub-test-workers", Key=key, UpdateExpression="REMOVE home_attached"
        )
        assert store.get("bob") == written


@pytest.mark.parametrize("version", [0, 2, 5])
def test_a_record_somebody_else_wrote_is_not_overwritten(store: Store, version: int) -> None:
    written = store.put(WHOLE, NOON)
    with pytest.raises(RecordConflict):
        store.put(replace(written, version=version, evidence="mine"), NOON)
    assert store.get(WHOLE.key) == written


def test_a_record_that_is_not_there_cannot_be_replaced(store: Store) -> None:
    with pytest.raises(RecordConflict):
        store.put(replace(WHOLE, version=1), NOON)


def test_due_are_those_that_cost_and_whose_time_has_come_the_longest_due_first(store: Store) -> None:
    for n, (state, due_at) in enumerate(
        [
            (State.RUNNING, NOON),
            (State.PENDING, NOON - MINUTE),
            (State.STOPPING, NOON - HOUR),
            (State.RUNNING, NOON + SECOND),
            (State.STOPPED, NOON - HOUR),
            (State.TERMINATED, NOON - HOUR),
            (State.RUNNING, None),
        ]
    ):
        store.put(a_worker(key=f"u{n}", instance_id=f"i-{n}", state=state, due_at=due_at), NOON)
    assert [w.key for w in store.due(NOON)] == ["u2", "u1", "u0"]
    assert [w.key for w in store.costing()] == ["u2", "u1", "u0", "u3"]


def test_changes_are_told_from_a_time_on(store: Store) -> None:
    for n in range(3):
        store.put(a_worker(key=f"u{n}", instance_id=f"i-{n}"), NOON + n * SECOND)
    assert [w.key for w in store.changed_since(NOON + SECOND)] == ["u1", "u2"]
    first = store.get("u0")
    assert first is not None
    store.put(first, NOON + MINUTE)
    assert [w.key for w in store.changed_since(NOON)] == ["u1", "u2", "u0"]


def an_entry(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "key": "alice",
        "at": NOON,
        "kind": Kind.RUN,
        "reason": "idle",
        "words": "ran for 60 s",
        "instance_id": ALICE,
        "evidence": {"reports": 60, "cpu": [0.5], "hub_server": None},
        "seconds": 60,
        "cost": 0.000693,
    }
    return Entry(**(facts | changes))


def test_history_is_told_newest_first_and_by_day(store: Store) -> None:
    entries = [
        an_entry(at=NOON + n * SECOND, kind=kind, seconds=None, cost=None)
        for n, kind in enumerate([Kind.STOP, Kind.RELEASE, Kind.REPORT])
    ]
    for entry in [*entries, entries[0], an_entry(key="bob", at=NOON + 24 * HOUR)]:
        store.add_history(entry)
    assert store.history("alice") == entries[::-1]
    assert store.history("alice", limit=1) == entries[-1:]
    assert store.history_of_day("2026-11-23") == entries
    assert store.history_of_day("2026-11-24") == [an_entry(key="bob", at=NOON + 24 * HOUR)]


def test_things_of_one_moment_are_all_kept(store: Store) -> None:
    for reason in ("stuck", "duplicate"):
        store.add_history(an_entry(reason=reason))
    assert [entry.reason for entry in store.history("alice")] == ["stuck", "duplicate"]


def test_policies_are_those_that_were_set(store: Store) -> None:
    set_policy(store, "cluster", "{}")
    set_policy(store, "user/ünï", '{"idle_timeout": 5}')
    assert store.policies(["cluster", "group/x", "user/ünï"]) == {
        "cluster": "{}",
        "user/ünï": '{"idle_timeout": 5}',
    }
    assert store.policies([]) == {}


def test_many_records_come_in_many_pages() -> None:
    with emulated_aws():
        store = WorkerStore("test")
        for n in range(150):
            long = "x" * 10_000
            store.put(a_worker(key=f"u{n:03}", instance_id=f"i-{n}", evidence=long), NOON)
        assert len(store.costing()) == len(store.everybody()) == 150
        assert store.policies([f"user/{n}" for n in range(250)]) == {}


def test_history_ends_with_its_time_to_live() -> None:
    with emulated_aws():
        WorkerStore("test").add_history(an_entry())
        (item,) = boto3.client("dynamodb").scan(TableName="cloudjhub-test-history")["Items"]
        assert item["expires_at"]["N"] == str(int((NOON + 90 * 24 * HOUR).timestamp()))
        assert item["at"]["S"] == "2026-11-23T12:00:00.000000Z#run:idle"


def test_two_clusters_do_not_share_their_tables() -> None:
    with emulated_aws():
        here, there = WorkerStore("test"), WorkerStore("elsewhere")
        here.put(WHOLE, NOON)
        with pytest.raises(StoreUnavailable):
            there.get(WHOLE.key)
        assert here.get(WHOLE.key) is not None


def test_the_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "http://127.0.0.1:9")
            with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
                WorkerStore("test").get("alice")


def test_users_and_image_are_those_that_were_set() -> None:
    with emulated_aws():
        store = WorkerStore("test")
        assert store.wanted() == {}
        table = boto3.resource("dynamodb").Table("cloudjhub-test-settings")
        table.put_item(Item={"scope": "image", "image": "ami-1", "made_by": "something newer"})
        table.put_item(Item={"scope": "users", "users": "{}", "version": 3})
        assert store.wanted() == {"image": "ami-1", "users": "{}"}
