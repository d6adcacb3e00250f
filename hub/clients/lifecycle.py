"""The lifecycle app as the hub sees it: an in-memory copy of its records for all spawners, and requests to it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from hub.clients.calls import Calls
from hub.errors import CloudBusy, CloudRefused, HubPartError, KeepNotSent, SettingsNotSent, StopNotSent
from lifecycle_app.contract import (
    HUB_SOURCE,
    KEEP_REQUESTED,
    SETTINGS_REQUESTED,
    STOP_REQUESTED,
    KeepRequested,
    SettingsRequested,
    StopRequested,
    utc_now,
)
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.worker import Worker, changes_from

log = logging.getLogger(__name__)

Found = TypeVar("Found")
MOST_KEPT = 50_000
ANSWERED_WITHIN = timedelta(seconds=8)
"""A function's cold start takes a second or two. Afterwards whoever asked reads that there was no answer."""
READINGS = 4
"""After so many without an answer a request is sent again, as the same one."""
FIRST_LOAD = timedelta(seconds=15)


class BadRecords:
    """Logs each record that cannot be used once, not every few seconds; and again when its problem changes."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}

    def log(self, bad: BadRecord) -> None:
        """Logs it, unless that was done before."""
        if self._logged.get(bad.key) != bad.problem:
            self._logged[bad.key] = bad.problem
            log.error("%s", bad)


class Reader:
    """An in-memory copy of the records, updated every `interval`.

    A failed read changes nothing: a worker that is not known is never taken for stopped.
    """

    def __init__(
        self,
        changed_since: Callable[[datetime], list[Worker]],
        calls: Calls,
        *,
        interval: timedelta,
        most_kept: int = MOST_KEPT,
        now: Callable[[], datetime] = utc_now,
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
        """Starts reading, if necessary, and waits for the first copy; False if that takes too long."""
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

    def all(self) -> list[Worker]:
        """All workers as last read, sorted by key."""
        return sorted(self._workers.values(), key=lambda worker: worker.key)

    def of_user(self, user: str) -> list[Worker]:
        """The workers of a user as last read."""
        return [worker for worker in self._workers.values() if worker.user == user]

    async def read(self) -> None:
        """Reads what has changed since the last time. Raises StoreUnavailable."""
        since = changes_from(self._workers.values(), self._now())
        for worker in await self._calls.read(lambda: self._changed_since(since)):
            self.take(worker)
        self._forget_surplus()
        self._first.set()

    async def close(self) -> None:
        """Stops reading."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read_on(self) -> None:
        while True:
            try:
                await self.read()
            except StoreUnavailable as error:
                log.warning("the workers' records cannot be read, going on with the last copy: %s", error)
            except Exception:
                log.exception("the workers' records cannot be read, going on with the last copy")
            await asyncio.sleep(self._interval.total_seconds())

    def take(self, worker: Worker) -> None:
        """Takes over a record that was read, from here or by itself, unless a newer one is known.

        An index may still return an older version. A record created again counts from 1, but has a later time.
        """
        old = self._workers.get(worker.key)
        if old and worker.version < old.version and worker.changed_at <= old.changed_at:
            return
        if old and old.instance_id != worker.instance_id:
            self._by_instance.pop(old.instance_id, None)
        self._workers[worker.key] = worker
        self._by_instance[worker.instance_id] = worker.key

    def _forget_surplus(self) -> None:
        """Forgets the workers that are not running and have not changed for the longest time."""
        surplus = len(self._workers) - self._most_kept
        if surplus <= 0:
            return
        idle = sorted((w for w in self._workers.values() if not w.state.costs), key=lambda w: w.changed_at)
        for worker in idle[:surplus]:
            del self._workers[worker.key]
            self._by_instance.pop(worker.instance_id, None)


if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


def stop_entry(
    cluster: str,
    worker: str,
    instance_id: str,
    requested_by: str,
    now: datetime,
    *,
    unless_used: bool = False,
) -> dict[str, Any]:
    """The PutEvents entry that requests a stop; `unless_used`: not if its user has a server there by then."""
    detail: StopRequested = {
        "cluster": cluster,
        "worker": worker,
        "instance_id": instance_id,
        "requested_at": now.timestamp(),
        "requested_by": requested_by,
    }
    if unless_used:
        detail["unless_used"] = True
    return {"Source": HUB_SOURCE, "DetailType": STOP_REQUESTED, "Detail": json.dumps(detail)}


