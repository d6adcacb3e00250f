"""The lifecycle app as the hub sees it: an in-memory copy of its records for all spawners, and requests to stop."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls
from hub.errors import CloudBusy, CloudRefused, StopNotSent
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.worker import EPOCH, Worker

log = logging.getLogger(__name__)

# The index is eventually consistent, and a record bears the time at which its writer began: at most two minutes before.
OVERLAP = timedelta(minutes=5)
MOST_KEPT = 50_000
FIRST_LOAD = timedelta(seconds=15)


def _now() -> datetime:
    return datetime.now(UTC)


class BadRecords:
    """Names each record that cannot be used once, not every few seconds; and again if something else is wrong."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}

    def name(self, bad: BadRecord) -> None:
        """Names it in the log, if that is news."""
        if self._named.get(bad.key) != bad.problem:
            self._named[bad.key] = bad.problem
            log.error("%s", bad)


class Reader:
    """An in-memory copy of the records, brought up to date every `interval`.

    A failed read changes nothing: what is not known stays as it was, and is never taken for stopped.
    """

    def __init__(
        self,
        changed_since: Callable[[datetime], list[Worker]],
        calls: Calls,
        *,
        interval: timedelta,
        most_kept: int = MOST_KEPT,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._changed_since = changed_since
        self._calls = calls
        self._interval = interval
        self._most_kept = most_kept
        self._now = now
        self._workers: dict[str, Worker] = {}
        self._by_instance: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()

    async def loaded(self) -> bool:
        """Starts the reading, if need be, and waits for the first copy; False if it takes too long."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._read_on())
        try:
            async with asyncio.timeout(FIRST_LOAD.total_seconds()):
                await self._first.wait()
        except TimeoutError:
            return False
        return True

    def get(self, key: str) -> Worker | None:
        """The worker as last read; None if nothing is known of it."""
        return self._workers.get(key)

    def by_instance(self, instance_id: str) -> Worker | None:
        """The worker that has this instance, as last read."""
        key = self._by_instance.get(instance_id)
        worker = self._workers.get(key) if key is not None else None
        return worker if worker and worker.instance_id == instance_id else None

    def everybody(self) -> list[Worker]:
        """All workers as last read, by name."""
        return sorted(self._workers.values(), key=lambda worker: worker.key)

    async def read(self) -> None:
        """Takes in what changed since the last time. Raises StoreUnavailable."""
        newest = max((worker.changed_at for worker in self._workers.values()), default=None)
        # A record whose time is to come must not hide all that changes until then.
        since = min(newest, self._now()) - OVERLAP if newest else EPOCH
        for worker in await self._calls.read(lambda: self._changed_since(since)):
            self._take(worker)
        self._forget_surplus()
        self._first.set()

    async def close(self) -> None:
        """Ends the reading."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read_on(self) -> None:
        while True:
            try:
                await self.read()
            except StoreUnavailable as error:
                log.warning("workers' records cannot be read, going on with what is known: %s", error)
            except Exception:
                log.exception("workers' records cannot be read, going on with what is known")
            await asyncio.sleep(self._interval.total_seconds())

    def _take(self, worker: Worker) -> None:
        """An index may still show an older version. A record made anew counts from 1 again, but is changed later."""
        old = self._workers.get(worker.key)
        if old and worker.version < old.version and worker.changed_at <= old.changed_at:
            return
        if old and old.instance_id != worker.instance_id:
            self._by_instance.pop(old.instance_id, None)
        self._workers[worker.key] = worker
        self._by_instance[worker.instance_id] = worker.key

    def _forget_surplus(self) -> None:
        """Forgets the longest unchanged ones of those that do not run; for them nobody asks every few seconds."""
        surplus = len(self._workers) - self._most_kept
        if surplus <= 0:
            return
        idle = sorted((w for w in self._workers.values() if not w.state.costs), key=lambda w: w.changed_at)
        for worker in idle[:surplus]:
            del self._workers[worker.key]
            self._by_instance.pop(worker.instance_id, None)


if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


SOURCE = "cloudjhub.hub"
DETAIL_TYPE = "Stop Requested"


def stop_entry(
    cluster: str,
    worker: str,
    instance_id: str,
    requested_by: str,
    now: datetime,
    *,
    unless_used: bool = False,
) -> dict[str, Any]:
    """The PutEvents entry that asks for a stop; `unless_used`: not if its user has a server there by then."""
    detail: dict[str, Any] = {
        "cluster": cluster,
        "worker": worker,
        "instance_id": instance_id,
        "requested_at": now.timestamp(),
        "requested_by": requested_by,
    }
    if unless_used:
        detail["unless_used"] = True
    return {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}


class StopRequests:
    """Puts stop requests on the account's default event bus."""

    def __init__(self, events: "EventBridgeClient", calls: Calls, cluster: str) -> None:
        self._events = events
        self._calls = calls
        self._cluster = cluster

    async def send(self, worker: str, instance_id: str, requested_by: str, now: datetime) -> None:
        """Asks for a stop of this instance. Raises StopNotSent."""
        entry: Any = stop_entry(self._cluster, worker, instance_id, requested_by, now)
        try:
            answer = await self._calls.call("PutEvents", lambda: self._events.put_events(Entries=[entry]))
        except (ClientError, CloudBusy, CloudRefused) as error:
            raise StopNotSent(
                f"{worker}: the stop of {instance_id} could not be asked for: {error}"
            ) from error
        if answer["FailedEntryCount"]:
            raise StopNotSent(f"{worker}: the stop of {instance_id} was not accepted: {answer['Entries']}")
        log.info("%s: %s asked for a stop of %s", worker, requested_by, instance_id)
