"""Keeping a worker up until a time, whatever it does: the lifecycle app declines to stop it before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bootstrap.config.values import duration
from bootstrap.errors import NotBuilt, SettingsError, StepFailed
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.worker import State, Worker

TRIES = 5
LONGEST = timedelta(days=366)
NO_LONGER = "none"


def moment(text: str, now: datetime) -> datetime | None:
    """`2h` from now, or a time like 2026-12-01T18:00, the operator's own where it names no zone; None for `none`."""
    if text == NO_LONGER:
        return None
    # Years beyond the calendar's end are cut before they are added.
    until = _instant(text) or now + min(_duration(text), LONGEST + timedelta(days=1))
    if until <= now:
        raise SettingsError(f"keep_until: {text} is over: give a time that is to come, or `{NO_LONGER}`")
    if until > now + LONGEST:
        raise SettingsError(f"keep_until: {text} is too far off: at most {LONGEST.days} days")
    return until


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise SettingsError(f"keep_until: {error}") from error


def _instant(text: str) -> datetime | None:
    if "-" not in text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"keep_until: {text!r}: write 2h, 2026-12-01T18:00 or `{NO_LONGER}`") from error


def kept(worker: Worker, until: datetime | None, now: datetime) -> Worker:
    """The worker, not to be stopped before then. Once that is taken back, the next sweep looks at it."""
    is_looked_at = until is None and worker.state is State.RUNNING
    return replace(worker, keep_until=until, due_at=now if is_looked_at else worker.due_at)


def keep(store: WorkerStore, key: str, until: datetime | None, clock: Callable[[], datetime]) -> Worker:
    """The record as written. Raises NotBuilt where there is none, StepFailed if it changes all the time."""
    for _ in range(TRIES):
        worker = store.get(key)
        if worker is None:
            raise NotBuilt(f"there is no worker {key}: it is made when its user logs in for the first time")
        now = clock()
        try:
            return store.put(kept(worker, until, now), now)
        except RecordConflict:
            continue  # the lifecycle app wrote in between: read what it wrote
    raise StepFailed(f"the record of {key} changes all the time: try again")
