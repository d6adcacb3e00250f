"""Starts in one call, launches at EC2's pace, and words for what EC2 refuses."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hub.errors import (
    CloudRefused,
    InstanceGone,
    NoAddresses,
    NoCapacity,
    NotStartable,
    QuotaReached,
    StartError,
)
from hub.spawn.launch_request import Order, Place, requests_for
from hub.spawn.launcher import Launcher
from tests.hub.fakes import IMAGE, MEDIUM, SETTINGS, Clock, FakeEC2, calls, refusal
from tests.simulation.virtual_time import VirtualLoop

PLACES = [Place(subnet=f"subnet-0000000{zone}", zone=f"us-east-1{zone}") for zone in "ab"]


def starter(ec2: Any, clock: Clock | None = None) -> Launcher:
    return Launcher(ec2, calls(clock), window=0.01)


def requests(worker: str = "ada") -> Callable[[int], Sequence[Mapping[str, Any]]]:
    order = Order(worker=worker, profile=MEDIUM, image=IMAGE)
    return lambda generation: requests_for(order, SETTINGS, PLACES, generation)


def quiet(_: str) -> None:
    """Says nothing."""


async def outcomes(started: Launcher, ids: Sequence[str]) -> dict[str, str]:
    answers = await asyncio.gather(*(started.start(one) for one in ids), return_exceptions=True)
    return {one: type(answer).__name__ for one, answer in zip(ids, answers, strict=True)}


async def test_starts_of_the_same_moment_are_one_call() -> None:
    ec2 = FakeEC2()
    ids = [f"i-{n:08x}" for n in range(150)]
    assert set((await outcomes(starter(ec2), ids)).values()) == {"NoneType"}
    assert ec2.asked == [("StartInstances", ids)]


async def test_bad_member_that_ec2_names_costs_two_more_calls() -> None:
    bad = "i-0000000c"
    ec2 = FakeEC2(bad={bad: refusal("IncorrectInstanceState", f"The instance '{bad}' is not in a state ...")})
    found = await outcomes(starter(ec2), ["i-0000000a", "i-0000000b", bad, "i-0000000d"])
    assert found == {
        "i-0000000a": "NoneType",
        "i-0000000b": "NoneType",
        bad: "NotStartable",
        "i-0000000d": "NoneType",
    }
    assert ec2.count("StartInstances") == 3


async def test_bad_member_that_ec2_does_not_name_is_found_by_halving() -> None:
    ids = [f"i-{n:08x}" for n in range(16)]
    ec2 = FakeEC2(bad={ids[5]: refusal("InsufficientInstanceCapacity")})
    found = await outcomes(starter(ec2), ids)
    assert [one for one in ids if found[one] != "NoneType"] == [ids[5]]
    assert found[ids[5]] == "NoCapacity"
    assert ec2.count("StartInstances") == 9


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("IncorrectInstanceState", NotStartable),
        ("InvalidInstanceID.NotFound", InstanceGone),
        ("InsufficientInstanceCapacity", NoCapacity),
        ("VcpuLimitExceeded", QuotaReached),
        ("UnauthorizedOperation", CloudRefused),
    ],
)
async def test_refusal_of_a_start_in_words(code: str, kind: type[StartError]) -> None:
    ec2 = FakeEC2(bad={"i-0000000a": refusal(code)})
    with pytest.raises(kind):
        await starter(ec2).start("i-0000000a")
    assert ec2.count("StartInstances") == 1


async def test_launch_gives_what_the_spawner_needs_without_a_describe() -> None:
    ec2 = FakeEC2()
    new = await starter(ec2).launch("ada", requests(), quiet)
    assert (new.instance_id, new.address, new.instance_type) == ("i-00000001", "127.77.1.4", "t3.medium")
    assert ec2.count("RunInstances") == len(ec2.asked) == 1


async def test_launches_keep_to_the_token_bucket_and_tell_the_place_in_the_queue() -> None:
    ec2, clock, said = FakeEC2(), Clock(), list[str]()
    started = starter(ec2, clock)
    await asyncio.gather(*(started.launch(f"user{n}", requests(f"user{n}"), said.append) for n in range(9)))
    assert ec2.count("RunInstances") == 9
    assert sum(1 for pause in clock.slept if pause > 0) == 4


async def test_place_in_the_queue_goes_down_until_it_is_ones_turn() -> None:
    ec2, said = FakeEC2(), list[str]()
    started = starter(ec2)
    others = [started.launch(f"user{n}", requests(f"user{n}"), quiet) for n in range(8)]
    await asyncio.gather(*others, started.launch("last", requests("last"), said.append))
    places = [int(words.split()[6]) for words in said if "queue" in words]
    assert places == list(range(9, 0, -1))


async def test_who_finds_no_capacity_asks_for_the_next_zone_before_those_behind() -> None:
    class Yielding(Clock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            for _ in range(20):
                await asyncio.sleep(0)

    ec2 = FakeEC2(refuse={"RunInstances": [refusal("InsufficientInstanceCapacity")]})
    started, ended = starter(ec2, Yielding()), list[str]()

    async def launch(user: str) -> None:
        await started.launch(user, requests(user), quiet)
        ended.append(user)

    await asyncio.gather(*(launch(f"user{n}") for n in range(9)))
    assert ended[:2] == ["user0", "user1"], "not behind all that came after"


@pytest.mark.parametrize(("users", "most_calls"), [(1, 1), (500, 48), (1000, 48), (2000, 48)])
def test_users_who_come_within_a_minute_go_with_each_others_calls_and_wait_little(
    users: int, most_calls: int
) -> None:
    """In virtual time: five calls at once, and then 0.7 a second."""

    class Virtual(Clock):
        def __call__(self) -> float:
            return loop.time()

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    loop, ec2, waits = VirtualLoop(), FakeEC2(), list[float]()

    async def come(started: Launcher, number: int) -> None:
        await asyncio.sleep(60 * number / users)
        began = loop.time()
        await started.start(f"i-{number:08x}")
        waits.append(loop.time() - began)

    async def all_workers() -> None:
        started = starter(ec2, Virtual())
        await asyncio.gather(*(come(started, number) for number in range(users)))

    loop.run_until_complete(all_workers())
    loop.close()
    assert ec2.count("StartInstances") <= most_calls
    assert max(waits) < 1 / 0.7 + 0.1
    assert waits[0] < 0.1, "who comes alone does not wait"


async def test_launch_without_capacity_goes_to_the_next_zone_then_to_the_next_type() -> None:
    ec2 = FakeEC2(refuse={"RunInstances": [refusal("InsufficientInstanceCapacity") for _ in range(2)]})
    new = await starter(ec2).launch("ada", requests(), quiet)
    assert new.instance_type == "t3.large"
    assert len({request["ClientToken"] for _, request in ec2.asked}) == 3


@pytest.mark.parametrize(
    ("code", "kind", "tries", "words"),
    [
        ("InsufficientInstanceCapacity", NoCapacity, 4, "Try again in a few minutes"),
        ("InsufficientFreeAddressesInSubnet", NoAddresses, 4, "worker subnets are full"),
        ("VcpuLimitExceeded", QuotaReached, 1, "quota of vCPUs"),
        ("UnauthorizedOperation", CloudRefused, 1, "UnauthorizedOperation"),
        ("PendingVerification", CloudRefused, 1, "still verifying the account"),
        ("OptInRequired", CloudRefused, 1, "may not use EC2 yet"),
        ("Blocked", CloudRefused, 1, "has blocked the account"),
    ],
)
async def test_refused_launch_in_words(code: str, kind: type[StartError], tries: int, words: str) -> None:
    ec2 = FakeEC2(refuse={"RunInstances": [refusal(code) for _ in range(9)]})
    with pytest.raises(kind, match=words):
        await starter(ec2).launch("ada", requests(), quiet)
    assert ec2.count("RunInstances") == tries


async def test_launch_that_the_free_plan_excludes() -> None:
    message = "The specified instance type is not eligible for Free Tier."
    error = ClientError(
        {"Error": {"Code": "InvalidParameterCombination", "Message": message}}, "RunInstances"
    )
    ec2 = FakeEC2(refuse={"RunInstances": [error]})
    with pytest.raises(CloudRefused, match="free plan, which excludes this machine type"):
        await starter(ec2).launch("ada", requests(), quiet)


async def test_token_of_a_terminated_instance_is_not_used_again() -> None:
    ec2 = FakeEC2(refuse={"RunInstances": [refusal("IdempotentInstanceTerminated")]})
    assert (await starter(ec2).launch("ada", requests(), quiet)).instance_id == "i-00000001"
    assert len({request["ClientToken"] for _, request in ec2.asked}) == 2


async def test_throttled_launch_is_repeated_with_the_same_token() -> None:
    ec2 = FakeEC2(refuse={"RunInstances": [refusal("RequestLimitExceeded") for _ in range(3)]})
    await starter(ec2).launch("ada", requests(), quiet)
    assert len({request["ClientToken"] for _, request in ec2.asked}) == 1
    assert len(ec2.by_id) == 1


async def test_launch_whose_user_has_gone_is_still_known() -> None:
    started = starter(FakeEC2())
    leaving = asyncio.ensure_future(started.launch("ada", requests(), quiet))
    while not started.is_launching("ada"):
        await asyncio.sleep(0)
    leaving.cancel()
    assert started.is_any_launching()
    found = await started.unfinished("ada")
    assert found is not None
    assert found.instance_id == "i-00000001"
    await asyncio.sleep(0)
    assert not started.is_any_launching()
    assert await started.unfinished("ada") is None
