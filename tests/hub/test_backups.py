"""Which backups a user is offered, and what a start does with the one that was chosen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from jinja2 import Environment, FileSystemLoader

from hub.errors import BackupGone, StartError
from hub.pages.texts import Earlier, earlier
from hub.spawn.backups import MOST_OFFERED, Backups, backups_in
from hub.spawn.launch_request import Backup
from hub.spawn.options import backup_in, lasting
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import MEDIUM, NOON, SETTINGS, calls, worker
from tests.hub.test_pages import TEMPLATES
from tests.hub.test_start_protocol import Case

HOME, SNAPSHOT = "vol-0123456789abcdef0", "snap-0123456789abcdef0"
ADA = worker(state=State.TERMINATED, home_volume=HOME, zone="us-east-1a")


def described(**changes: Any) -> dict[str, Any]:
    """A backup of Ada's home as EC2 describes it."""
    tags = {"cloudjhub:cluster": "test", "cloudjhub:role": "worker", "cloudjhub:user": "ada"}
    tags |= {"cloudjhub:server": "", **changes.pop("tags", {})}
    known = {
        "SnapshotId": SNAPSHOT,
        "VolumeId": HOME,
        "State": "completed",
        "VolumeSize": 3,
        "StartTime": NOON,
    }
    return {**known, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()], **changes}


class Ec2:
    """Answers DescribeSnapshots; `asked` has its filters."""

    def __init__(self, *snapshots: dict[str, Any]) -> None:
        self.snapshots: list[dict[str, Any]] | Exception = list(snapshots)
        self.asked: list[Any] = []

    def describe_snapshots(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self.snapshots, Exception):
            raise self.snapshots
        return {"Snapshots": self.snapshots}


def reading(ec2: Ec2) -> Backups:
    return Backups(cast(Any, ec2), calls(), SETTINGS)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeSnapshots")


@pytest.mark.parametrize(
    "changes",
    [
        {"State": "pending"},
        {"State": "error"},
        {"VolumeId": "vol-0fffffffffffffff0"},
        {"VolumeSize": 0},
        {"VolumeSize": 99_999},
        {"Tags": []},
        {"tags": {"cloudjhub:user": "bob"}},
        {"tags": {"cloudjhub:server": "gpu"}},
        {"tags": {"cloudjhub:cluster": "other"}},
        {"tags": {"cloudjhub:role": "manager"}},
    ],
)
def test_only_complete_backups_of_this_very_home_and_user_are_offered(changes: dict[str, Any]) -> None:
    assert backups_in([described()], ADA, HOME, "test") == (Backup(snapshot=SNAPSHOT, at=NOON, size=3),)
    assert backups_in([described(**changes)], ADA, HOME, "test") == ()


async def test_the_newest_come_first_and_a_page_reads_them_once_a_minute() -> None:
    days = [
        described(SnapshotId=f"snap-{day:08x}", StartTime=NOON - timedelta(days=day)) for day in range(30)
    ]
    ec2 = Ec2(*reversed(days))
    backups = reading(ec2)
    shown = await backups.shown(ADA, NOON)
    assert [one.snapshot for one in shown] == [f"snap-{day:08x}" for day in range(MOST_OFFERED)]
    await backups.shown(ADA, NOON + timedelta(seconds=59))
    assert len(ec2.asked) == 1
    ec2.snapshots = []
    assert await backups.shown(ADA, NOON + timedelta(seconds=60)) == ()
    assert ec2.asked[0]["OwnerIds"] == ["self"]
    assert {"Name": "volume-id", "Values": [HOME]} in ec2.asked[0]["Filters"]


async def test_a_page_is_shown_without_backups_where_aws_does_not_say() -> None:
    ec2 = Ec2()
    ec2.snapshots = refused("UnauthorizedOperation")
    assert await reading(ec2).shown(ADA, NOON) == ()
    assert await reading(Ec2(described())).shown(replace(ADA, home_volume=None), NOON) == ()
    with pytest.raises(StartError, match="which backups"):
        await reading(ec2).chosen(ADA, SNAPSHOT)


@pytest.mark.parametrize(
    ("sent", "chosen"),
    [
        (SNAPSHOT, SNAPSHOT),
        ([SNAPSHOT], SNAPSHOT),
        ([SNAPSHOT, SNAPSHOT], ""),
        ("snap-0123456789abcdef0; x", ""),
        ("vol-0123456789abcdef0", ""),
        ({"a": 1}, ""),
        (None, ""),
    ],
)
def test_a_choice_is_a_snapshots_id_or_none(sent: Any, chosen: str) -> None:
    assert backup_in({"backup": sent}) == chosen


