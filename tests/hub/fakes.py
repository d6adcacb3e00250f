"""Small fakes. FakeEC2 is held to the same contract as moto's in test_fakes.py."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.local.cloud.ec2.rules import State as Ec2State
from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from hub.clients.policies import Budgets, Policies
from hub.config.settings import Settings
from hub.spawn.launch_request import Image
from lifecycle_app.model.worker import State, Worker
from tests.simulation.ec2 import IdAndAddress, LeanEC2, Machine, Schedule
from tests.simulation.ec2 import refusal as refusal

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SETTINGS = Settings(
    cluster="test",
    hub_name="hub.test",
    region="us-east-1",
    public_url="http://127.0.0.1:8000",
    private_address="127.77.0.10",
    state_dir=Path("state"),
    image="ami-0123456789abcdef0",
    types=("t3.medium", "t3.large"),
    subnets=("subnet-0000000a", "subnet-0000000b"),
    group="sg-0123456789abcdef0",
    role="cloudjhub-test-worker",
    worker_disk=8,
    home_disk=3,
    owner="tests",
    authenticator="shared-password",
    users_file=None,
    allow_all=True,
    report_period=timedelta(seconds=60),
    read_interval=timedelta(seconds=5),
    answer_limit=timedelta(minutes=4),
    extra_config=None,
)

MISSING_IMAGE = "ami-00000000000000bad"
IMAGE = Image(id=SETTINGS.image, root_device="/dev/sda1")
MEDIUM, LARGE = SETTINGS.choices


def worker(key: str = "ada", state: State = State.RUNNING, **more: Any) -> Worker:
    """A record."""
    known = {"instance_id": "i-00000001", "state_at": NOON, "version": 1, "changed_at": NOON}
    return Worker(
        **{"key": key, "state": state, "address": "127.77.1.4", "zone": "us-east-1a", **known, **more}
    )


class Clock:
    """A monotonic clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Takes no time at all, but is noted."""
        self.slept.append(seconds)
        self.time += seconds


def calls(clock: Clock | None = None) -> Calls:
    """Calls with a thread that ends with the test, and sleeps that take no time."""
    clock = clock or Clock()
    return Calls(_Inline(), sleep=clock.sleep, clock=clock)


class _Inline(ThreadPoolExecutor):
    """Runs at once what is submitted."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class NoBackups:
    """No home has a backup."""

    async def shown(self, _worker: Worker, _now: datetime) -> tuple[()]:
        return ()


def backups() -> Any:
    """For pages of users without backups."""
    return NoBackups()


def unlimited() -> Budgets:
    """No user has a budget."""
    return budgets(lambda _: {})


def budgets(read: Callable[[Iterable[str]], dict[str, str]], *workers: Worker) -> Budgets:
    """Budgets by these policies, of users with these records."""
    store = FakeStore(*workers)
    return Budgets(Policies(read, calls()), read_by(store), store.get, calls(), lambda: NOON)


def read_by(store: "FakeStore") -> Reader:
    """A reader whose copy is what the store has."""
    reader = Reader(store.changed_since, calls(), interval=timedelta(seconds=5), now=lambda: NOON)
    for one in store.workers.values():
        reader.take(one)
    reader._first.set()
    return reader


@dataclass(kw_only=True)
class FakeEC2(LeanEC2):
    """The lean EC2, where machines boot and stop at once and errors are as a test says."""

    now: Callable[[], datetime] = lambda: NOON
    schedule: Schedule = lambda _after, act: act()
    lag: timedelta = timedelta()
    born: Callable[[int], IdAndAddress] = lambda number: (f"i-{number:08x}", f"127.77.1.{number + 3}")
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """Each call, and what it named."""
    refuse: dict[str, list[Exception]] = field(default_factory=dict)
    """The errors to raise, by operation, first to last."""
    bad: Mapping[str, ClientError] = field(default_factory=dict)
    """Instances that cannot be started, with the error."""
    attached: list[tuple[str, str]] = field(default_factory=list)
    volumes: dict[str, str | None] = field(default_factory=lambda: defaultdict(lambda: None))

    def count(self, operation: str) -> int:
        return len([one for one, _ in self.asked if one == operation])

    def put(self, instance_id: str, state: str) -> None:
        """Brings an instance into this state, as if by itself."""
        self._enter(self.by_id[instance_id], Ec2State(state))

    def attach_volume(self, Device: str, InstanceId: str, VolumeId: str) -> dict[str, Any]:  # noqa: N803 -- boto3's own names
        answer = super().attach_volume(Device, InstanceId, VolumeId)
        self.attached.append((VolumeId, InstanceId))
        return answer

    def describe_images(self, ImageIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        found = super().describe_images(ImageIds)["Images"]
        return {"Images": [one for one in found if one["ImageId"] != MISSING_IMAGE]}

    def _asked(self, action: str, resources: int, what: object) -> None:
        super()._asked(action, resources, what)
        self.asked.append((action, what))
        if self.refuse.get(action):
            raise self.refuse[action].pop(0)

    def _found(self, instance_ids: Sequence[str]) -> list[Machine]:
        """Those of records alone are stopped: a test has not to launch each that it starts."""
        for one in instance_ids:
            if one in self.bad:
                raise self.bad[one]
        for one in instance_ids:
            if one not in self.by_id:
                self.add(
                    Machine(one, "127.77.9.9", "us-east-1a", "t3.medium", {}, NOON, state=Ec2State.STOPPED)
                )
        return super()._found(instance_ids)


class FakeStore:
    """Records, as WorkerStore gives them."""

    def __init__(self, *workers: Worker) -> None:
        self.workers = {one.key: one for one in workers}
        self.problems: list[Exception] = []
        self.reads: list[datetime] = []

    def get(self, key: str) -> Worker | None:
        if self.problems:
            raise self.problems.pop(0)
        return self.workers.get(key)

    def changed_since(self, at: datetime) -> list[Worker]:
        self.reads.append(at)
        if self.problems:
            raise self.problems.pop(0)
        return [one for one in self.workers.values() if one.changed_at >= at]
