"""Workers: their records joined with EC2's descriptions; and the selection of those that a command names."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from bootstrap.aws.instances import found_by_tags, tags_of
from bootstrap.aws.site import Site
from bootstrap.errors import SettingsError
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import ROLE_WORKER, TAG_SERVER, TAG_USER
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.history import Entry, Kind, cost
from lifecycle_app.model.messages import NOTHING, Message
from lifecycle_app.model.worker import State, Worker, worker_key

NO_RECORD = "EC2 has it, but no record: see `cloudjhub logs reconcile`"
DUPLICATE = "a second instance of this worker: its record has another one"
BAD_RECORD = "its record cannot be used: see `cloudjhub doctor`"
UNKNOWN = "EC2 does not know it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWorker:
    """One worker. `instance_id` is "" where only its record is left; times are UTC."""

    key: str
    instance_id: str
    state: str
    """EC2's state where EC2 knows it, otherwise the record's."""
    since: datetime | None = None
    last_activity: datetime | None = None
    message: Message = NOTHING
    """The activity seen last, or why it was kept or stopped."""
    instance_type: str = ""
    image: str = ""
    home_volume: str | None = None
    keep_until: datetime | None = None
    keep_by: str = ""
    cost: float | None = 0.0
    """US dollars for its running time this month; None if a price is unknown."""
    note: str = ""
    """What is wrong with it, and what to do."""

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.key.partition("/")[0]

    @property
    def owns_resources(self) -> bool:
        """Has it an instance or a home disk, which cost money and hold files?"""
        return self.home_volume is not None or bool(self.instance_id and self.state != State.TERMINATED)

    @property
    def condition(self) -> str:
        """Its state for people."""
        if self.state != State.TERMINATED:
            return self.state
        return "no machine, home kept" if self.home_volume else "no machine"

    def idle(self, now: datetime) -> timedelta | None:
        """Since the last activity, or its start; None unless it runs."""
        seen = max((at for at in (self.since, self.last_activity) if at is not None), default=None)
        return now - seen if self.state == State.RUNNING and seen is not None else None


def store_of(site: Site) -> WorkerStore:
    """The cluster's tables, by the lifecycle app's own rules."""
    return WorkerStore(site.cluster, region=site.aws.region)


def listed_workers(site: Site, now: datetime, *, with_costs: bool = False) -> list[ListedWorker]:
    """All workers of this cluster, sorted by name; those that are terminated too, for their homes may be kept.

    With costs the month's history is read; without, the costs are those of the present runs alone.
    """
    store = store_of(site)
    scan = store.scan()
    runs = store.runs_of_days(days_of_month(now) if with_costs else [])
    instances = found_by_tags(site.aws, site.cluster, ROLE_WORKER)
    return joined(scan.workers, instances, runs, now, scan.bad)


def joined(
    records: Sequence[Worker],
    instances: Sequence[Mapping[str, Any]],
    entries: Iterable[Entry],
    now: datetime,
    bad: Sequence[BadRecord] = (),
) -> list[ListedWorker]:
    """One row a record, and one for each instance that no record has."""
    by_id = {one["InstanceId"]: one for one in instances}
    costs = costs_of(records, entries, now)
    rows = [_recorded(worker, by_id.get(worker.instance_id), costs[worker.key]) for worker in records]
    keys = {worker.key for worker in records}
    known = {worker.instance_id for worker in records}
    unrecorded = [_unrecorded(one, keys) for one in instances if one["InstanceId"] not in known]
    unclear = {one.key for one in bad}
    rows += [replace(row, note=BAD_RECORD) if row.key in unclear else row for row in unrecorded]
    shown = {row.key for row in rows}
    rows += [_unclear(one) for one in bad if one.key not in shown]
    return sorted(rows, key=lambda row: (row.key, row.instance_id))


def _recorded(worker: Worker, instance: Mapping[str, Any] | None, spent: float | None) -> ListedWorker:
    is_known = instance is not None
    is_gone = worker.state is State.TERMINATED
    return ListedWorker(
        key=worker.key,
        instance_id=worker.instance_id if is_known or not is_gone else "",
        state=instance["State"]["Name"] if instance else str(worker.state),
        since=worker.started_at or worker.state_at,
        last_activity=worker.last_activity,
        message=worker.message,
        instance_type=worker.instance_type,
        image=instance.get("ImageId", "") if instance else "",
        home_volume=worker.home_volume,
        keep_until=worker.keep_until,
        keep_by=worker.keep_by,
        cost=spent,
        note="" if is_known or is_gone else UNKNOWN,
    )


def _unrecorded(instance: Mapping[str, Any], keys: set[str]) -> ListedWorker:
    tags = tags_of(instance)
    key = worker_key(tags.get(TAG_USER) or "?", tags.get(TAG_SERVER, ""))
    return ListedWorker(
        key=key,
        instance_id=instance["InstanceId"],
        state=instance["State"]["Name"],
        since=instance.get("LaunchTime"),
        instance_type=instance.get("InstanceType", ""),
        image=instance.get("ImageId", ""),
        home_volume=_own_home(instance),
        cost=None,
        note=DUPLICATE if key in keys else NO_RECORD,
    )


def _unclear(bad: BadRecord) -> ListedWorker:
    home = bad.home_volume or None
    return ListedWorker(
        key=bad.key,
        instance_id=bad.instance_id,
        state="unknown",
        home_volume=home,
        cost=None,
        note=BAD_RECORD,
    )


def _own_home(instance: Mapping[str, Any]) -> str | None:
    """The disk beside the root disk that outlives the instance."""
    return next(
        (
            str(mapping["Ebs"]["VolumeId"])
            for mapping in instance.get("BlockDeviceMappings", [])
            if mapping.get("DeviceName") != instance.get("RootDeviceName")
            and not mapping.get("Ebs", {}).get("DeleteOnTermination", True)
        ),
        None,
    )


def costs_of(records: Sequence[Worker], entries: Iterable[Entry], now: datetime) -> dict[str, float | None]:
    """US dollars by worker: the runs that ended this month, and what the present one has cost this month."""
    spent: Counter[str] = Counter()
    unknown = set()
    for key, price in [*_ended(entries), *_running(records, now)]:
        if price is None:
            unknown.add(key)
        else:
            spent[key] += price  # type: ignore[assignment]  # dollars, not counts
    return {w.key: None if w.key in unknown else round(float(spent[w.key]), 4) for w in records}


def _ended(entries: Iterable[Entry]) -> Iterator[tuple[str, float | None]]:
    return ((entry.key, entry.cost) for entry in entries if entry.kind is Kind.RUN)


def _running(records: Sequence[Worker], now: datetime) -> Iterator[tuple[str, float | None]]:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for worker in records:
        if worker.started_at is not None and worker.state.costs:
            seconds = int((now - max(worker.started_at, month)).total_seconds())
            yield worker.key, cost(worker.instance_type, max(seconds, 0), worker.zone)


def days_of_month(now: datetime) -> list[str]:
    """The UTC days of this month so far, as the history names them."""
    today = now.astimezone(UTC)
    return [today.strftime(f"%Y-%m-{day:02d}") for day in range(1, today.day + 1)]


def chosen(found: Sequence[ListedWorker], names: Collection[str], *, all_workers: bool) -> list[ListedWorker]:
    """The instances of these names, like `alice` or `alice/gpu`. Without names there are none, never all.

    Raises SettingsError for a name that no worker has, and where it is not clear who is meant.
    """
    if all_workers and names:
        raise SettingsError("name workers, or say --all: not both")
    if all_workers:
        return list(found)
    if not names:
        raise SettingsError("name the workers, or say --all for every one of this cluster")
    known = sorted({machine.key for machine in found})
    for name in names:
        if name not in known:
            raise SettingsError(f"unknown worker {name!r}: {advice(name, known)}")
    return [machine for machine in found if machine.key in names]


def advice(name: str, known: Sequence[str]) -> str:
    """What to do about a name that no worker has."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "`cloudjhub workers list` shows them"
