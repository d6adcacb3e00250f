"""What the store makes of an item, wrong in every way: it is named with all that is wrong, and hides no other."""

from dataclasses import replace
from functools import cache
from typing import Any, cast

import boto3
import pytest

from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.adapters.tables import WorkerRecord
from lifecycle_app.errors import BadRecord, RecordConflict
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import HOUR, NOON, a_worker
from tests.store import servers
from tests.store.items import HARMS, ODDITIES, UNWATCHED, Change, Harm, Item, item_of

pytestmark = pytest.mark.usefixtures("dynalite")

BAD, GOOD = (
    a_worker(key="bad", instance_id="i-bad", last_activity=NOON - HOUR, version=1),
    a_worker(key="good"),
)


@pytest.fixture(scope="module")
def store(dynalite: None) -> WorkerStore:
    return WorkerStore(servers.CLUSTER, on_bad=named.append)


named: list[BadRecord] = []
HIDDEN = ("no cluster", "no changed_at")
"""Such an item is not in the index of all workers."""


@cache
def dynamodb() -> Any:
    return boto3.client("dynamodb")


def put(item: Item) -> None:
    dynamodb().put_item(TableName=servers.name_of("workers"), Item=item)


def raw(key: str) -> Item:
    client = dynamodb()
    answer = client.get_item(TableName=servers.name_of("workers"), Key={"worker": {"S": key}})
    return cast(Item, answer["Item"])


def two_records(store: WorkerStore, change: Change) -> Worker:
    """A good worker and one whose item is changed so; the good one."""
    servers.empty(dynamodb())
    named.clear()
    item = item_of(BAD)
    change(item)
    put(item)
    return store.put(GOOD, NOON)


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.name)
def test_a_bad_item_is_named_and_left_alone(store: WorkerStore, harm: Harm) -> None:
    good = two_records(store, harm.change)
    before = raw("bad")
    with pytest.raises(BadRecord) as found:
        store.get("bad")
    assert harm.says in found.value.problem
    assert found.value.key == "bad"
    assert store.get("good") == good
    assert store.costing() == store.due(NOON) == [good]
    assert [one.problem for one in named] == [found.value.problem] * 2
    scan = store.scan()
    assert scan.workers == [good]
    assert scan.bad_keys == (set() if harm.name in HIDDEN else {"bad"})
    with pytest.raises(RecordConflict):
        store.put(a_worker(key="bad"), NOON)
    assert raw("bad") == before


def test_an_instance_of_a_bad_item_is_not_unknown(store: WorkerStore) -> None:
    """Unless a good record has it."""
    two_records(store, lambda item: item.update(state={"S": "on"}, home_volume={"S": "vol-1"}))
    with pytest.raises(BadRecord) as found:
        store.by_instance("i-bad")
    assert (found.value.instance_id, found.value.home_volume) == ("i-bad", "vol-1")
    heir = store.put(a_worker(key="heir", instance_id="i-bad"), NOON)
    assert store.by_instance("i-bad") == heir


@pytest.mark.parametrize("change", [change for _, change in ODDITIES], ids=[name for name, _ in ODDITIES])
def test_what_is_only_odd_can_be_read_and_written(store: WorkerStore, change: Change) -> None:
    good = two_records(store, change)
    read = store.get("bad")
    assert read is not None
    assert (read.key, read.state, read.version) == ("bad", BAD.state, 1)
    assert store.put(read, NOON) in store.costing()
    assert len(store.all_workers()) == 2
    assert good in store.costing()
    assert named == []


def test_what_a_newer_version_wrote_stays_when_an_older_one_writes(store: WorkerStore) -> None:
    """And what is emptied is gone, too."""
    newer = {"M": {"a": {"L": [{"NULL": True}]}}}
    two_records(store, lambda item: item.update(invented_later=newer, keep_until={"N": "1"}))
    read = store.get("bad")
    assert read is not None
    store.put(replace(read, state=State.STOPPED, keep_until=None), NOON)
    written = raw("bad")
    assert written["invented_later"] == newer
    assert written["state"] == {"S": "stopped"}
    assert not {"costs", "keep_until"} & set(written)


