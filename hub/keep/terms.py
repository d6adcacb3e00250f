"""A user's idle policy as far as the own machine has to know it: it says beforehand when it is stopped."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import looked_back, query_period
from lifecycle_app.model.worker import Worker

DURATIONS = ("idle_timeout", "busy_allowance", "app_allowance", "max_lifetime", "start_grace")


def longest_keep(policy: Policy, worker: Worker | None, now: datetime) -> timedelta:
    """How long from now the user may keep the machine running; 0: not at all."""
    if worker is None:
        return timedelta(0)
    return policy.longest_keep(worker.started_at or worker.state_at, now)


def terms(
    policy: Policy, worker: Worker | None, report_period: timedelta, now: datetime
) -> Mapping[str, Any]:
    """What the machine is told: the policy's fields in seconds, without what has no end; `lowest_level` as a number,
    `keep_until` in epoch seconds; `ignored_signals` if there are any; `step`, to whose multiples reported activity is
    rounded up.
    """
    step = query_period(report_period, looked_back(policy, report_period))
    found: dict[str, Any] = {"step": step.total_seconds()}
    for name in DURATIONS:
        value = getattr(policy, name)
        if value is not None:
            found[name] = value.total_seconds()
    kept = worker.keep_until if worker is not None else None
    if kept is not None and kept > now:
        found["keep_until"] = kept.timestamp()
    if policy.ignored_signals:
        found["ignored_signals"] = sorted(policy.ignored_signals)
    limit = longest_keep(policy, worker, now).total_seconds()
    return {**found, "lowest_level": int(policy.lowest_level), "keep_limit": limit}
