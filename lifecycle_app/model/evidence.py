"""What is known of a worker's life when somebody decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from lifecycle_app.contract import Level

REPORTS_MISSED = 3
"""So many reports may fail to come, or be on their way, before a worker counts as silent."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker reported of the period that begins at `at`."""

    at: datetime
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A worker's reports, oldest first, and what else was found. Nothing found means nothing known."""

    period: timedelta
    reports: tuple[Report, ...] = ()
    is_whole: bool = True
    """Are these all the reports there are? If CloudWatch told a part only, what is missing is unknown, not quiet."""
    cpu: tuple[float, ...] = ()
    """What EC2 itself measured over hung_after, in percent; nothing unless it tells of all that time."""
    details: Mapping[str, float] = field(default_factory=dict)
    """The highest value of each detail that the worker reported, for the explanation."""
    hub_server: bool | None = None
    """Does the hub believe that the server runs or starts? None if the hub was not asked."""

    @property
    def longest_gap(self) -> timedelta:
        """Reports further apart than this leave a hole."""
        return REPORTS_MISSED * self.period

    @property
    def last_report(self) -> datetime | None:
        """The end of the newest period reported of."""
        return self.reports[-1].at + self.period if self.reports else None

    def last_life(self, level: Level) -> datetime | None:
        """The end of the newest period with at least this much life."""
        return next((r.at + self.period for r in reversed(self.reports) if r.level >= level), None)

    def covers(self, since: datetime, now: datetime) -> bool:
        """Do the reports tell of the whole time from `since` to `now`, without a hole?"""
        if not self.is_whole or self._is_ahead(now):
            return False
        seen = [report.at for report in self.reports if report.at >= since]
        times = [since, *seen, now]
        # However short that time is, no report tells of nothing.
        return bool(seen) and all(later - earlier <= self.longest_gap for earlier, later in pairwise(times))

    def _is_ahead(self, now: datetime) -> bool:
        """Does the worker report of times to come? Then what it does now is told of later still."""
        return self.last_report is not None and self.last_report > now + self.longest_gap

    def is_silent(self, now: datetime) -> bool:
        """Is the newest report overdue? Of reports that are not whole nobody can tell."""
        if not self.is_whole:
            return False
        return self.last_report is None or now - self.last_report > self.longest_gap
