"""The store, on each DynamoDB that can be found, and the tests' store in memory keep to the same."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import boto3
import pytest

from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import message, plain
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON, SECOND, a_worker
from tests.lifecycle.fakes import MemoryStore
from tests.store import servers

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
    message=plain("words"),
    due_at=NOON + MINUTE,
    claimed_until=NOON + 2 * MINUTE,
    removing=True,
    stop_reason="idle",
    decided="active",
    hub_odd_since=NOON - 2 * MINUTE,
    keep_until=NOON + HOUR,
    keep_by="alice",
    keep_request="1f2e",
    keep_refusal="too-long",
    seconds_run=12345,
    month="2026-11",
    month_seconds=2345,
    month_dollars=0.027101,
    over_budget_since=NOON - 3 * MINUTE,
    over_budget_of="group/staff",
    groups=("a", "b"),
)
BARE = Worker(key="bob", instance_id=BOB, state=State.STOPPED, state_at=NOON, version=0, changed_at=NOON)


@pytest.fixture(scope="module", params=["memory", *servers.PARAMS])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Store]]:
    """Gives a store with nothing in it."""
    if request.param == "memory":
        yield MemoryStore
        return
    with servers.running(request.param) as endpoint, servers.used(endpoint):
        store, client = WorkerStore(servers.CLUSTER), boto3.client("dynamodb")

        def emptied() -> WorkerStore:
            servers.empty(client)
            return store

        yield emptied


@pytest.fixture
def store(make: Callable[[], Store]) -> Store:
    return make()


def set_policy(store: Store, scope: str, policy: str) -> None:
    if isinstance(store, MemoryStore):
        store.settings[scope] = policy
    else:
        item = {"scope": {"S": scope}, "policy": {"S": policy}}
        boto3.client("dynamodb").put_item(TableName=servers.name_of("settings"), Item=item)


@pytest.mark.parametrize("worker", [WHOLE, BARE], ids=["whole", "bare"])
def test_what_is_put_can_be_read(store: Store, worker: Worker) -> None:
    written = store.put(worker, NOON)
    assert written == replace(worker, version=1, changed_at=NOON)
    assert store.get(worker.key) == written
    assert store.by_instance(worker.instance_id) == written
    assert store.all_workers() == [written]


def test_who_is_unknown(store: Store) -> None:
    assert store.get("zoe") is None
    assert store.by_instance("i-0") is None
    assert store.all_workers() == store.costing() == store.due(NOON) == []


def test_a_field_that_is_emptied_is_gone(store: Store) -> None:
    written = store.put(WHOLE, NOON)
    emptied = replace(BARE, key=WHOLE.key, version=written.version)
    assert store.put(emptied, NOON) == store.get(WHOLE.key)
    assert store.costing() == []


@pytest.mark.parametrize("version", [0, 2, 5])
def test_a_record_another_wrote_is_not_overwritten(store: Store, version: int) -> None:
    written = store.put(WHOLE, NOON)
    with pytest.raises(RecordConflict):
        store.put(replace(written, version=version, message=plain("mine")), NOON)
    assert store.get(WHOLE.key) == written


def test_a_record_that_is_not_there_cannot_be_replaced(store: Store) -> None:
    with pytest.raises(RecordConflict):
        store.put(replace(WHOLE, version=1), NOON)


WRITERS = 50
ROUNDS = 4


def test_of_fifty_writers_at_once_exactly_one_wins_each_version(store: Store) -> None:
    """The first round makes the record; each further one begins with what the winner of the last has written."""
    gate = Barrier(WRITERS)

    def write(worker: Worker) -> Worker | None:
        gate.wait()
        try:
            return store.put(worker, NOON)
        except RecordConflict:
            return None

    known = a_worker()
    with ThreadPoolExecutor(WRITERS) as pool:
        for version in range(1, ROUNDS + 1):
            counted = replace(known, seconds_run=known.seconds_run + 1)
            wanted = [replace(counted, message=plain(f"{writer}")) for writer in range(WRITERS)]
            won = [one for one in pool.map(write, wanted) if one is not None]
            assert [one.version for one in won] == [version]
            assert won == [store.get("alice")]
            known = won[0]
    assert known.seconds_run == ROUNDS


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
        "message": message("run", ran=MINUTE, cost=0.000693),
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
    assert store.newest_of_day("2026-11-23", 2) == entries[:0:-1]
    assert store.history_of_day("2026-11-24") == [an_entry(key="bob", at=NOON + 24 * HOUR)]


def test_runs_are_read_by_day_oldest_first_and_over_pages(store: Store) -> None:
    """More of a day than DynamoDB gives at once, which is a megabyte."""
    large = {"said": "x" * 300_000}
    runs = [an_entry(key=f"user-{n}", at=NOON + n * SECOND, kind=Kind.RUN, evidence=large) for n in range(6)]
    late = an_entry(at=NOON + 24 * HOUR, kind=Kind.RUN)
    for entry in [
        *reversed(runs),
        late,
        an_entry(kind=Kind.STOP),
        an_entry(at=NOON + 48 * HOUR, kind=Kind.RUN),
    ]:
        store.add_history(entry)
    assert [*store.runs_of_days(["2026-11-23", "2026-11-24"])] == [*runs, late]


def test_things_of_one_moment_are_all_kept(store: Store) -> None:
    for reason in ("stuck", "duplicate"):
        store.add_history(an_entry(reason=reason))
    assert [entry.reason for entry in store.history("alice")] == ["stuck", "duplicate"]


def test_policies_are_those_that_were_set(store: Store) -> None:
    set_policy(store, "cluster", "{}")
    set_policy(store, "user/ünï", '{"idle_timeout": 5}')
    settings = store if isinstance(store, MemoryStore) else SettingsStore(servers.CLUSTER)
    assert settings.policies(["cluster", "group/x", "user/ünï"]) == {
        "cluster": "{}",
        "user/ünï": '{"idle_timeout": 5}',
    }
    assert settings.policies([]) == {}
