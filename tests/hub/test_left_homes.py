"""Home disks that EC2 has and no record: which one a new machine gets."""

from typing import Any

import pytest

from hub.errors import HomeInUse, SeveralHomes
from hub.spawn.left_homes import Disk, disk_from, left_home, was_never_attached
from lifecycle_app.contract import STOPPED_FOR_HOME
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State
from tests.hub.fakes import worker

FREE = Disk(volume="vol-1", zone="us-east-1a", is_free=True)
OTHER = Disk(volume="vol-2", zone="us-east-1b", is_free=True)
HELD = Disk(volume="vol-3", zone="us-east-1a", is_free=False, instances=frozenset({"i-1"}))
MADE = Disk(volume="vol-4", zone="us-east-1a", is_free=False)


@pytest.mark.parametrize(
    ("disks", "instance", "found"),
    [
        ([], "", None),
        ([FREE], "", FREE),
        ([FREE, HELD], "i-1", FREE),
        ([HELD], "i-1", None),
        ([FREE, OTHER], "", SeveralHomes),
        ([HELD], "", HomeInUse),
        ([FREE, HELD], "", HomeInUse),
        ([FREE, OTHER, HELD], "i-2", HomeInUse),
        ([MADE], "i-1", HomeInUse),
    ],
)
def test_only_the_one_that_is_left_is_taken(disks: list[Disk], instance: str, found: Any) -> None:
    if isinstance(found, type):
        with pytest.raises(found):
            left_home(disks, instance)
    else:
        assert left_home(disks, instance) == found


@pytest.mark.parametrize(
    ("state", "is_free"),
    [
        ("available", True),
        ("in-use", False),
        ("creating", False),
        *((one, None) for one in ("deleting", "deleted", "error")),
    ],
)
def test_a_disk_that_is_going_away_is_none(state: str, is_free: bool | None) -> None:
    described = {
        "VolumeId": "vol-1",
        "AvailabilityZone": "us-east-1a",
        "State": state,
        "Attachments": [{"InstanceId": "i-1", "State": "attached"}],
    }
    held = frozenset({"i-1"})
    expected = (
        None if is_free is None else Disk(volume="vol-1", zone="us-east-1a", is_free=is_free, instances=held)
    )
    assert disk_from(described) == expected


def test_the_home_that_a_restored_one_has_replaced_is_none() -> None:
    tags = [{"Key": "cloudjhub:user", "Value": "ada"}, {"Key": "cloudjhub:replaced-by", "Value": "vol-2"}]
    described = {"VolumeId": "vol-1", "AvailabilityZone": "us-east-1a", "State": "available"}
    assert disk_from({**described, "Tags": tags[:1]}) == FREE
    assert disk_from({**described, "Tags": tags}) is None


@pytest.mark.parametrize(("state", "counts"), [("available", False), ("in-use", True)])
def test_a_copy_of_a_backup_is_left_by_no_machine(state: str, counts: bool) -> None:
    """It looks like a home. While an instance has it, that is being terminated, and its home is waited for."""
    copy = {"VolumeId": "vol-1", "AvailabilityZone": "us-east-1a", "State": state, "SnapshotId": "snap-1"}
    assert (disk_from(copy) is not None) is counts
    restored = {**copy, "Tags": [{"Key": "cloudjhub:replaces", "Value": "vol-0"}]}
    assert disk_from(restored) is not None


MISSING = message("stop-requested", by=STOPPED_FOR_HOME)


@pytest.mark.parametrize(
    ("changes", "was"),
    [
        ({"state": State.STOPPED, "message": MISSING}, True),
        ({"state": State.STOPPED, "message": MISSING, "home_volume": "vol-1"}, False),
        ({"state": State.STOPPED, "message": message("stop-requested", by="ada")}, False),
        ({"state": State.RUNNING, "message": MISSING}, False),
    ],
)
def test_a_machine_whose_home_was_never_attached(changes: dict[str, Any], was: bool) -> None:
    assert was_never_attached(worker(**changes)) is was


def test_without_a_record_nothing_is_known() -> None:
    assert not was_never_attached(None)