def test_a_choice_is_for_one_start() -> None:
    assert lasting({"backup": [SNAPSHOT], "profile": "Big"}) == {"profile": "Big"}


class Starting(Case):
    """A start of Ada's, whose home has these backups."""

    def __init__(self, record: Worker, *snapshots: dict[str, Any]) -> None:
        super().__init__(record)
        self.snapshots = self.ec2.described = list(snapshots)
        self.ec2.describe_snapshots = lambda **_: {"Snapshots": self.snapshots}

    async def start(self, backup: str = SNAPSHOT) -> list[str]:
        """The devices of the launch's disks."""
        await self.startup.bring_up("ada", MEDIUM, self.said.append, lambda _: None, backup=backup)
        (request,) = self.launches()
        return [one["DeviceName"] for one in request["BlockDeviceMappings"]]


async def test_a_launch_shows_the_backup_that_was_chosen() -> None:
    case = Starting(ADA, described(), described(SnapshotId="snap-0ffffffffffffff00"))
    assert await case.start() == ["/dev/sda1", "/dev/sdy"]
    (request,) = case.launches()
    assert request["BlockDeviceMappings"][1]["Ebs"]["SnapshotId"] == SNAPSHOT
    await case.homes.wait_for(request_instance(case))
    assert case.ec2.attached == [(HOME, request_instance(case))], "the home is attached as ever"


def request_instance(case: Case) -> str:
    return str(next(iter(case.ec2.by_id)))


@pytest.mark.parametrize(
    "changes", [{"tags": {"cloudjhub:user": "bob"}}, {"VolumeId": "vol-0fffffffffffffff0"}]
)
async def test_no_user_gets_anothers_backup_by_its_id(changes: dict[str, Any]) -> None:
    case = Starting(ADA, described(**changes))
    assert await case.start() == ["/dev/sda1"]
    assert any("starts without it" in line for line in case.said)


async def test_a_first_start_has_no_home_and_so_no_backup() -> None:
    case = Starting(replace(ADA, home_volume=None), described())
    assert await case.start() == ["/dev/sda1", "/dev/sdf"]


async def test_a_backup_that_was_deleted_meanwhile_does_not_keep_the_next_start_from_succeeding() -> None:
    case = Starting(ADA, described())
    case.ec2.refuse["RunInstances"] = [refused("InvalidSnapshot.NotFound")]
    with pytest.raises(BackupGone, match="not there any more"):
        await case.start()
    case.snapshots = []
    case.ec2.asked.clear()
    assert await case.start("") == ["/dev/sda1"]


async def test_a_try_whose_answer_was_lost_is_repeated_with_the_same_backup() -> None:
    """Or EC2 would launch a second instance for another request."""
    case = Starting(ADA, described())
    case.ec2.refuse["RunInstances"] = [refused("InsufficientInstanceCapacity")] * 9
    with pytest.raises(StartError):
        await case.start()
    first = case.launches()[0]
    case.ec2.refuse, case.snapshots = {}, []
    case.ec2.asked.clear()
    await case.start("")
    assert case.launches()[0]["ClientToken"] == first["ClientToken"]


@pytest.mark.parametrize("needs_new_machine", [True, False])
def test_the_page_says_how_to_get_them(needs_new_machine: bool) -> None:
    backups = [Backup(snapshot=SNAPSHOT, at=datetime(2026, 3, 2, 3, 4, tzinfo=UTC), size=3)]
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    page = templates.get_template("earlier.html")
    known = {"earlier_url": "/hub/spawn/ada", "xsrf": "a&b"}
    shown = page.render(earlier=Earlier(backups=backups, needs_new_machine=needs_new_machine), **known)
    assert ("<form" in shown) is not needs_new_machine
    assert ("your administrator can remove it now" in shown) is needs_new_machine
    if not needs_new_machine:
        assert 'action="/hub/spawn/ada?_xsrf=a%26b"' in shown
        option = (
            f'<option value="{SNAPSHOT}" data-at="2026-03-02T03:04:00+00:00">02 Mar 2026, 03:04 UTC</option>'
        )
        assert option in shown
    assert not page.render(earlier=None, **known).strip()


def test_a_page_offers_days_only_for_a_new_machine() -> None:
    found = [Backup(snapshot=SNAPSHOT, at=datetime(2026, 3, 2, 3, 4, tzinfo=UTC), size=3)]
    assert earlier(ADA, []) is None
    shown = earlier(ADA, found)
    assert shown is not None
    assert shown.backups == found
    assert not shown.needs_new_machine
    stopped = earlier(replace(ADA, state=State.STOPPED), found)
    assert stopped is not None
    assert stopped.needs_new_machine
