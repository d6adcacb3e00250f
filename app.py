"""The lifecycle app's handlers: parse the event, call one function, return. Rules and schedules are set here."""

# Chalice's decorators have no types.
# mypy: disable-error-code="untyped-decorator"

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalice.app import Chalice, CloudWatchEvent

from lifecycle_app import use_cases
from lifecycle_app.contract import (
    ALARM_STATE_CHANGE,
    CLOUDWATCH_SOURCE,
    EC2_SOURCE,
    EC2_STATE_CHANGE,
    HUB_SOURCE,
    KEEP_REQUESTED,
    SETTINGS_REQUESTED,
    STOP_REQUESTED,
    idle_alarm_prefix,
    utc_now,
)
from lifecycle_app.errors import BadRecord, EventRefused, NotNow
from lifecycle_app.model import events
from lifecycle_app.settings import settings, triggers
from lifecycle_app.wiring import home_disks, wired

logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # where the platform has not done so
logging.getLogger("lifecycle_app").setLevel(logging.INFO)
log = logging.getLogger("lifecycle_app.handlers")


class Event(CloudWatchEvent):  # type: ignore[misc]  # Chalice publishes no types
    """An event as it arrived. Chalice's own class raises KeyError for a missing field, and Lambda retries; `events`
    refuses it."""

    def _extract_attributes(self, event_dict: object) -> None:
        pass


app = Chalice(app_name="cloudjhub")
deployed = triggers()

ONE_WORKER_TAKES = 110_000
"""Milliseconds, if CloudWatch, the hub (asked twice) and EC2 all run into their timeouts."""

EARLY_TRIES, EARLY_PAUSE = 3, 3.0
"""Seconds. EC2 lists a new instance, and another function finishes with its worker, mostly within these."""


@app.on_cw_event({"source": [EC2_SOURCE], "detail-type": [EC2_STATE_CHANGE]})
def record_state(event: CloudWatchEvent) -> object:
    """EC2 reports a new state of an instance: the worker's record follows."""
    return handled(
        lambda now: use_cases.record_state(wired(), events.state_change(accepted(event, now)), now)
    )


@app.on_cw_event(
    {
        "source": [CLOUDWATCH_SOURCE],
        "detail-type": [ALARM_STATE_CHANGE],
        "detail": {
            "alarmName": [{"prefix": idle_alarm_prefix(deployed.cluster)}],
            "state": {"value": ["ALARM"]},
        },
    }
)
def idle_alarm(event: CloudWatchEvent) -> object:
    """A worker's alarm is in ALARM: it is stopped if its policy says so."""
    return handled(
        lambda now: use_cases.idle_alarm(
            wired(), events.idle_alarm(accepted(event, now), wired().cluster), now
        )
    )


@app.on_cw_event(
    {
        "source": [HUB_SOURCE],
        "detail-type": [STOP_REQUESTED],
        "detail": {"cluster": [deployed.cluster]},
    }
)
def stop_requested(event: CloudWatchEvent) -> object:
    """The hub or an operator wants a worker stopped."""
    return handled(
        lambda now: use_cases.stop_requested(
            wired(), events.stop_request(accepted(event, now), wired().cluster), now
        )
    )


@app.on_cw_event(
    {
        "source": [HUB_SOURCE],
        "detail-type": [KEEP_REQUESTED],
        "detail": {"cluster": [deployed.cluster]},
    }
)
def keep_requested(event: CloudWatchEvent) -> object:
    """The hub asks, for a user, to keep the user's worker running."""
    return handled(
        lambda now: use_cases.keep_requested(
            wired(), events.keep_request(accepted(event, now), wired().cluster), now
        )
    )


@app.on_cw_event(
    {
        "source": [HUB_SOURCE],
        "detail-type": [SETTINGS_REQUESTED],
        "detail": {"cluster": [deployed.cluster]},
    }
)
def change_policy(event: CloudWatchEvent) -> object:
    """The hub asks, for an administrator, to change a policy. No other function may write settings."""
    return handled(
        lambda now: use_cases.change_policy(
            wired(), events.settings_request(accepted(event, now), wired().cluster), now
        )
    )


@app.schedule(deployed.record_schedule)
def record_activity(_: CloudWatchEvent) -> object:
    """Writes what each running worker last reported into its record."""
    return handled(lambda now: use_cases.record_activity(wired(), now))


@app.schedule(deployed.sweep_schedule)
def sweep(event: CloudWatchEvent) -> object:
    """Decides about every worker that is due: finds what alarms missed. Ends early rather than run out of time."""
    return handled(lambda _: use_cases.sweep(wired(), lambda: is_time_left(event)))


@app.schedule(deployed.reconcile_schedule)
def reconcile(event: CloudWatchEvent) -> object:
    """Compares records, EC2 and alarms, and repairs what events have missed."""
    return handled(lambda now: use_cases.reconcile(wired(), now, lambda: is_time_left(event)))


@app.schedule(deployed.removal_schedule)
def remove_stopped(event: CloudWatchEvent) -> object:
    """Terminates the instances of workers that have been stopped for long; their home disks stay."""
    return handled(
        lambda _: use_cases.remove_stopped(wired(), settings().root_kept, lambda: is_time_left(event))
    )


@app.schedule(deployed.growth_schedule)
def grow_homes(_: CloudWatchEvent) -> object:
    """Marks home disks for their daily backups, and grows those that are filling. No other function may change a
    volume."""
    return handled(care_for_homes)


def care_for_homes(now: datetime) -> dict[str, int]:
    """Each by itself: a home is grown whatever becomes of the marks."""
    grown = use_cases.grow_homes(wired(), home_disks(), settings().home_limit, now)
    marked = use_cases.mark_homes(wired(), home_disks()) if settings().are_homes_backed_up else {}
    return {**grown, **marked}


def accepted(event: CloudWatchEvent, now: datetime) -> Mapping[str, Any]:
    """The event's payload, if it is of this account and region and recent. Raises EventRefused."""
    return events.accepted(event.to_dict(), event.context.invoked_function_arn, now)


def handled(act: Callable[[datetime], object]) -> object:
    """The result of `act` at the present time. A refused event is logged; any other error is logged and raised again,
    so that Lambda retries."""
    try:
        return patiently(act)
    except EventRefused as refusal:
        log.info("ignored: %s: %s", type(refusal).__name__, refusal)
        return {"ignored": str(refusal)}
    except BadRecord as bad:
        # A retry would not fix it: reconcile reports it, and updates the state once it is fixed.
        log.error("left alone: %s", bad)
        return {"left alone": str(bad)}
    except Exception:
        log.exception("failed")
        raise


def patiently(act: Callable[[datetime], object]) -> object:
    """The result of `act`, tried again where it is too early: Lambda counts each of its own retries as an error, and an
    alarm counts errors. Raises NotNow where it still is too early."""
    for _ in range(EARLY_TRIES):
        try:
            return act(utc_now())
        except NotNow as early:
            log.info("trying again in %.0f s: %s", EARLY_PAUSE, early)
            time.sleep(EARLY_PAUSE)
    return act(utc_now())


def is_time_left(event: CloudWatchEvent) -> bool:
    """Is there time for one more worker before Lambda ends this run?"""
    return bool(event.context.get_remaining_time_in_millis() > ONE_WORKER_TAKES)


for handler in (
    record_state,
    idle_alarm,
    stop_requested,
    keep_requested,
    change_policy,
    record_activity,
    sweep,
    reconcile,
    remove_stopped,
    grow_homes,
):
    handler.event_class = Event