@pytest.mark.parametrize("change", [change for _, change in UNWATCHED], ids=[name for name, _ in UNWATCHED])
def test_what_no_sweep_looks_at_is_due_at_no_time(store: WorkerStore, change: Change) -> None:
    """So that reconcile sees it, and by writing it brings it before the sweep."""
    good = two_records(store, change)
    (read,) = [one for one in store.all_workers() if one.key == "bad"]
    assert read.due_at is None
    assert store.due(NOON) == [good]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["state_at", "version", "seconds_run", "last_activity"])
def test_numbers_that_only_other_stores_keep(name: str, number: str) -> None:
    record = WorkerRecord.from_raw_data({**item_of(BAD), name: {"N": number}})
    assert record.problem.startswith(f"{name} is wrong: ")


@pytest.mark.parametrize(
    ("seconds", "is_good"),
    [("-0.000001", False), ("0", True), ("7258118399.999999", True), ("7258118400", False)],
)
def test_times_are_from_1970_until_2200(seconds: str, is_good: bool) -> None:
    record = WorkerRecord.from_raw_data({**item_of(BAD), "state_at": {"N": seconds}})
    assert (record.problem == "") is is_good


def test_settings_that_are_no_texts_are_not_taken_for_absent(store: WorkerStore) -> None:
    """An absent policy is the default one, and absent users are those of the hub's own settings."""
    client, table = dynamodb(), servers.name_of("settings")
    for scope, name in (
        ("cluster", "policy"),
        ("user/ada", "policy"),
        ("users", "users"),
        ("image", "image"),
    ):
        client.put_item(TableName=table, Item={"scope": {"S": scope}, name: {"M": {}}, "version": {"S": "x"}})
    client.put_item(TableName=table, Item={"scope": {"S": "user/bob"}, "policy": {"S": "{}"}})
    words = "not text but of DynamoDB's type M"
    assert SettingsStore(servers.CLUSTER).policies(["cluster", "user/ada", "user/bob"]) == {
        "cluster": words,
        "user/ada": words,
        "user/bob": "{}",
    }
    assert SettingsStore(servers.CLUSTER).of_hub() == {"users": words, "image": words}


def test_a_bad_line_of_history_hides_no_other(store: WorkerStore) -> None:
    client, table = dynamodb(), servers.name_of("history")
    good: dict[str, Any] = {
        "worker": {"S": "ada"},
        "at": {"S": "2026-11-23T12:00:00.000000Z#stop:idle"},
        "day": {"S": "2026-11-23"},
        "kind": {"S": "stop"},
        "reason": {"S": "idle"},
        "words": {"S": "words"},
        "instance_id": {"S": "i-1"},
        "expires_at": {"N": "1"},
    }
    bad: list[dict[str, Any]] = [
        {"kind": {"S": "shrug"}},
        {"words": {"N": "1"}},
        {"evidence": {"S": "no JSON"}},
        {"evidence": {"S": "[" * 100_000}},
        {"seconds": {"N": "-1"}},
        {"cost": {"S": "much"}},
        {"instance_id": {"NULL": True}},
    ]
    for n, change in enumerate(bad):
        client.put_item(
            TableName=table, Item={**good, "at": {"S": f"2026-11-23T12:00:0{n}.0Z#stop:x"}, **change}
        )
    for at in ("yesterday", "2026-11-23T12:00:00#stop:naive", "#"):
        client.put_item(TableName=table, Item={**good, "at": {"S": at}})
    client.put_item(TableName=table, Item=good)
    named.clear()
    (entry,) = store.history("ada")
    assert [entry] == store.history_of_day("2026-11-23")
    assert len(named) == 2 * (len(bad) + 3)
    assert all(one.key.startswith("ada in the history at ") for one in named)
