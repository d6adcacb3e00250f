"""Many at once: a sweep asks for all of a batch together, each is decided about by itself, and stops go in common."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Barrier, Lock
from time import sleep
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lifecycle_app.adapters.ec2 import Ec2, StopBatches
from lifecycle_app.concurrency import AT_ONCE, batches, in_threads, one_by_one
from lifecycle_app.contract import Level
from lifecycle_app.errors import BadRecord, CloudError, StopRejected
from lifecycle_app.model.worker import Worker
from lifecycle_app.use_cases import record_activity, sweep
from tests.lifecycle.examples import HOUR, MINUTE, NOON, a_worker, an_instance, reports
from tests.lifecycle.fakes import World

MANY = 2 * AT_ONCE + 10


def instance_id(number: int) -> str:
    return f"i-{number:017x}"


def due_workers(world: World, count: int) -> None:
    """Workers that are idle and due, and no others."""
    world.store.workers.clear()
    for number in range(count):
        key, one = f"user{number}", instance_id(number)
        world.store.put(a_worker(key=key, instance_id=one, due_at=NOON - HOUR), NOON)
        world.cloud.add(an_instance(key=key, instance_id=one))
        world.metrics.reports[one] = reports(Level.QUIET, NOON - 2 * HOUR, NOON)


class Counting:
    """Counts the calls of a fake by name."""

    def __init__(self, inner: Any, *names: str) -> None:
        self.counts = dict.fromkeys(names, 0)
        for name in names:
            setattr(inner, name, self._counted(name, getattr(inner, name)))

    def _counted(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.counts[name] += 1
            return act(*args)

        return counted


@pytest.mark.parametrize("together", [one_by_one, in_threads])
def test_together_keeps_the_order(together: Any) -> None:
    assert together(lambda n: n * n, range(AT_ONCE)) == [n * n for n in range(AT_ONCE)]
    assert together(str, []) == []


def test_threads_run_at_the_same_time_and_an_error_is_raised_when_all_are_done() -> None:
    barrier, done = Barrier(AT_ONCE, timeout=30), []

    def act(number: int) -> None:
        barrier.wait()
        if number == 0:
            raise ValueError("one")
        done.append(number)

    with pytest.raises(ValueError, match="one"):
        in_threads(act, range(AT_ONCE))
    assert len(done) == AT_ONCE - 1


@pytest.mark.parametrize("count", [0, 1, 2, AT_ONCE, AT_ONCE + 1, AT_ONCE + 2, MANY])
def test_the_first_comes_alone_and_none_is_left_out(count: int) -> None:
    found = list(batches(range(count)))
    assert [one for some in found for one in some] == list(range(count))
    assert len(found[0]) == 1 if count else found == []
    assert all(0 < len(some) <= AT_ONCE for some in found)


def test_a_sweep_asks_for_a_batch_at_a_time(world: World) -> None:
    """CloudWatch and the policies are asked once for each batch, whatever the number of workers in it."""
    due_workers(world, MANY)
    asked = Counting(world.metrics, "evidence_of_all")
    read = Counting(world.store, "policies")
    assert sweep(world.service, lambda: True) == {"stopped": MANY}
    batch_count = len(list(batches(range(MANY))))
    assert asked.counts == {"evidence_of_all": batch_count}
    assert read.counts == {"policies": batch_count}


def test_a_worker_that_changes_after_the_asking_is_asked_about_again(world: World) -> None:
    """Its user is back between the common question and its own turn: the reports of that moment decide."""
    due_workers(world, 2)
    world.hub.answers = lambda _worker, _mode: pytest.fail("no worker should be drained")
    ask = world.metrics.evidence_of_all

    def meanwhile(policies: Any, now: Any) -> Any:
        found = ask(policies, now)
        for key, worker in world.store.workers.items():
            world.metrics.reports[worker.instance_id] = reports(Level.INTERACTION, NOON - MINUTE, NOON)
            world.store.put(replace(worker, groups=("again",)), NOON)
            assert key
        return found

    world.metrics.evidence_of_all = meanwhile  # type: ignore[method-assign]
    assert sweep(world.service, lambda: True) == {"kept": 2}


@pytest.mark.parametrize(
    "error", [CloudError("GetMetricData", "Throttling", "slow down"), BadRecord("user1", "odd")]
)
def test_where_the_common_question_fails_each_is_asked_about_by_itself(
    world: World, error: Exception
) -> None:
    due_workers(world, 3)

    def fail(_policies: Any, _now: Any) -> Any:
        raise error

    world.metrics.evidence_of_all = fail  # type: ignore[method-assign,assignment]
    assert sweep(world.service, lambda: True) == {"stopped": 3}


def test_each_workers_own_policy_counts(world: World) -> None:
    due_workers(world, 3)
    world.store.settings["user/user1"] = '{"idle_timeout": 10800}'
    assert sweep(world.service, lambda: True) == {"stopped": 2, "kept": 1}


def test_activity_is_written_for_all_that_changed_whatever_befalls_one(world: World) -> None:
    due_workers(world, MANY)
    for number in range(MANY):
        world.metrics.reports[instance_id(number)] = reports(Level.WORK, NOON - 2 * MINUTE, NOON)
    put = world.store.put

    def picky(worker: Worker, now: Any) -> Worker:
        if worker.key == "user7":
            raise BadRecord("user7", "DynamoDB does not take it")
        return put(worker, now)

    world.store.put = picky  # type: ignore[method-assign]
    assert record_activity(world.service, NOON) == {"running": MANY, "written": MANY - 1}


class Ec2Calls:
    """A client that notes its calls; `refuse` tells what to raise for one."""

    def __init__(self, refuse: Callable[[Sequence[str]], Exception | None] = lambda _: None) -> None:
        self.calls: list[list[str]] = []
        self._refuse = refuse
        self._lock = Lock()

    def stop_instances(self, InstanceIds: Sequence[str], Force: bool) -> None:  # noqa: N803 -- boto3's own names
        with self._lock:
            self.calls.append(sorted(InstanceIds))
        error = self._refuse(InstanceIds)
        if error:
            raise error


def stopped(client: Ec2Calls, instance_ids: Sequence[str]) -> dict[str, CloudError | None]:
    """What each hears, if all are asked for while the first one waits for others."""
    stops = StopBatches(client, wait=lambda _: until_all_asked())
    cloud = Ec2(None, stops, "test")

    def until_all_asked() -> None:
        while len(stops._asked) < len(instance_ids):
            sleep(0.001)

    def stop(one: str) -> CloudError | None:
        try:
            cloud.stop(one)
        except CloudError as error:
            return error
        return None

    return dict(zip(instance_ids, in_threads(stop, instance_ids), strict=True))


def refusal(code: str, status: int = 400, named: str = "") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": f"{named or 'something'} is in the way"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "StopInstances")


IDS = [instance_id(number) for number in range(8)]


def test_stops_of_the_same_moment_are_one_call() -> None:
    client = Ec2Calls()
    assert stopped(client, IDS) == dict.fromkeys(IDS)
    assert client.calls == [IDS]


@pytest.mark.parametrize("is_named", [True, False])
def test_if_ec2_refuses_one_the_others_are_stopped(is_named: bool) -> None:
    bad = IDS[3]
    error = refusal("IncorrectInstanceState", named=bad if is_named else "")
    client = Ec2Calls(lambda ids: error if bad in ids else None)
    heard = stopped(client, IDS)
    assert isinstance(heard.pop(bad), StopRejected)
    assert set(heard.values()) == {None}
    accepted = [one for call in client.calls if bad not in call for one in call]
    assert sorted(accepted) == sorted(set(IDS) - {bad}), "each exactly once"
    assert len(client.calls) == (3 if is_named else 7)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("RequestLimitExceeded", 503), StopRejected),
        (refusal("InternalError", 500), CloudError),
        (EndpointConnectionError(endpoint_url="https://ec2"), CloudError),
        (RuntimeError("a bug"), RuntimeError),
    ],
)
def test_what_is_said_of_all_is_heard_by_all_and_not_tried_again(
    error: Exception, kind: type[Exception]
) -> None:
    """Throttled, once more would make it worse; and where it is unknown what EC2 did, it is not asked twice."""
    client = Ec2Calls(lambda _: error)
    if kind is RuntimeError:
        with pytest.raises(RuntimeError):
            stopped(client, IDS)
    else:
        assert {type(one) for one in stopped(client, IDS).values()} == {kind}
    assert client.calls == [IDS]


def test_a_stop_by_force_waits_for_no_other() -> None:
    client = Ec2Calls()
    stops = StopBatches(client, wait=lambda _: pytest.fail("waited"))
    Ec2(None, stops, "test").stop(IDS[0], force=True)
    assert client.calls == [IDS[:1]]


def test_stops_one_after_the_other_are_calls_of_their_own() -> None:
    client = Ec2Calls()
    cloud = Ec2(None, StopBatches(client, wait=lambda _: None), "test")
    for one in IDS[:3]:
        cloud.stop(one)
    assert client.calls == [[one] for one in IDS[:3]]
