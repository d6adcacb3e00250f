"""The start protocol: the same instance again, a new one only if there is none, and never a second one."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from hub.clients.calls import MOST_FAILURES
from hub.errors import CloudRefused, NoCapacity, RecordsUnavailable, SeveralHomes, StartError
from hub.spawn.backups import Backups
from hub.spawn.instances import Homes, Instances
from hub.spawn.launch_request import Order, Place, run_request
from hub.spawn.launcher import Launcher
from hub.spawn.planning import YOUNG, Known
from hub.spawn.protocol import CHECK_EVERY, HOME_IN_USE, RECORD_TRIES, StartProtocol
from lifecycle_app.contract import STOPPED_FOR_HOME
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import (
    IMAGE,
    MEDIUM,
    MISSING_IMAGE,
    NOON,
    SETTINGS,
    Clock,
    FakeEC2,
    FakeStore,
    calls,
    refusal,
    worker,
)

PLACE = Place(subnet="subnet-0000000a", zone="us-east-1a")


class Case:
    """A start protocol with its fakes."""

    def __init__(self, *records: Worker) -> None:
        self.ec2 = ec2 = cast(Any, FakeEC2())
        self.store = FakeStore(*records)
        self.clock = Clock()
        self.said: list[str] = []
        self.noted: list[str] = []
        run = calls(self.clock)
        starter = Launcher(ec2, run, window=0.001)
        instances = Instances(ec2, run, SETTINGS, window=0.001)
        self.homes = Homes(instances)
        self.image = SETTINGS.image
        self.startup = StartProtocol(
            self.store.get,
            run,
            starter,
            instances,
            self.homes,
            SETTINGS,
            self.now,
            self.image_now,
            Backups(ec2, run, SETTINGS),
        )

    async def image_now(self) -> str:
        return self.image

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.clock.time)

    def launched(self, state: str, key: str = "ada") -> str:
        """An instance that exists already."""
        request = run_request(Order(worker=key, profile=MEDIUM, image=IMAGE), SETTINGS, PLACE, "t3.medium", 0)
        found: str = self.ec2.run_instances(**request)["Instances"][0]["InstanceId"]
        self.ec2.put(found, state)
        self.ec2.asked.clear()
        return found

    async def bring_up(self, key: str = "ada", looked: Known | None = None) -> Known:
        async with asyncio.timeout(10):
            return await self.startup.bring_up(
                key, MEDIUM, self.said.append, lambda known: self.noted.append(known.instance_id), looked
            )

    def launches(self) -> list[dict[str, Any]]:
        return [request for operation, request in self.ec2.asked if operation == "RunInstances"]

    def operations(self) -> list[str]:
        return [
            operation
            for operation, _ in self.ec2.asked
            if operation not in ("DescribeSubnets", "DescribeImages")
        ]


async def test_new_worker_costs_one_describe_of_each_kind_and_one_launch() -> None:
    case = Case()
    known = await case.bring_up()
    assert (known.instance_id, known.address, known.is_fresh) == ("i-00000001", "127.77.1.4", True)
    assert case.operations() == ["DescribeInstances", "DescribeVolumes", "RunInstances"]
    assert case.noted == ["i-00000001"]


def left_by(case: Case, key: str = "ada") -> str:
    """A home disk whose machine was terminated by hand before anything was recorded."""
    case.ec2.tokens.known.clear()
    instance = case.launched("terminated", key)
    home: str = case.ec2.by_id[instance].home
    return home


async def attached(case: Case) -> list[tuple[str, str]]:
    """The disks that were attached, once all is done."""
    await case.homes.wait_for(case.noted[-1])
    found: list[tuple[str, str]] = case.ec2.attached
    return found


@pytest.mark.parametrize("records", [(), (worker(state=State.TERMINATED, instance_id="i-000000aa"),)])
async def test_a_first_launch_takes_the_home_that_is_in_no_record(records: tuple[Worker, ...]) -> None:
    """As a returning user's: in its zone, without a new disk."""
    case = Case(*records)
    home = left_by(case)
    left_by(case, "ada/gpu")
    left_by(case, "adam")
    known = await case.bring_up()
    (launch,) = case.launches()
    assert len(launch["BlockDeviceMappings"]) == 1
    assert known.zone == case.ec2.made[home].machine.zone
    assert case.said[-1] == "Requesting a new machine for your home directory"
    assert await attached(case) == [(home, known.instance_id)]


