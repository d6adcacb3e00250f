"""Asking the lifecycle app to stop workers, and not to stop one before a time.

The app alone stops workers, because it alone respects a login that is under way.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls
from bootstrap.config.values import duration
from bootstrap.errors import NotBuilt, SettingsError, StepFailed
from bootstrap.operations.workers.listing import ListedWorker, store_of
from hub.clients.lifecycle import stop_entry
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.worker import State, Worker

ENTRIES_A_CALL = 10
"""PutEvents' limit."""
STOPS_WITHIN = 420.0
"""Seconds: a drain, EC2's own stop of a busy instance, and one retry of Lambda's."""
POLL_EVERY = 2.0

Clock = Callable[[], datetime]


def running(machines: Sequence[ListedWorker]) -> list[ListedWorker]:
    """Those that can be stopped."""
    return [one for one in machines if one.state in (State.PENDING, State.RUNNING)]


def ask_to_stop(
    site: Site, machines: Sequence[ListedWorker], now: datetime, *, unless_used: bool = False
) -> None:
    """Put a stop request for each, as the hub does when a user presses Stop; `unless_used`: their users keep those on
    which they have a server by then. Raises StepFailed.
    """
    asked_by = operator_of(site)
    entries: list[Any] = [
        stop_entry(site.cluster, one.key, one.instance_id, asked_by, now, unless_used=unless_used)
        for one in running(machines)
    ]
    for start in range(0, len(entries), ENTRIES_A_CALL):
        answer = site.aws.client("events").put_events(Entries=entries[start : start + ENTRIES_A_CALL])
        if answer["FailedEntryCount"]:
            raise StepFailed(f"EventBridge did not take every stop request, try again: {answer['Entries']}")


def operator_of(site: Site) -> str:
    """The operator's name, as records and the history show it."""
    return site.aws.caller.rpartition("/")[2]


def stop(site: Site, machines: Sequence[ListedWorker], clock: Clock, report: Report) -> None:
    """Request it, and wait until all are stopped. Raises StepFailed that names those that go on running."""
    requested = running(machines)
    if requested:
        report(f"requesting the stop of {len(requested)}")
        ask_to_stop(site, requested, clock())
    await_stopped(site, [one for one in machines if one in requested or one.state == State.STOPPING], report)


def await_stopped(site: Site, machines: Sequence[ListedWorker], report: Report) -> None:
    """Until their records say that they cost nothing more."""
    store, left = store_of(site), [one.key for one in machines]
    for _ in polls(STOPS_WITHIN, every=POLL_EVERY):
        left = [key for key in left if (worker := store.get(key)) is not None and worker.state.costs]
        if not left:
            return
        report(f"waiting for {len(left)} of {len(machines)} to stop")
    raise StepFailed(f"still not stopped: {', '.join(left)}: see `cloudjhub logs stop_requested`")


TRIES = 5
LONGEST = timedelta(days=366)
NO_LONGER = "none"


def moment(text: str, now: datetime, setting: str = "keep_until") -> datetime | None:
    """`2h` from now, or a time like 2026-12-01T18:00, the operator's own where it names no zone; None for `none`."""
    if text == NO_LONGER:
        return None
    # Years beyond the calendar's end are cut before they are added.
    until = _instant(text, setting) or now + min(_duration(text, setting), LONGEST + timedelta(days=1))
    if until <= now:
        raise SettingsError(f"{setting}: {text} is over: give a time that is to come, or `{NO_LONGER}`")
    if until > now + LONGEST:
        raise SettingsError(f"{setting}: {text} is too far off: at most {LONGEST.days} days")
    return until


def _duration(text: str, setting: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise SettingsError(f"{setting}: {error}") from error


def _instant(text: str, setting: str) -> datetime | None:
    if "-" not in text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"{setting}: {text!r}: write 2h, 2026-12-01T18:00 or `{NO_LONGER}`") from error


def kept(worker: Worker, until: datetime | None, by: str, now: datetime) -> Worker:
    """The worker, not to be stopped before then. Once that is taken back, the next sweep decides about it."""
    is_looked_at = until is None and worker.state is State.RUNNING
    due_at = now if is_looked_at else worker.due_at
    return replace(worker, keep_until=until, keep_by=by if until else "", due_at=due_at)


def keep(store: WorkerStore, key: str, until: datetime | None, by: str, clock: Clock) -> Worker:
    """The record as written, with who asked for it. Raises NotBuilt where there is none, StepFailed if it changes all
    the time.
    """
    for _ in range(TRIES):
        worker = store.get(key)
        if worker is None:
            raise NotBuilt(f"unknown worker {key}: it is created when its user logs in for the first time")
        now = clock()
        try:
            return store.put(kept(worker, until, by, now), now)
        except RecordConflict:
            continue  # the lifecycle app wrote in between: read what it wrote
    raise StepFailed(f"the record of {key} changes all the time: try again")
