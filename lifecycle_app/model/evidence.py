"""What is known of a worker's activity when a decision about it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from lifecycle_app.contract import Level

REPORTS_MISSED = 3
"""So many reports may be missing or late before a worker counts as silent."""


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's report of the period that begins at `at`."""

    at: datetime
    level: Level


@dataclass(frozen=True, slots=True)
class AppTraffic:
    """A worker's report of a web app's traffic, which a person or an open page caused."""

    at: datetime
    """The end of the newest period with such traffic."""
    number: float
    """See `contract.app_name`."""


@dataclass(frozen=True, slots=True)
class Source:
    """A worker's report of what kept it busy, besides a person."""

    at: datetime
    """The end of the newest period that names one."""
    number: float
    """See `contract.source_name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A worker's reports, oldest first, and what else is known. What is missing is unknown, not quiet."""

    period: timedelta
    reports: tuple[Report, ...] = ()
    is_whole: bool = True
    """Are these all reports of the time, as far as CloudWatch has them?"""
    cpu: tuple[float, ...] = ()
    """EC2's own measurements over hung_after, in percent; empty unless they cover all of that time."""
    details: Mapping[str, float] = field(default_factory=dict)
    """The highest value of each detail that the worker reported, for the explanation."""
    app: AppTraffic | None = None
    source: Source | None = None
    hub_server: bool | None = None
    """Does the hub believe that the server runs or starts? None if the hub was not asked."""

    @property
    def longest_gap(self) -> timedelta:
        """Reports further apart than this leave a gap."""
        return REPORTS_MISSED * self.period

    @property
    def last_report(self) -> datetime | None:
        """The end of the newest reported period."""
        return self.reports[-1].at + self.period if self.reports else None

    def last_life(self, level: Level) -> datetime | None:
        """The end of the newest period of at least this level."""
        return next((r.at + self.period for r in reversed(self.reports) if r.level >= level), None)

    def covers(self, since: datetime, now: datetime) -> bool:
        """Do the reports cover the whole time from `since` to `now`, without a gap?"""
        if not self.is_whole or self._is_ahead(now):
            return False
        seen = [report.at for report in self.reports if report.at >= since]
        times = [since, *seen, now]
        # However short that time is, it takes a report to cover it.
        return bool(seen) and all(later - earlier <= self.longest_gap for earlier, later in pairwise(times))

    def _is_ahead(self, now: datetime) -> bool:
        """Are its reports of times to come? Then what it does now is reported even later."""
        return self.last_report is not None and self.last_report > now + self.longest_gap

    def is_silent(self, now: datetime) -> bool:
        """Is the newest report overdue? Not if reports are missing: then it is unknown."""
        if not self.is_whole:
            return False
        return self.last_report is None or now - self.last_report > self.longest_gap