async def test_a_recorded_home_is_not_looked_for() -> None:
    case = Case(worker(state=State.TERMINATED, instance_id="i-000000aa", home_volume="vol-9"))
    left_by(case)
    known = await case.bring_up()
    assert await attached(case) == [("vol-9", known.instance_id)]
    assert case.ec2.count("DescribeVolumes") == 0


async def test_of_several_homes_the_hub_takes_none() -> None:
    case = Case()
    left_by(case)
    left_by(case)
    with pytest.raises(SeveralHomes, match="2 home disks") as refused:
        await case.bring_up()
    assert (case.launches(), refused.value.label) == ([], "home")
    assert len(refused.value.volumes) == 2


async def test_a_home_that_is_still_in_use_is_waited_for() -> None:
    """Its machine is being terminated: a new one now would get a new disk."""
    case = Case()
    home = left_by(case)
    held = case.ec2.made[home].machine
    case.ec2.volumes[home] = held.instance_id
    sleep = case.clock.sleep

    async def sleeping(seconds: float) -> None:
        await sleep(seconds)
        if case.clock.time >= CHECK_EVERY:
            case.ec2.volumes[home] = None

    case.startup._calls._sleep = sleeping
    known = await case.bring_up()
    assert case.said[0] == HOME_IN_USE
    assert await attached(case) == [(home, known.instance_id)]


async def test_a_machine_that_was_launched_without_its_left_home_gets_it_at_the_next_start() -> None:
    """The hub ended before it attached the disk, and the machine reported that it has none."""
    case = Case()
    home = left_by(case)
    await case.bring_up()
    await attached(case)
    mine = case.noted[-1]
    case.ec2.put(mine, "stopped")
    case.ec2.volumes[home], case.ec2.by_id[mine].home = None, None
    case.ec2.attached.clear()
    why = message("stop-requested", by=STOPPED_FOR_HOME)
    case.store.workers["ada"] = worker(state=State.STOPPED, instance_id=mine, message=why)
    await case.bring_up()
    assert await attached(case) == [(home, mine)]


async def test_stopped_worker_costs_one_start_and_no_describe() -> None:
    case = Case(worker(state=State.STOPPED))
    known = await case.bring_up()
    assert (known.address, known.is_fresh) == ("127.77.1.4", True)
    assert case.operations() == ["StartInstances"]


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
async def test_running_worker_is_used_without_a_call(state: State) -> None:
    case = Case(worker(state=state))
    assert not (await case.bring_up()).is_fresh
    assert case.operations() == []


@pytest.mark.parametrize("state", ["pending", "running"])
async def test_instance_without_a_record_is_found_by_its_tags(state: str) -> None:
    case = Case()
    mine = case.launched(state)
    assert (await case.bring_up()).instance_id == mine
    assert case.operations() == ["DescribeInstances"]


async def test_stopped_instance_without_a_record_is_started() -> None:
    case = Case()
    mine = case.launched("stopped")
    assert (await case.bring_up()).instance_id == mine
    assert case.operations() == ["DescribeInstances", "StartInstances"]


def changing(case: Case, change: Callable[[Worker], Worker | None]) -> None:
    """Changes the record at each pause."""
    sleep = case.clock.sleep

    async def sleeping(seconds: float) -> None:
        await sleep(seconds)
        if seconds:
            changed = change(case.store.workers["ada"])
            if changed:
                case.store.workers["ada"] = changed

    case.startup._calls._sleep = sleeping


async def test_claimed_worker_is_waited_for_and_used_when_it_is_released() -> None:
    case = Case(worker(state=State.STOPPING, claimed_until=NOON + timedelta(minutes=5)))
    changing(case, lambda _: worker(state=State.RUNNING, version=2) if case.clock.time >= 3 else None)
    assert not (await case.bring_up()).is_fresh
    assert case.operations() == []
    assert case.clock.time == 3


