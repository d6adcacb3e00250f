"""Asking the lifecycle app to stop workers. Nobody else stops one: only the app respects a login that is under way."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls
from bootstrap.errors import StepFailed
from bootstrap.operations.workers.listing import Machine, store_of
from hub.clients.lifecycle import stop_entry
from lifecycle_app.model.worker import State

ENTRIES_A_CALL = 10
"""PutEvents' limit."""
STOPS_WITHIN = 420.0
"""Seconds: a drain, EC2's own stop of a busy machine, and one retry of Lambda's."""
POLL_EVERY = 2.0

Clock = Callable[[], datetime]


def running(machines: Sequence[Machine]) -> list[Machine]:
    """Those that a stop can be asked for."""
    return [one for one in machines if one.state in (State.PENDING, State.RUNNING)]


def ask_to_stop(site: Site, machines: Sequence[Machine], now: datetime, *, unless_used: bool = False) -> None:
    """Put a stop request for each, as the hub does when somebody presses Stop; `unless_used`: their users keep those on
    which they have a server by then. Raises StepFailed.
    """
    asked_by = site.aws.caller.rpartition("/")[2]
    entries: list[Any] = [
        stop_entry(site.cluster, one.key, one.instance_id, asked_by, now, unless_used=unless_used)
        for one in running(machines)
    ]
    for start in range(0, len(entries), ENTRIES_A_CALL):
        answer = site.aws.client("events").put_events(Entries=entries[start : start + ENTRIES_A_CALL])
        if answer["FailedEntryCount"]:
            raise StepFailed(f"EventBridge did not take every stop request, try again: {answer['Entries']}")


def stop(site: Site, machines: Sequence[Machine], clock: Clock, report: Report) -> None:
    """Ask for it, and wait until all are stopped. Raises StepFailed that names those that go on running."""
    asked = running(machines)
    if asked:
        report(f"asking for {len(asked)} to stop")
        ask_to_stop(site, asked, clock())
    await_stopped(site, [one for one in machines if one in asked or one.state == State.STOPPING], report)


def await_stopped(site: Site, machines: Sequence[Machine], report: Report) -> None:
    """Until their records say that they cost nothing more."""
    store, left = store_of(site), [one.key for one in machines]
    for _ in polls(STOPS_WITHIN, every=POLL_EVERY):
        left = [key for key in left if (worker := store.get(key)) is not None and worker.state.costs]
        if not left:
            return
        report(f"waiting for {len(left)} of {len(machines)} to stop")
    raise StepFailed(f"still not stopped: {', '.join(left)}: `cloudjhub logs stop_requested` says why")
