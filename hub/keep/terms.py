"""A user's idle policy as far as the own machine has to know it: it says beforehand when it is stopped."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hub.clients.policies import Budget
from lifecycle_app.model.budget import is_kept_by_another, near_message, stops_at, used_up_message
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.resolution import looked_back, query_period
from lifecycle_app.model.worker import Worker

LONGEST_MESSAGE = 400
"""Characters of what is said of a budget: group names may be long, and the machine reads a bounded text."""
DURATIONS = ("idle_timeout", "busy_allowance", "app_allowance", "max_lifetime", "start_grace")


def longest_keep(policy: Policy, worker: Worker | None, now: datetime) -> timedelta:
    """How long from now the user may keep the machine running; 0: not at all."""
    if worker is None:
        return timedelta(0)
    return policy.longest_keep(worker.started_at or worker.state_at, now)


def terms(
    policy: Policy,
    worker: Worker | None,
    report_period: timedelta,
    now: datetime,
    budget: Budget | None = None,
) -> Mapping[str, Any]:
    """What the machine is told: the policy's fields in seconds, without what has no end; `lowest_level` as a number,
    `keep_until` in epoch seconds; `ignored_signals` if there are any; `step`, to whose multiples reported activity is
    rounded up; `budget` once most of it is used.
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
    if budget is not None and budget.standing.is_near:
        found["budget"] = _budget(budget, policy, worker, now)
    limit = longest_keep(policy, worker, now).total_seconds()
    return {**found, "lowest_level": int(policy.lowest_level), "keep_limit": limit}


def _budget(budget: Budget, policy: Policy, worker: Worker | None, now: datetime) -> dict[str, Any]:
    """What the user reads of it; once it is used up, when this machine is stopped for it, and whether work is too."""
    standing = budget.standing
    text = used_up_message(standing) if standing.is_over else near_message(standing)
    found: dict[str, Any] = {"message": text[:LONGEST_MESSAGE], "is_over": standing.is_over}
    ends = stops_at(worker, policy, now) if worker is not None else None
    if worker is not None and ends is not None:
        kept = worker.keep_until if is_kept_by_another(worker, now) else None
        found["stops_at"] = max(ends, kept or ends).timestamp()
        found["stops_work"] = policy.budget_stops_work
    return found