def keep_entry(
    cluster: str, worker: str, instance_id: str, request: str, seconds: int, requested_by: str, now: datetime
) -> dict[str, Any]:
    """The PutEvents entry that asks to keep a worker running for so long from now."""
    detail: KeepRequested = {
        "cluster": cluster,
        "worker": worker,
        "instance_id": instance_id,
        "request": request,
        "seconds": seconds,
        "requested_at": now.timestamp(),
        "requested_by": requested_by,
    }
    return {"Source": HUB_SOURCE, "DetailType": KEEP_REQUESTED, "Detail": json.dumps(detail)}


def settings_entry(
    cluster: str,
    scope: str,
    request: str,
    changes: Mapping[str, Any],
    unset: Collection[str],
    base: str,
    requested_by: str,
    now: datetime,
) -> dict[str, Any]:
    """The PutEvents entry that asks to change the policy of a scope, if its version still is `base`."""
    detail: SettingsRequested = {
        "cluster": cluster,
        "scope": scope,
        "request": request,
        "changes": dict(changes),
        "unset": sorted(unset),
        "base": base,
        "requested_at": now.timestamp(),
        "requested_by": requested_by,
    }
    return {"Source": HUB_SOURCE, "DetailType": SETTINGS_REQUESTED, "Detail": json.dumps(detail)}


class _Requests:
    """Puts requests on the account's default event bus, where the lifecycle app hears of them."""

    def __init__(self, events: "EventBridgeClient", calls: Calls, cluster: str) -> None:
        self._events = events
        self._calls = calls
        self._cluster = cluster

    async def _put(self, entry: Any, error_class: type[HubPartError], problem: str) -> None:
        """Puts one event. Raises `error_class`, whose message begins with `problem`."""
        try:
            answer = await self._calls.call("PutEvents", lambda: self._events.put_events(Entries=[entry]))
        except (ClientError, CloudBusy, CloudRefused) as error:
            raise error_class(f"{problem}: {error}") from error
        if answer["FailedEntryCount"]:
            raise error_class(f"{problem}: not accepted: {answer['Entries']}")


class SettingsRequests(_Requests):
    """Requests to change policies."""

    async def send(
        self,
        scope: str,
        request: str,
        changes: Mapping[str, Any],
        unset: Collection[str],
        base: str,
        requested_by: str,
        now: datetime,
    ) -> None:
        """Asks for it. Raises SettingsNotSent."""
        entry = settings_entry(self._cluster, scope, request, changes, unset, base, requested_by, now)
        problem = f"policy of {scope}: the change could not be requested"
        await self._put(entry, SettingsNotSent, problem)
        log.info("policy of %s: %s asks for a change (%s)", scope, requested_by, request)


class KeepRequests(_Requests):
    """Requests to keep workers running."""

    async def send(
        self, worker: str, instance_id: str, request: str, seconds: int, requested_by: str, now: datetime
    ) -> None:
        """Asks for it. Raises KeepNotSent."""
        entry = keep_entry(self._cluster, worker, instance_id, request, seconds, requested_by, now)
        problem = f"{worker}: it could not be requested to keep {instance_id}"
        await self._put(entry, KeepNotSent, problem)
        log.info("%s: %s asks to keep %s for %s s (%s)", worker, requested_by, instance_id, seconds, request)


class StopRequests(_Requests):
    """Requests to stop workers."""

    async def send(self, worker: str, instance_id: str, requested_by: str, now: datetime) -> None:
        """Requests the stop of this instance. Raises StopNotSent."""
        entry = stop_entry(self._cluster, worker, instance_id, requested_by, now)
        problem = f"{worker}: the stop of {instance_id} could not be requested"
        await self._put(entry, StopNotSent, problem)
        log.info("%s: stop of %s requested by %s", worker, instance_id, requested_by)


async def until_answered(
    send: Callable[[], Awaitable[None]],
    look: Callable[[], Awaitable[Found | None]],
    pause: Callable[[float], Awaitable[None]],
    pauses: Iterator[float],
) -> Found:
    """What `look` finds as the answer to the request that `send` puts; without an end: the caller sets one.

    It is put again after some readings, as the same one: it may have been lost, or have come when it was not answered.
    """
    while True:
        await send()
        for _ in range(READINGS):
            await pause(next(pauses))
            if found := await look():
                return found
