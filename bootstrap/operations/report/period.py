"""A calendar month in UTC, as AWS bills it, and the part of it that a report covers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bootstrap.errors import SettingsError

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Month:
    """From its first moment to that of the next one."""

    begin: datetime
    end: datetime

    @property
    def name(self) -> str:
        """Like 2026-11."""
        return f"{self.begin:%Y-%m}"


def month_of(at: datetime) -> Month:
    """The month in which a time is."""
    begin = datetime(at.year, at.month, 1, tzinfo=UTC)
    return Month(begin, datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC))


def month_named(name: str) -> Month:
    """The month of a name like 2026-11. Raises SettingsError for anything else."""
    match = _MONTH.fullmatch(name)
    try:
        if match:
            return month_of(datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC))
    except ValueError:
        pass
    raise SettingsError(f"--month: {name!r} is not a month: write it like 2026-11")


@dataclass(frozen=True, slots=True)
class Period:
    """The part of a month in which the cluster was there, until now."""

    month: Month
    begin: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / HOUR

    @property
    def share(self) -> float:
        """How much of the month it is, from 0 to 1."""
        return (self.end - self.begin) / (self.month.end - self.month.begin)

    def days(self) -> Iterator[date]:
        """Its days, the first and the last perhaps in part."""
        return (day for day, _, _ in by_day(self.begin, self.end))

    def history_days(self, now: datetime) -> Iterator[str]:
        """The days on which a run can have ended that was under way in it: until now, as the history names them."""
        return (day.isoformat() for day, _, _ in by_day(self.begin, now))


def period_of(month: Month, built: datetime, now: datetime) -> Period:
    """Raises SettingsError for a month that has not begun, and for one in which there was no cluster."""
    if month.begin >= now:
        raise SettingsError(f"--month: {month.name} has not begun")
    if month.end <= built:
        raise SettingsError(f"--month: the cluster was built on {built:%Y-%m-%d}, after {month.name}")
    return Period(month, max(month.begin, min(built, now)), min(month.end, now))


def by_day(begin: datetime, end: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    """A time cut at each midnight (UTC): the day, and since when and until when of it. One moment is of its day."""
    since = begin
    while True:
        midnight = datetime(since.year, since.month, since.day, tzinfo=UTC) + DAY
        yield since.date(), since, min(end, midnight)
        if end <= midnight:
            return
        since = midnight
