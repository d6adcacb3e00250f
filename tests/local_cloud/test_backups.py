"""Data Lifecycle Manager in the local cloud: what a daily policy takes, what it keeps, and what it refuses."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from bootstrap.aws.scope import Scope
from bootstrap.cluster.templates import access_template
from bootstrap.local.cloud.dlm import Backups, Policy, check, next_time
from bootstrap.local.cloud.ec2.snapshots import Snapshots
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.hypervisor.disks import Disks

ACCOUNT, REGION = "123456789012", "us-east-1"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
GIVEN = access_template(Scope(cluster="spring"), 7)["Resources"]["HomeBackups"]["Properties"]
TAGS = {"cloudjhub:cluster": "spring", "cloudjhub:role": "worker", "cloudjhub:user": "alice"}


@dataclass
class Region:
    backups: Backups
    disks: Disks
    ec2: Any
    locked: set[str]
    """Volumes whose key the policy's role may not use."""

    def volume(self, **tags: str) -> str:
        made = self.ec2.create_volume(2, f"{REGION}a", None, True)
        made.add_tags({**TAGS, **{f"cloudjhub:{name}": value for name, value in tags.items()}})
        return str(made.id)

    def days_of(self, volume: str) -> list[int]:
        return sorted(one.start_time.day for one in self.ec2.snapshots.values() if one.volume.id == volume)

    def pass_days(self, first: int, last: int) -> None:
        for day in range(first, last + 1):
            self.backups.advance((NOON + timedelta(days=day)).timestamp())


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    with mock_aws():
        emulator, disks = Emulator(ACCOUNT, REGION), Disks(tmp_path)
        locked: set[str] = set()
        backups = Backups(
            emulator, Snapshots(emulator, disks), NOON.timestamp, lambda _, volume: volume not in locked
        )
        given = {**GIVEN, "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/cloudjhub-spring-backups"}
        backups.policies["policy-1"] = Policy("policy-1", given, next_time(GIVEN, NOON).timestamp())
        yield Region(backups, disks, emulator.backend("ec2"), locked)
    disks.close()


def test_a_snapshot_a_day_of_each_marked_volume_and_of_no_other(region: Region) -> None:
    home, root, other = region.volume(backup="spring"), region.volume(), region.volume(backup="autumn")
    region.backups.advance((NOON + timedelta(hours=14)).timestamp())
    assert region.days_of(home) == [], "not before its time"
    region.pass_days(1, 2)
    region.pass_days(2, 2)
    assert (region.days_of(home), region.days_of(root), region.days_of(other)) == ([1, 2], [], [])
    (newest, *_) = [one for one in region.ec2.snapshots.values() if one.volume.id == home]
    assert region.ec2.tags[newest.id].items() >= {**TAGS, "cloudjhub:backup": "spring"}.items()


def test_no_snapshot_of_a_volume_whose_key_the_role_may_not_use(region: Region) -> None:
    home, locked = region.volume(backup="spring"), region.volume(backup="spring")
    region.locked.add(locked)
    region.pass_days(1, 1)
    assert (region.days_of(home), region.days_of(locked)) == ([1], [])


def test_they_are_kept_for_days_and_the_last_one_of_a_volume_that_is_gone_is_kept(region: Region) -> None:
    home, gone = region.volume(backup="spring"), region.volume(backup="spring")
    region.pass_days(1, 2)
    region.ec2.delete_volume(gone)
    region.pass_days(3, 10)
    assert region.days_of(home) == [4, 5, 6, 7, 8, 9, 10]
    assert region.days_of(gone) == [2]


def test_a_snapshot_holds_what_the_volume_held(region: Region) -> None:
    home = region.volume(backup="spring")
    file = region.disks.volume(home) / "thesis.txt"
    file.write_text("first")
    region.pass_days(1, 1)
    file.write_text("second")
    (made,) = [one.id for one in region.ec2.snapshots.values() if one.volume.id == home]
    assert (region.disks.volume(made) / "thesis.txt").read_text() == "first"


def test_the_template_of_the_backups_is_taken() -> None:
    check(GIVEN)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("Description",), "a: colon"),
        (("State",), "enabled"),
        (("PolicyDetails", "ResourceTypes"), ["INSTANCE"]),
        (("PolicyDetails", "TargetTags"), []),
        (("PolicyDetails", "Unknown"), 1),
        (("PolicyDetails", "Schedules", 0, "CreateRule", "Interval"), 5),
        (("PolicyDetails", "Schedules", 0, "CreateRule", "Times"), ["3:00"]),
        (("PolicyDetails", "Schedules", 0, "RetainRule"), {"Count": 7}),
        (("PolicyDetails", "Schedules", 0, "RetainRule", "Interval"), 0),
    ],
)
def test_another_policy_is_refused(path: tuple[Any, ...], value: object) -> None:
    given: Any = copy.deepcopy(GIVEN)
    part = given
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(AwsError, match="Invalid request"):
        check(given)