async def test_worker_that_is_being_stopped_is_started_when_that_is_done() -> None:
    case = Case(worker(state=State.STOPPING))
    changing(case, lambda _: worker(state=State.STOPPED, version=2) if case.clock.time >= 3 else None)
    assert (await case.bring_up()).is_fresh
    assert case.operations() == ["StartInstances"]


async def test_abandoned_claim_is_settled_by_one_look() -> None:
    case = Case(worker(state=State.STOPPING, claimed_until=NOON - timedelta(seconds=1)))
    case.launched("running")
    assert not (await case.bring_up()).is_fresh
    assert case.operations() == ["DescribeInstances"]


async def test_stop_whose_event_was_lost_is_noticed_by_looking() -> None:
    case = Case(worker(state=State.STOPPING))
    case.launched("stopped")
    assert (await case.bring_up()).is_fresh
    assert case.operations() == ["DescribeInstances", "StartInstances"]
    assert case.clock.time == CHECK_EVERY - 1


async def test_record_that_lags_behind_ec2_is_settled_by_looking() -> None:
    """The record says stopped, but the instance is still on its way there."""
    case = Case(worker(state=State.STOPPED))
    mine = case.launched("stopping")
    case.ec2.bad = {mine: refusal("IncorrectInstanceState")}

    def stopped(_: Worker) -> None:
        if case.clock.time >= 5:
            case.ec2.put(mine, "stopped")
            case.ec2.bad = {}

    changing(case, stopped)
    assert (await case.bring_up()).instance_id == mine
    assert case.ec2.count("RunInstances") == 0


async def test_terminated_worker_gets_a_new_instance_with_its_old_home() -> None:
    case = Case(
        worker(state=State.TERMINATED, home_volume="vol-1", zone="us-east-1b", instance_id="i-0000ffff")
    )
    known = await case.bring_up()
    assert known.zone == "us-east-1b"
    assert case.homes.is_missing(known.instance_id)
    await case.homes.wait_for(known.instance_id)
    await asyncio.sleep(0)
    assert case.ec2.attached == [("vol-1", known.instance_id)]
    assert not case.homes.is_missing(known.instance_id)


async def test_hub_that_crashed_while_replacing_finds_the_new_instance_and_attaches_the_home() -> None:
    case = Case(worker(state=State.TERMINATED, home_volume="vol-1", instance_id="i-0000ffff"))
    new = case.launched("running")
    assert (await case.bring_up()).instance_id == new
    await case.homes.wait_for(new)
    assert case.ec2.attached == [("vol-1", new)]
    assert case.ec2.count("RunInstances") == 0


async def test_home_that_cannot_be_attached_is_no_home_to_work_without() -> None:
    case = Case(worker(state=State.TERMINATED, home_volume="vol-1", instance_id="i-0000ffff"))
    case.ec2.refuse = {"AttachVolume": [refusal("InvalidVolume.NotFound")]}
    known = await case.bring_up()
    with pytest.raises(CloudRefused, match="home disk"):
        await case.homes.wait_for(known.instance_id)
    assert case.homes.is_missing(known.instance_id)


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.STOPPED])
async def test_hub_that_crashed_before_it_attached_the_home_attaches_it_at_the_next_login(
    state: State,
) -> None:
    """By then there is a record of the new instance, and only that tells that the home is missing."""
    case = Case(worker(state=state, home_volume="vol-1", home_attached=False))
    mine = case.launched(state)
    missing: list[bool] = []

    def note(_: Known) -> None:
        missing.append(case.homes.is_missing(mine))

    async with asyncio.timeout(10):
        await case.startup.bring_up("ada", MEDIUM, case.said.append, note)
    assert missing[0], "the machine could fetch its environment before its home is on its way"
    case.ec2.put(mine, "running")
    await case.homes.wait_for(mine)
    assert case.ec2.attached == [("vol-1", mine)]


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
async def test_home_that_is_attached_costs_nothing(state: State) -> None:
    case = Case(worker(state=state, home_volume="vol-1"))
    known = await case.bring_up()
    assert not case.homes.is_missing(known.instance_id)
    assert case.ec2.count("AttachVolume") == 0


