"""Homes that fill are grown: the decision by tables, the pass with fakes, EC2's rules by the local cloud's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from bootstrap.local.cloud.ec2.modifications import MODIFYING, OPTIMIZING, Change, check
from bootstrap.local.cloud.errors import AwsError
from lifecycle_app.contract import is_filling
from lifecycle_app.errors import CloudError
from lifecycle_app.model.growth import Growth, HomeReport, HomeVolume, Why, decide
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import read, stored, text
from lifecycle_app.model.worker import State
from lifecycle_app.use_cases import grow_homes, mark_homes
from tests.lifecycle.examples import ALICE, MINUTE, NOON, a_worker
from tests.lifecycle.fakes import World

LIMIT = 20
FULL = HomeReport(NOON, 1.9, 0.2)
HOME = HomeVolume(volume_id="vol-1", size=2, attached_to=ALICE, is_workers=True)


@pytest.mark.parametrize(
    ("size", "free", "filling"),
    [
        (1.9, 1.0, False),
        (1.9, 0.99, True),
        (20.0, 3.01, False),
        (20.0, 3.0, True),
        (100.0, 15.01, False),
        (100.0, 15.0, True),
        (1.9, 0.0, True),
        (0.0, 0.0, True),
    ],
)
def test_a_home_fills_from_85_percent_or_below_one_gib(size: float, free: float, filling: bool) -> None:
    assert is_filling(size, free) is filling


@pytest.mark.parametrize(
    ("report", "volume", "expected"),
    [
        ({}, {}, Growth(Why.GROW, 4)),
        ({"size": 18.0}, {"size": 19}, Growth(Why.GROW, 20)),
        ({"size": 19.0}, {"size": 20}, Growth(Why.AT_LIMIT, 20)),
        ({"size": 29.0}, {"size": 30}, Growth(Why.AT_LIMIT, 30)),
        ({"free": 1.0}, {}, Growth(Why.ROOMY, 2)),
        ({}, {"attached_to": "i-other"}, Growth(Why.NOT_ITS_HOME, 2)),
        ({}, {"attached_to": None}, Growth(Why.NOT_ITS_HOME, 2)),
        ({}, {"is_workers": False}, Growth(Why.NOT_ITS_HOME, 2)),
        ({}, {"is_root": True}, Growth(Why.NOT_ITS_HOME, 2)),
        ({}, {"change": "modifying"}, Growth(Why.CHANGING, 2)),
        ({}, {"change": "optimizing"}, Growth(Why.CHANGING, 2)),
        ({}, {"change": "another word"}, Growth(Why.CHANGING, 2)),
        ({}, {"change": "completed", "changed_at": NOON - MINUTE}, Growth(Why.GROW, 4)),
        ({}, {"change": "completed", "changed_at": NOON}, Growth(Why.OLD_REPORT, 2)),
        ({}, {"change": "failed", "changed_at": NOON - MINUTE}, Growth(Why.GROW, 4)),
        # The volume has grown, the file system not yet; and what no file system of this volume can be.
        ({}, {"size": 4}, Growth(Why.NOT_EXTENDED, 4)),
        ({"size": 1e9}, {}, Growth(Why.NOT_EXTENDED, 2)),
        ({"size": 0.0, "free": 0.0}, {}, Growth(Why.NOT_EXTENDED, 2)),
        ({"size": 2.03}, {}, Growth(Why.NOT_EXTENDED, 2)),
    ],
)
def test_decision(report: dict[str, float], volume: dict[str, object], expected: Growth) -> None:
    found = decide(replace(FULL, **report), replace(HOME, **volume), ALICE, LIMIT)  # type: ignore[arg-type]
    assert found == expected


def test_no_report_makes_a_home_smaller_or_larger_than_the_limit() -> None:
    for size in range(1, 64):
        for free in (0.0, 0.1, 1.0, float(size)):
            found = decide(HomeReport(NOON, float(size), free), replace(HOME, size=size), ALICE, LIMIT)
            assert size <= found.size <= max(size, LIMIT)


@dataclass
class MemoryVolumes:
    """EC2's volumes, which change by the local cloud's rules."""

    now: float = NOON.timestamp()
    sizes: dict[str, int] = field(default_factory=lambda: {"vol-1": 2})
    changes: dict[str, list[Change]] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    loses_answers: bool = False

    def described(self, volume_ids: Sequence[str]) -> dict[str, HomeVolume]:
        return {one: self._volume(one) for one in volume_ids if one in self.sizes}

    def _volume(self, volume_id: str) -> HomeVolume:
        last = self.changes[volume_id][-1] if self.changes.get(volume_id) else None
        change = last.state(self.now) if last else None
        began = NOON + timedelta(seconds=last.began - NOON.timestamp()) if last else None
        return replace(HOME, volume_id=volume_id, size=self.sizes[volume_id], change=change, changed_at=began)

    def grow(self, volume_id: str, size: int) -> None:
        changes = self.changes.setdefault(volume_id, [])
        try:
            check(volume_id, self.sizes[volume_id], size, changes, self.now)
        except AwsError as error:
            raise CloudError("ModifyVolume", error.code, str(error)) from error
        changes.append(Change(self.now, self.sizes[volume_id], size))
        self.sizes[volume_id] = size
        if self.loses_answers:
            raise CloudError("ModifyVolume", "NoAnswer", "the connection was lost")

    def unmarked(self, volume_ids: Sequence[str]) -> list[str]:
        return [one for one in volume_ids if one in self.sizes and one not in self.marked]

    def mark(self, volume_ids: Sequence[str]) -> None:
        if self.loses_answers:
            raise CloudError("CreateTags", "NoAnswer", "the connection was lost")
        self.marked += volume_ids


@dataclass
class Course:
    """A worker whose home is always nearly full, and the passes that grow it."""

    world: World
    volumes: MemoryVolumes
    is_extended: bool = True
    """Does the worker extend its file system?"""
    extended: int = 2

    def grow(self, after: timedelta = timedelta(0)) -> dict[str, int]:
        self.world.now += after
        self.volumes.now = self.world.now.timestamp()
        if self.is_extended:
            self.extended = self.volumes.sizes["vol-1"]
        report = HomeReport(self.world.now, 0.95 * self.extended, 0.1)
        self.world.metrics.home_reports = {ALICE: report}
        return grow_homes(self.world.service, self.volumes, LIMIT, self.world.now)


@pytest.fixture
def course() -> Course:
    world = World()
    world.store.put(a_worker(home_volume="vol-1"), NOON)
    return Course(world, MemoryVolumes())


DONE = MODIFYING + OPTIMIZING


def test_a_filling_home_is_doubled_up_to_the_limit_and_that_is_said(course: Course) -> None:
    sizes = []
    for _ in range(6):
        course.grow(DONE)
        sizes.append(course.volumes.sizes["vol-1"])
    assert sizes == [4, 8, 16, 20, 20, 20]
    assert course.world.store.told("alice", Kind.GROWTH) == ["grown"] * 4
    newest = course.world.store.history("alice")[0]
    assert text(read(stored(newest.message))) == "its home disk was filling and grows from 16 to 20 GB"


def test_each_change_waits_for_the_one_before(course: Course) -> None:
    assert course.grow() == {Why.GROW: 1}
    assert course.grow(MODIFYING / 2) == {Why.CHANGING: 1}
    assert course.grow(MODIFYING) == {Why.CHANGING: 1}
    assert course.grow(DONE) == {Why.GROW: 1}


def test_a_fifth_change_within_a_day_is_left_to_the_next(course: Course) -> None:
    course.volumes.changes["vol-1"] = [Change(NOON.timestamp() - 3600 * n, 2, 2) for n in (4, 3, 2, 1)]
    assert course.grow() == {"too-often": 1}
    assert course.grow(timedelta(hours=19, minutes=59)) == {"too-often": 1}
    assert course.grow(timedelta(minutes=1)) == {Why.GROW: 1}


def test_a_home_that_is_not_extended_is_not_grown_again(course: Course) -> None:
    """An image of an earlier version does not extend its file system."""
    course.is_extended = False
    assert [course.grow(DONE), course.grow(DONE), course.grow(DONE)] == [
        {Why.GROW: 1},
        {Why.NOT_EXTENDED: 1},
        {Why.NOT_EXTENDED: 1},
    ]


def test_a_change_whose_answer_was_lost_is_not_made_twice(course: Course) -> None:
    course.volumes.loses_answers = True
    assert course.grow() == {"failed": 1}
    course.volumes.loses_answers = False
    assert course.grow(MODIFYING) == {Why.CHANGING: 1}
    assert course.volumes.sizes == {"vol-1": 4}


def test_nothing_is_grown_where_the_limit_is_zero_or_no_worker_reports(course: Course) -> None:
    assert grow_homes(course.world.service, course.volumes, LIMIT, NOON) == {}
    course.world.metrics.home_reports = {ALICE: FULL}
    assert grow_homes(course.world.service, course.volumes, 0, NOON) == {}
    assert course.volumes.sizes == {"vol-1": 2}


@pytest.mark.parametrize(
    ("size", "target", "changes", "code"),
    [
        (4, 3, [], "InvalidParameterValue"),
        (4, 16385, [], "InvalidParameterValue"),
        (4, 8, [Change(0.0, 2, 4)], "IncorrectModificationState"),
        (4, 8, [Change(-100.0 * n, 2, 4) for n in (4, 3, 2, 1)], "VolumeModificationRateExceeded"),
    ],
)
def test_the_local_cloud_refuses_what_ec2_refuses(
    size: int, target: int, changes: list[Change], code: str
) -> None:
    with pytest.raises(AwsError) as refused:
        check("vol-1", size, target, changes, 0.0)
    assert refused.value.code == code


def test_the_homes_of_running_workers_are_marked_for_their_backups_once(course: Course) -> None:
    store, volumes = course.world.store, course.volumes
    store.put(a_worker(key="bob", instance_id="i-bob", home_volume="vol-2"), NOON)
    store.put(a_worker(key="eve", instance_id="i-eve", state=State.PENDING, home_volume="vol-3"), NOON)
    store.put(a_worker(key="root", instance_id="i-root", home_volume=None), NOON)
    volumes.sizes |= {"vol-2": 2, "vol-3": 2}
    volumes.loses_answers = True
    assert mark_homes(course.world.service, volumes) == {"unmarked": 2}, "said, and tried again"
    volumes.loses_answers = False
    assert mark_homes(course.world.service, volumes) == {"marked": 2}
    assert sorted(volumes.marked) == ["vol-1", "vol-2"]
    assert mark_homes(course.world.service, volumes) == {}
