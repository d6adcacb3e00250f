"""Whether a home disk is grown, and to what size. Sizes are in GiB, which AWS calls GB. Pure.

EC2 grows a volume while it is in use; the worker then extends the file system. EC2 allows four changes in 24 hours,
each after the one before it has completed, and never makes a volume smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lifecycle_app.contract import is_filling

LEAST_EXTENDED, MOST_EXTENDED = 0.85, 1.01
"""A file system that fills its volume has a share of it within these: ext4 keeps some for itself."""
COMPLETED = frozenset({"completed", "failed"})
"""The states of a change after which another one may follow."""


@dataclass(frozen=True, slots=True)
class HomeReport:
    """What a worker says of its home: the file system's size, and what can still be written."""

    at: datetime
    size: float
    free: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeVolume:
    """A volume as EC2 describes it, with its latest change."""

    volume_id: str
    size: int
    attached_to: str | None = None
    """The instance."""
    is_workers: bool = False
    """Has it the tags of one of this cluster's workers?"""
    is_root: bool = False
    change: str | None = None
    """The state of its latest change; None if it never had one."""
    changed_at: datetime | None = None
    """When its latest change began."""


class Why(StrEnum):
    """Why a home disk is grown, or is left as it is."""

    GROW = "grow"
    ROOMY = "roomy"
    """It has enough space."""
    NOT_ITS_HOME = "not-its-home"
    """The volume is not the home of the worker that has reported, or not this cluster's."""
    CHANGING = "changing"
    """Its latest change has not completed."""
    OLD_REPORT = "old-report"
    """The report is from before its latest change."""
    NOT_EXTENDED = "not-extended"
    """The file system is not as large as the volume: the worker extends it first, or the report is wrong."""
    AT_LIMIT = "at-limit"


@dataclass(frozen=True, slots=True)
class Growth:
    """A decision about one home disk; `size` is the new one, or that it has."""

    why: Why
    size: int


def decide(report: HomeReport, volume: HomeVolume, instance_id: str, limit: int) -> Growth:
    """Whether to grow the home of the worker with this instance, which is doubled up to `limit`.

    A worker's report is not trusted: a false one can only grow the worker's own home, up to the limit.
    """
    return Growth(why := _why(report, volume, instance_id, limit), _size(why, volume, limit))


def _size(why: Why, volume: HomeVolume, limit: int) -> int:
    return min(2 * volume.size, limit) if why is Why.GROW else volume.size


def _why(report: HomeReport, volume: HomeVolume, instance_id: str, limit: int) -> Why:
    if volume.attached_to != instance_id or not volume.is_workers or volume.is_root:
        return Why.NOT_ITS_HOME
    if volume.change is not None and volume.change not in COMPLETED:
        return Why.CHANGING
    if volume.changed_at is not None and report.at <= volume.changed_at:
        return Why.OLD_REPORT
    if not LEAST_EXTENDED * volume.size <= report.size <= MOST_EXTENDED * volume.size:
        return Why.NOT_EXTENDED
    if not is_filling(report.size, report.free):
        return Why.ROOMY
    return Why.GROW if volume.size < limit else Why.AT_LIMIT