async def test_home_that_could_not_be_attached_is_tried_again_at_the_next_login() -> None:
    case = Case(worker(state=State.RUNNING, home_volume="vol-1", home_attached=False))
    case.launched("running")
    case.ec2.refuse = {"AttachVolume": [refusal("InvalidVolume.NotFound")]}
    known = await case.bring_up()
    with pytest.raises(CloudRefused, match="home disk"):
        await case.homes.wait_for(known.instance_id)
    await case.bring_up()
    await case.homes.wait_for(known.instance_id)
    await asyncio.sleep(0)
    assert not case.homes.is_missing(known.instance_id)


async def test_home_that_an_administrator_has_attached_after_a_failure_is_taken_for_there() -> None:
    case = Case(worker(state=State.RUNNING, home_volume="vol-1", home_attached=False))
    case.launched("running")
    case.ec2.refuse = {"AttachVolume": [refusal("InvalidVolume.NotFound")]}
    known = await case.bring_up()
    with pytest.raises(CloudRefused):
        await case.homes.wait_for(known.instance_id)
    case.store.workers["ada"] = worker(state=State.RUNNING, home_volume="vol-1", version=2)
    await case.bring_up()
    await case.homes.wait_for(known.instance_id)
    assert not case.homes.is_missing(known.instance_id)


async def test_claimed_worker_is_not_used_however_long_ec2_says_that_it_runs() -> None:
    """StopInstances may be on its way all the time: the lease, not EC2, tells when it is not sent any more."""
    lease = timedelta(seconds=5 * CHECK_EVERY)
    case = Case(worker(state=State.STOPPING, claimed_until=NOON + lease))
    case.launched("running")
    await case.bring_up()
    assert case.now() >= NOON + lease
    assert case.operations() == ["DescribeInstances"]


async def test_worker_that_is_claimed_anew_while_ec2_is_asked_is_waited_for() -> None:
    case = Case(worker(state=State.STOPPING, claimed_until=NOON))
    mine = case.launched("running")
    looks = case.ec2.describe_instances

    def claiming(*args: Any) -> Any:
        until = NOON + timedelta(minutes=5)
        case.store.workers["ada"] = worker(state=State.STOPPING, claimed_until=until, version=2)
        return looks(*args)

    case.ec2.describe_instances = claiming
    changing(case, lambda _: worker(state=State.STOPPED, version=3) if case.clock.time >= 3 else None)
    assert (await case.bring_up()).is_fresh, "it was used, though it was about to be stopped"
    assert case.operations() == ["DescribeInstances", "StartInstances"]
    assert case.ec2.asked[-1] == ("StartInstances", [mine])


async def test_accepted_stop_that_ec2_does_not_show_yet_is_waited_for() -> None:
    case = Case(worker(state=State.STOPPING))
    mine = case.launched("running")

    def stopped(_: Worker) -> None:
        if case.clock.time >= 2 * CHECK_EVERY:
            case.ec2.put(mine, "stopped")

    changing(case, stopped)
    assert (await case.bring_up()).is_fresh


@pytest.mark.parametrize(
    ("record", "known"),
    [
        (worker(state=State.RUNNING, state_at=NOON - timedelta(minutes=4)), None),
        (worker(state=State.RUNNING, state_at=NOON - timedelta(minutes=5)), State.TERMINATED),
        (worker(state=State.TERMINATED, instance_id="i-0000ffff", state_at=NOON - timedelta(days=1)), None),
        (None, None),
    ],
)
async def test_young_instance_that_ec2_does_not_find_is_not_gone(
    record: Worker | None, known: State | None
) -> None:
    case = Case(*([record] if record else []))
    seen = await case.startup.describe("ada", "i-00000001")
    assert (seen.state if seen else None) is known


async def test_young_instance_that_ec2_does_not_find_is_not_replaced() -> None:
    """Or its user would have two machines."""
    case = Case(worker(state=State.STOPPING, claimed_until=NOON, instance_id="i-0000ffff"))
    changing(
        case,
        lambda old: worker(state=State.RUNNING, instance_id=old.instance_id) if case.clock.time > 3 else None,
    )
    assert (await case.bring_up()).instance_id == "i-0000ffff"
    assert case.ec2.count("RunInstances") == 0


