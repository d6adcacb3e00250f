"""Which backup a time names; and restoring JupyterHub's database from one.

The hub itself restores it, before it opens its database; the request is in the settings table.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls, sparing
from bootstrap.errors import NotBuilt, SettingsError, StepFailed
from bootstrap.machines import hub_log
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations.health.facts import asked_hub
from hub.database.archive import AHEAD, Backup, Request
from hub.errors import NOT_RESTORED, RESTORED
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.model.messages import duration

LATEST = "latest"
NONE_YET = "there are no backups yet: the first is made in the night, or by the next update"
WITHIN = timedelta(minutes=5)
"""The hub reads the request within a minute, starts again, and its log comes some seconds late."""
LOOK_EVERY = 5.0


class Dated(Protocol):
    """A backup of anything."""

    @property
    def at(self) -> datetime:
        """When it was made."""


B = TypeVar("B", bound=Dated)


def chosen(found: Sequence[B], at: str) -> B:
    """The backup that `at` names: `latest`, a day (its last backup), or a time (the newest one until then).

    Days and times are the operator's own where they name no zone. Raises SettingsError with what there is near it.
    """
    if not found:
        raise SettingsError(NONE_YET)
    if at == LATEST:
        return _newest(found)
    day, time = _day(at), _time(at)
    if day is None and time is None:
        raise SettingsError(
            f"{at!r} is not a time: write {LATEST}, a day like 2026-11-29, or 2026-11-29T08:00"
        )
    fitting = [
        one for one in found if (one.at.astimezone().date() == day if day else time and one.at <= time)
    ]
    if fitting:
        return _newest(fitting)
    raise SettingsError(f"there is no backup {'of' if day else 'until'} {at}: {_near(found, day, time)}")


def _newest(found: Sequence[B]) -> B:
    return max(found, key=lambda one: one.at)


def _near(found: Sequence[Dated], day: date | None, time: datetime | None) -> str:
    """The backups next to a day or time that has none."""
    before = [one for one in found if (one.at.astimezone().date() < day if day else time and one.at <= time)]
    after = [one for one in found if one not in before]
    near = [*([_newest(before)] if before else []), *([min(after, key=lambda one: one.at)] if after else [])]
    return f"the nearest {'is' if len(near) == 1 else 'are'} of {' and '.join(map(local_time, near))}"


def local_time(backup: Dated) -> str:
    """When it was made, in the operator's time zone, as `--at` takes it."""
    return f"{backup.at.astimezone():%Y-%m-%dT%H:%M:%S}"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None


def restore(site: Site, backup: Backup, now: datetime, report: Report, within: timedelta = WITHIN) -> None:
    """Have the hub restore a backup, and wait until it answers again. Raises NotBuilt, StepFailed.

    The request is taken back in every case.
    """
    if not [
        one for one in found_by_tags(site.aws, site.cluster, ROLE_MANAGER) if is_running(one["State"]["Name"])
    ]:
        raise NotBuilt("the manager does not run: run `cloudjhub up`, then this command again")
    request, table = Request(backup, now), SettingsStore(site.cluster, site.aws.region)
    table.put_restore(request.text)
    try:
        _await_outcome(site, request, report, within)
    finally:
        table.end_restore()


def is_running(state: str) -> bool:
    """Is an instance in this state one whose hub can read the request?"""
    return state in ("pending", "running")


def _await_outcome(site: Site, request: Request, report: Report, within: timedelta) -> None:
    progress, key, is_done = sparing(report), request.backup.key, False
    for waited in polls(within.total_seconds(), every=LOOK_EVERY):
        if not is_done:
            is_done = _is_restored(site, request)
        if is_done and not asked_hub(site).trouble:
            return
        progress(f"waiting for the hub to {'start' if is_done else 'restore ' + key}: {waited:.0f} s")
    if is_done:
        raise StepFailed("the backup is restored, but the hub does not answer: see `cloudjhub logs manager`")
    raise StepFailed(
        f"the hub has not restored {key} within {duration(within)}, and the request is taken back: see "
        "`cloudjhub logs manager`; a manager of an earlier version of cloudJHub restores none, run `cloudjhub up`"
    )


def _is_restored(site: Site, request: Request) -> bool:
    """Has the hub said so? Raises StepFailed if it said that it cannot."""
    since = request.at - AHEAD
    if any(request.mark in line for line in hub_log.said(site.aws, site.cluster, since, RESTORED)):
        return True
    for line in hub_log.said(site.aws, site.cluster, since, NOT_RESTORED):
        if request.mark in line:
            raise StepFailed(f"nothing was restored: {line}")
    return False
