"""AWS calls as the local cloud counts them, by caller; and Lambda invocations, derived from the app's schedules."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any

from benchmarks.bench.report import Row, Section
from lifecycle_app.settings import RECONCILE_SCHEDULE, RECORD_SCHEDULE, SWEEP_SCHEDULE
from tests.scenarios.cloud import LocalCloud, control

HUB, LIFECYCLE, WORKER, OPERATOR = "hub", "lifecycle app", "worker", "operator"

Calls = Counter[tuple[str, str]]
"""How often each caller made each call, named "service:Action"."""


def state(cloud: LocalCloud) -> dict[str, Any]:
    """Instances and counts of calls, from the local cloud's own control API."""
    return control(cloud.told, "state")


def seen(cloud: LocalCloud) -> Calls:
    """All calls since the local cloud's start."""
    return by_caller(state(cloud)["calls"]["principals"])


def by_caller(principals: dict[str, dict[str, int]]) -> Calls:
    """Counts by kind of principal."""
    counted: Calls = Counter()
    for principal, actions in principals.items():
        for action, count in actions.items():
            counted[caller(principal), action] += count
    return counted


def caller(principal: str) -> str:
    """The kind of a principal."""
    if "-manager/" in principal:
        return HUB
    if "-worker/" in principal:
        return WORKER
    return OPERATOR if principal == "local-operator" else LIFECYCLE


def made_by(calls: Calls, who: str, service: str = "") -> dict[str, int]:
    """One caller's calls, of one service if one is named: counts by "service:Action"."""
    return {
        action: count
        for (caller, action), count in sorted(calls.items())
        if count and caller == who and action.startswith(service)
    }


def text(counts: dict[str, int]) -> str:
    """Counts for a table."""
    named = (f"{count:,} {action.partition(':')[2]}" for action, count in counts.items())
    return ", ".join(named) or "none"


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
