"""Lambda invocations, as the app's own schedules and rules make them."""

import re
from datetime import timedelta

from benchmarks.bench.report import Row, Section
from lifecycle_app.settings import RECONCILE_SCHEDULE, RECORD_SCHEDULE, SWEEP_SCHEDULE

# pending, running, stopping, stopped; and the alarm, or the request of a user who pressed Stop.
STATES, STOP = 4, 1


def per_hour(schedule: str) -> float:
    """How often EventBridge's "rate(5 minutes)" runs in an hour. Raises ValueError for other expressions."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    if not found:
        raise ValueError(f"{schedule!r} is not a rate")
    return timedelta(hours=1) / (int(found[1]) * timedelta(**{f"{found[2]}s": 1}))


def section() -> Section:
    """Counted from the schedules, not measured."""
    schedules = {"record_activity": RECORD_SCHEDULE, "sweep": SWEEP_SCHEDULE, "reconcile": RECONCILE_SCHEDULE}
    hourly = {name: per_hour(schedule) for name, schedule in schedules.items()}
    named = ", ".join(f"{count:g} {name}" for name, count in hourly.items())
    return Section(
        title="Lambda invocations",
        intro="Derived from the schedules and rules of the app, not measured.",
        rows=(
            Row(
                what="per hour and cluster, independent of what runs",
                value=f"{sum(hourly.values()):g} ({named})",
            ),
            Row(what="additionally per worker and hour", value="0"),
            Row(
                what="additionally per run of a worker, from start to stop",
                value=f"{STATES + STOP} ({STATES} state changes, {STOP} alarm or stop request)",
            ),
        ),
    )
