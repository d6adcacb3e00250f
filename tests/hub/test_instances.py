"""Instances by tag and by id, asked together; home disks."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import CloudRefused, InstanceGone, StartError
from hub.spawn.instances import ATTACH_TRIES, Instances
from hub.spawn.launch_request import Image, Order, Place, run_request
from lifecycle_app.model.worker import State
from tests.hub.fakes import IMAGE, MEDIUM, NOON, SETTINGS, Clock, FakeEC2, calls, refusal

PLACE = Place(subnet="subnet-0000000a", zone="us-east-1a")


def launch(ec2: FakeEC2, worker: str, state: str = "running") -> str:
    request = run_request(Order(worker=worker, profile=MEDIUM, image=IMAGE), SETTINGS, PLACE, "t3.medium", 0)
    found: str = ec2.run_instances(**request)["Instances"][0]["InstanceId"]
    ec2.put(found, state)
    ec2.asked.clear()
    return found


def instances(ec2: Any, clock: Clock | None = None) -> Instances:
    return Instances(ec2, calls(clock), SETTINGS, window=0.01)


async def test_first_logins_of_the_same_moment_share_one_describe() -> None:
    ec2 = FakeEC2()
    ids = {worker: launch(ec2, worker) for worker in ("ada", "bob", "ada/gpu")}
    known = instances(ec2)
    found = await asyncio.gather(*(known.find(worker) for worker in ("ada", "bob", "ada/gpu", "new")))
    assert [one.instance_id if one else None for one in found] == [*ids.values(), None]
    assert ec2.count("DescribeInstances") == 1


@pytest.mark.parametrize(("name", "other"), [("a[b]", "a?b?"), ("a*", "ab"), ("$(x)", "y"), ("李", "李李")])
async def test_names_are_compared_exactly_whatever_filters_find(name: str, other: str) -> None:
    ec2 = FakeEC2()
    launch(ec2, other)
    known = instances(ec2)
    assert await known.find(name) is None
    mine = launch(ec2, name)
    found = await known.find(name)
    assert found is not None
    assert found.instance_id == mine


async def test_terminated_instance_is_not_found_by_tag() -> None:
    ec2 = FakeEC2()
    launch(ec2, "ada", "terminated")
    assert await instances(ec2).find("ada") is None


async def test_newer_one_of_two_is_taken() -> None:
    ec2 = FakeEC2()
    old = launch(ec2, "ada")
    ec2.tokens.known.clear()
    new = launch(ec2, "ada")
    ec2.by_id[new].launched_at = NOON + timedelta(seconds=1)
    found = await instances(ec2).find("ada")
    assert found is not None
    assert (found.instance_id, old != new) == (new, True)


async def test_looks_of_the_same_moment_share_one_describe() -> None:
    ec2 = FakeEC2()
    one, other = launch(ec2, "ada", "shutting-down"), launch(ec2, "bob", "stopped")
    known = instances(ec2)
    looks = (known.describe(one), known.describe(other), known.describe("i-0000ffff"))
    found = await asyncio.gather(*looks, return_exceptions=True)
    states = [getattr(each, "state", type(each)) for each in found]
    assert states == [State.TERMINATED, State.STOPPED, InstanceGone]
    assert ec2.count("DescribeInstances") == 1


async def test_subnets_and_each_image_are_asked_about_once() -> None:
    ec2 = FakeEC2()
    known = instances(ec2)
    for _ in range(3):
        places = await known.places()
        images = [await known.image(one) for one in ("ami-00000001", "ami-00000002")]
    assert [place.zone for place in places] == ["us-east-1a", "us-east-1b"]
    assert images == [Image(id=one, root_device="/dev/sda1") for one in ("ami-00000001", "ami-00000002")]
    assert len(ec2.asked) == 3


async def test_refused_describe_is_reported_in_words() -> None:
    ec2 = FakeEC2(refuse={"DescribeInstances": [refusal("UnauthorizedOperation")]})
    with pytest.raises(CloudRefused, match="UnauthorizedOperation"):
        await instances(ec2).find("ada")


@pytest.mark.parametrize("code", ["IncorrectState", "VolumeInUse", "InvalidInstanceID.NotFound"])
async def test_home_is_attached_as_soon_as_it_can_be(code: str) -> None:
    ec2 = FakeEC2(refuse={"AttachVolume": [refusal(code), refusal(code)]})
    await instances(ec2).attach_home("vol-1", "i-00000001")
    assert ec2.attached == [("vol-1", "i-00000001")]


@pytest.mark.parametrize(
    ("errors", "tries"),
    [([refusal("IncorrectState")] * 999, ATTACH_TRIES), ([refusal("InvalidVolume.NotFound")], 1)],
)
async def test_home_that_cannot_be_attached_is_an_error(errors: list[Exception], tries: int) -> None:
    ec2 = FakeEC2(refuse={"AttachVolume": errors})
    with pytest.raises(StartError, match="home disk"):
        await instances(ec2).attach_home("vol-1", "i-00000001")
    assert ec2.count("AttachVolume") == tries


@pytest.mark.parametrize(("home", "tries"), [("vol-1", 1), ("vol-2", 2), (None, 2)])
async def test_home_that_this_very_instance_uses_already_is_attached(home: str | None, tries: int) -> None:
    """The answer to an earlier AttachVolume may have been lost."""
    ec2 = FakeEC2(refuse={"AttachVolume": [refusal("VolumeInUse")]})
    mine = launch(ec2, "ada")
    ec2.by_id[mine].home = home
    await instances(ec2).attach_home("vol-1", mine)
    assert ec2.count("AttachVolume") == tries


async def test_why_ec2_ended_an_instance_is_known() -> None:
    ec2 = FakeEC2()
    one, other = launch(ec2, "ada", "terminated"), launch(ec2, "bob", "running")
    ec2.by_id[one].reason = {"Code": "Client.InternalError", "Message": "Client error on launch"}
    found = await asyncio.gather(*(instances(ec2).describe(each) for each in (one, other)))
    assert [known.reason for known in found] == ["Client.InternalError", ""]