@pytest.mark.parametrize(("age", "launches"), [(timedelta(minutes=1), 0), (timedelta(minutes=6), 1)])
async def test_unknown_instance_is_gone_only_when_it_is_not_young(age: timedelta, launches: int) -> None:
    case = Case(worker(state=State.STOPPED, instance_id="i-0000ffff", state_at=NOON - age))
    case.ec2.bad = {"i-0000ffff": refusal("InvalidInstanceID.NotFound")}

    def found(_: Worker) -> None:
        if case.clock.time >= 5:
            case.ec2.bad = {}

    changing(case, found)
    await case.bring_up()
    assert case.ec2.count("RunInstances") == launches


async def test_what_ec2_says_comes_before_the_record() -> None:
    case = Case(worker(state=State.RUNNING))
    looked = Known(instance_id="i-00000001", state=State.STOPPED, address="127.77.1.4")
    assert (await case.bring_up(looked=looked)).is_fresh
    assert case.operations() == ["StartInstances"]


async def test_missing_address_is_looked_up() -> None:
    case = Case(worker(state=State.STOPPED, address=None))
    case.launched("stopped")
    assert (await case.bring_up()).address == "127.77.1.4"
    assert case.operations() == ["StartInstances", "DescribeInstances"]


async def test_record_that_cannot_be_read_is_tried_again_and_then_nothing_is_touched() -> None:
    case = Case(worker(state=State.RUNNING))
    case.store.problems = [StoreUnavailable("down")] * (RECORD_TRIES - 1)
    await case.bring_up()
    case.store.problems = [StoreUnavailable("down")] * RECORD_TRIES
    with pytest.raises(RecordsUnavailable):
        await case.bring_up()
    assert case.operations() == []


async def test_stopped_machine_without_capacity_is_told_plainly() -> None:
    case = Case(worker(state=State.STOPPED))
    case.ec2.bad = {"i-00000001": refusal("InsufficientInstanceCapacity")}
    with pytest.raises(NoCapacity, match="files are safe"):
        await case.bring_up()


async def test_class_that_comes_back_at_once_costs_one_start() -> None:
    records = [worker(f"user{n}", State.STOPPED, instance_id=f"i-{n:08x}") for n in range(60)]
    case = Case(*records)
    await asyncio.gather(*(case.bring_up(record.key) for record in records))
    assert case.operations() == ["StartInstances"]


async def test_class_that_comes_for_the_first_time_shares_its_describe() -> None:
    case = Case()
    await asyncio.gather(*(case.bring_up(f"user{n}") for n in range(20)))
    assert case.ec2.count("DescribeInstances") == 1
    assert case.ec2.count("RunInstances") == 20
    assert len(case.ec2.by_id) == 20


async def test_image_changed_between_two_workers_is_taken_for_the_second() -> None:
    case = Case()
    await case.bring_up("ada")
    case.image = "ami-0000000000000002"
    await case.bring_up("bob")
    assert [one["ImageId"] for one in case.launches()] == [SETTINGS.image, "ami-0000000000000002"]


async def test_image_changed_in_the_middle_of_a_launch_is_not_taken_for_it() -> None:
    """The first try's answer is lost: with the same request EC2 launches nothing twice."""
    case = Case()
    case.ec2.refuse["RunInstances"] = [refusal("InternalError")] * MOST_FAILURES
    with pytest.raises(CloudRefused):
        await case.bring_up()
    case.image = "ami-0000000000000002"
    await case.bring_up()
    assert len({one["ClientToken"] for one in case.launches()}) == 1
    case.clock.time += YOUNG.total_seconds()
    case.ec2.put("i-00000001", "terminated")
    await case.bring_up()
    assert case.launches()[-1]["ImageId"] == "ami-0000000000000002"


async def test_image_that_does_not_exist_holds_no_start_once_it_is_replaced() -> None:
    case = Case()
    case.image = MISSING_IMAGE
    with pytest.raises(StartError, match=MISSING_IMAGE):
        await case.bring_up()
    case.image = SETTINGS.image
    await case.bring_up()
    assert [one["ImageId"] for one in case.launches()] == [SETTINGS.image]
