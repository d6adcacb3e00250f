"""Who used what, and for how long: machines that ran and disks that existed, cut at each midnight. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from bootstrap.aws.instances import tags_of
from bootstrap.operations.report.period import Month, Period, by_day
from lifecycle_app.contract import TAG_USER
from lifecycle_app.model.decision import Reason
from lifecycle_app.model.history import Entry, cost
from lifecycle_app.model.worker import Scan, Worker, split

NO_USER = ""
"""The user of what belongs to no user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What was used, and what it cost in US dollars."""

    hours: float = 0.0
    """In which machines ran."""
    unknown_hours: float = 0.0
    """Those of them whose price is unknown; not in `machines`."""
    runs: float = 0.0
    """How often machines were started; of a run that is cut, its part."""
    idle_stops: float = 0.0
    """How many of the runs ended because the machine was idle."""
    gb_months: float = 0.0
    """Disks: a GB that existed for the whole month is one."""
    machines: float = 0.0
    disks: float = 0.0
    shared: float = 0.0
    """What all users share."""

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )

    def __mul__(self, factor: float) -> "Amount":
        return Amount(**{one.name: getattr(self, one.name) * factor for one in fields(self)})

    @property
    def total(self) -> float:
        """US dollars."""
        return self.machines + self.disks + self.shared


NOTHING = Amount()
Cells = Mapping[tuple[str, date], Amount]
"""By user and day."""
NO_CELLS: Cells = {}


@dataclass(frozen=True, slots=True)
class Use:
    """A machine that ran or a disk that existed for a time, and what that was altogether."""

    user: str
    begin: datetime
    end: datetime
    amount: Amount


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the report pays with: US dollars, or no price at all."""

    is_known: bool
    """Are the prices of the cluster's region known?"""
    running_hour: float
    """For an hour of a running machine, besides its own price: a public address."""
    disk_month: float

    def run(self, seconds: float, dollars: float | None) -> Amount:
        """A run of so many seconds; `dollars`: its price, None if that is unknown."""
        hours = seconds / 3600
        if dollars is None or not self.is_known:
            return Amount(hours=hours, unknown_hours=hours, runs=1)
        return Amount(hours=hours, runs=1, machines=dollars + hours * self.running_hour)

    def disk(self, gb: float, begin: datetime, end: datetime, month: Month) -> Amount:
        """A disk that existed for a time. A month's price is for the whole month, however long that is."""
        gb_months = gb * ((end - begin) / (month.end - month.begin))
        return Amount(gb_months=gb_months, disks=gb_months * self.disk_month if self.is_known else 0.0)


@dataclass
class Runs:
    """The machines' runs, each counted once: an event that came twice may have recorded one twice."""

    tariff: Tariff
    used: dict[str, tuple[str, datetime, datetime]] = field(default_factory=dict)
    """Instances by id: their user, and from when to when they are known to have existed."""

    def ended(self, entries: Iterable[Entry]) -> Iterator[Use]:
        """Runs of the history, oldest first."""
        for entry in entries:
            seconds = entry.seconds or 0
            begin = entry.at - timedelta(seconds=seconds)
            known = self.used.get(entry.instance_id)
            since = max(begin, known[2]) if known else begin
            if known and since >= entry.at:
                continue
            user = split(entry.key)[0]
            self.used[entry.instance_id] = (user, known[1] if known else begin, entry.at)
            is_idle = entry.reason == Reason.IDLE
            whole = self.tariff.run(seconds, entry.cost) + Amount(idle_stops=float(is_idle))
            counted = (entry.at - since) / (entry.at - begin) if seconds else 1.0
            yield Use(user, since, entry.at, whole * counted)

    def going_on(self, workers: Iterable[Worker], now: datetime) -> Iterator[Use]:
        """Those that have not ended, as they are until now. Ask after `ended`: a run may have ended meanwhile."""
        for worker in workers:
            begin = worker.started_at
            known = self.used.get(worker.instance_id)
            if begin is None or not worker.state.costs or begin >= now or (known and known[2] > begin):
                continue
            self.used[worker.instance_id] = (worker.user, known[1] if known else begin, now)
            seconds = (now - begin).total_seconds()
            yield Use(
                worker.user,
                begin,
                now,
                self.tariff.run(seconds, cost(worker.instance_type, int(seconds), worker.zone)),
            )

    def root_disks_of_gone(self, existing: Collection[str], gb: int, period: Period) -> Iterator[Use]:
        """Of machines that are not there any more, from first start to last stop. Ask after the runs."""
        for instance_id, (user, begin, end) in self.used.items():
            if instance_id not in existing and begin < period.end and end > period.begin:
                yield Use(user, begin, end, self.tariff.disk(gb, begin, end, period.month))


def disk_uses(
    volumes: Iterable[Mapping[str, Any]], homes: Collection[str | None], tariff: Tariff, period: Period
) -> Iterator[Use]:
    """Existing disks as DescribeVolumes gives them; `homes`: those that records name.

    A free disk that no record names belongs to no user, whatever its tags say.
    """
    for volume in volumes:
        begin = max(volume["CreateTime"], period.begin)
        if begin >= period.end:
            continue
        is_known = volume["State"] != "available" or volume["VolumeId"] in homes
        user = tags_of(volume).get(TAG_USER, NO_USER) if is_known else NO_USER
        yield Use(user, begin, period.end, tariff.disk(volume["Size"], begin, period.end, period.month))


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a month's use."""

    cells: Cells
    gone: int
    """Machines whose root disks are estimated, for they are not there any more."""


def found(
    entries: Iterable[Entry],
    scan: Scan,
    volumes: Sequence[Mapping[str, Any]],
    root_disk: int,
    tariff: Tariff,
    period: Period,
    now: datetime,
) -> Found:
    """All use in the period, by user and day; `entries`: runs, oldest first; `root_disk`: in GB, of machines that are
    gone.
    """
    runs = Runs(tariff)
    homes = {one.home_volume for one in scan.workers} | {one.home_volume for one in scan.bad}
    attached = {one["InstanceId"] for volume in volumes for one in volume.get("Attachments", [])}
    cells = metered(
        chain(
            runs.ended(entries), runs.going_on(scan.workers, now), disk_uses(volumes, homes, tariff, period)
        ),
        period,
    )
    gone = [*runs.root_disks_of_gone(attached, root_disk, period)]
    return Found(metered(gone, period, cells), len(gone))


def metered(uses: Iterable[Use], period: Period, known: Cells = NO_CELLS) -> dict[tuple[str, date], Amount]:
    """The parts of all uses that are in the period, by user and day, added to what is known."""
    cells = dict(known)
    for use in uses:
        for day, part in parts(use, period.begin, period.end):
            cells[use.user, day] = cells.get((use.user, day), NOTHING) + part
    return cells


def parts(use: Use, begin: datetime, end: datetime) -> Iterator[tuple[date, Amount]]:
    """What of a use is between two times, by day, in proportion to time. What took no time is of its moment."""
    since, until = max(use.begin, begin), min(use.end, end)
    if use.begin == use.end:
        if begin <= use.begin < end:
            yield use.begin.date(), use.amount
    elif since < until:
        for day, start, stop in by_day(since, until):
            yield day, use.amount * ((stop - start) / (use.end - use.begin))


def spread(dollars: float, period: Period) -> dict[date, Amount]:
    """What all users share, over the period's days in proportion to time."""
    use = Use(NO_USER, period.begin, period.end, Amount(shared=dollars))
    return dict(parts(use, period.begin, period.end))
