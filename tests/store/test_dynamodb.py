"""What the store makes of DynamoDB itself: pages, times to live, what it does not take."""

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import BadRecord, NoTable, RecordConflict, StoreUnavailable
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import plain
from lifecycle_app.model.policy_record import PolicyRecord, changes_of, with_policy
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
    assert len(store.costing()) == len(store.all_workers()) == len(store.scan().workers) == 150


def test_many_policies_are_asked_for_in_many_calls(store: WorkerStore) -> None:
    assert SettingsStore(servers.CLUSTER).policies([f"user/{n}" for n in range(250)]) == {}


def test_a_policy_that_is_asked_for_twice_is_read_once(store: WorkerStore) -> None:
    """DynamoDB refuses such a call, so that one record with a group twice would keep a sweep from all others."""
    assert SettingsStore(servers.CLUSTER).policies(["cluster", "group/a", "group/a"]) == {}


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
    assert SettingsStore(servers.CLUSTER).of_hub() == {}
    table = boto3.resource("dynamodb").Table(servers.name_of("settings"))
    table.put_item(Item={"scope": "image", "image": "ami-1", "made_by": "something newer"})
    table.put_item(Item={"scope": "users", "users": "{}", "version": 3})
    assert SettingsStore(servers.CLUSTER).of_hub() == {"image": "ami-1", "users": "{}"}
    SettingsStore(servers.CLUSTER).put_announcement("{}")
    assert SettingsStore(servers.CLUSTER).of_hub() == {"image": "ami-1", "users": "{}", "announcement": "{}"}
    SettingsStore(servers.CLUSTER).put_announcement(None)
    assert SettingsStore(servers.CLUSTER).announcement() is None


def put_policy(settings: SettingsStore, scope: str, before: str, after: dict[str, object]) -> None:
    """As if `before` had just been read."""
    found = PolicyRecord(scope=scope, policy=before, changes=settings.policy_record(scope).changes)
    settings.put_policy_record(found, with_policy(found, after, "ada", NOON))


def test_a_policy_is_set_only_if_it_is_as_it_was_read(store: WorkerStore) -> None:
    settings = SettingsStore(servers.CLUSTER)
    put_policy(settings, "user/ada", "", {"hung_cpu": 1})
    for stale in ("", '{"idle_timeout": 5}'):
        with pytest.raises(RecordConflict):
            put_policy(settings, "user/ada", stale, {})
    put_policy(settings, "user/ada", '{"hung_cpu": 1}', {})
    assert settings.all_policies() == {}
    with pytest.raises(RecordConflict):
        put_policy(settings, "user/ada", '{"hung_cpu": 1}', {})
    put_policy(settings, "user/ada", "", {"hung_cpu": 2})
    assert settings.all_policies() == {"user/ada": '{"hung_cpu": 2}'}


def test_a_policy_its_changes_and_its_answer_are_one_record(store: WorkerStore) -> None:
    """Two who change it back and forth do not overwrite each other's entries either."""
    settings = SettingsStore(servers.CLUSTER)
    assert settings.policy_record("cluster") == PolicyRecord(scope="cluster")
    first = with_policy(settings.policy_record("cluster"), {"hung_cpu": 1}, "ada", NOON)
    settings.put_policy_record(PolicyRecord(scope="cluster"), replace(first, request="r", refusal="changed"))
    found = settings.policy_record("cluster")
    assert found == replace(first, request="r", refusal="changed")
    assert settings.policy_records(["cluster", "user/ada"]) == [found]
    put_policy(settings, "cluster", found.policy, {})
    put_policy(settings, "cluster", "", {"hung_cpu": 1})
    with pytest.raises(RecordConflict):
        settings.put_policy_record(found, with_policy(found, {}, "bob", NOON))
    assert [dict(one.after) for one in changes_of(settings.policy_record("cluster"))] == [
        {"hung_cpu": 1},
        {},
        {"hung_cpu": 1},
    ]


def test_the_first_policy_is_not_set_again_even_if_it_was_removed(store: WorkerStore) -> None:
    settings = SettingsStore(servers.CLUSTER)
    settings.put_first_policy("{}")
    put_policy(settings, "cluster", "{}", {})
    with pytest.raises(RecordConflict):
        settings.put_first_policy("{}")
    assert (settings.has("cluster"), settings.all_policies()) == (True, {})


def test_users_are_set_only_if_none_were_set_since(store: WorkerStore) -> None:
    settings = SettingsStore(servers.CLUSTER)
    assert settings.users() == (None, 0)
    settings.put_users("{}", 0)
    with pytest.raises(RecordConflict):
        settings.put_users("[]", 0)
    assert settings.users() == ("{}", 1)
    boto3.resource("dynamodb").Table(servers.name_of("settings")).put_item(
        Item={"scope": "users", "users": "{}"}
    )
    with pytest.raises(BadRecord):
        settings.users()


def test_the_image_is_the_one_set_last(store: WorkerStore) -> None:
    settings = SettingsStore(servers.CLUSTER)
    assert (settings.image(), settings.has("image")) == (None, False)
    settings.put_image("ami-1")
    settings.put_image("ami-2")
    assert settings.image() == "ami-2"


def test_a_missing_table_is_told_from_one_that_does_not_answer(store: WorkerStore) -> None:
    settings = SettingsStore("another")
    for read in (settings.image, settings.users, settings.all_policies, lambda: settings.put_image("ami-1")):
        with pytest.raises(NoTable):
            read()
