"""A month's use against the budgets, a user's and those that users share: what was used, when a budget was used up,
until when a worker runs on. Pure.

A month is a calendar month in UTC, as AWS bills it and as `cloudjhub report` shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lifecycle_app.contract import CLUSTER_SCOPE, group_scope, user_scope
from lifecycle_app.model.history import cost
from lifecycle_app.model.policy import Limit, Policy
from lifecycle_app.model.worker import Worker

HOUR = timedelta(hours=1)
NEAR = 0.8
"""From this share of the budget on its user is warned."""
NOTICED_WITHIN = timedelta(minutes=10)
"""A budget that was used up earlier than this, and is noticed now, has been lowered since: the grace begins now."""


@dataclass(frozen=True, slots=True)
class Use:
    """Running time, and what it cost in US dollars. Time whose price is not known costs nothing."""

    time: timedelta = timedelta(0)
    dollars: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(self.time + other.time, self.dollars + other.dollars)


UNUSED = Use()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has been used of this month's budget, by the user or by all who share it."""

    limit: Limit
    used: Use
    resets_at: datetime

    @property
    def share(self) -> float:
        """The used share of the budget that is nearer to its end; 0 without a budget."""
        shares = [
            used / limit if limit else 1.0
            for used, limit in (
                (self.used.time / HOUR, None if self.limit.time is None else self.limit.time / HOUR),
                (self.used.dollars, self.limit.dollars),
            )
            if limit is not None
        ]
        return max(shares, default=0.0)

    @property
    def is_over(self) -> bool:
        """Is it used up?"""
        return self.share >= 1

    @property
    def is_near(self) -> bool:
        """Is it time to say that it comes to its end?"""
        return self.share >= NEAR


def used_up_message(found: Standing) -> str:
    """For the user whose budget is used up: what happened, until when that is so, what to do."""
    shared = whose(found.limit.scope)
    is_so = (
        f"This month's budget of {shared} is used up."
        if shared
        else f"Your budget of this month is used up: {used_text(found)}."
    )
    return (
        f"{is_so} Machines can be started again from {day_text(found.resets_at)} on. If you need one before, ask your"
        " administrator."
    )


def near_message(found: Standing) -> str:
    """For the user whose budget comes to its end. Of a shared one only the share is said, not what others used."""
    shared = whose(found.limit.scope)
    is_so = (
        f"{int(found.share * 100)} % of this month's budget of {shared} is used."
        if shared
        else f"You have used {used_text(found)} of this month's budget."
    )
    return (
        f"{is_so} When it is used up, your machine is stopped; a new budget begins on {day_text(found.resets_at)}. If"
        " you need more, ask your administrator."
    )


def whose(scope: str) -> str:
    """Who shares the budget of this scope, like `the group staff`; "" for a user's own."""
    if scope == CLUSTER_SCOPE:
        return "all users together"
    name = scope.partition("/")[2]
    return f"the group {name}" if group_scope(name) == scope else ""


def used_text(found: Standing) -> str:
    """What is used of each limit, like `33.5 of 40 hours, $1.20 of $5.00`; "" without a budget."""
    texts = []
    if found.limit.time is not None:
        texts.append(f"{found.used.time / HOUR:.1f} of {found.limit.time / HOUR:g} hours")
    if found.limit.dollars is not None:
        texts.append(f"${found.used.dollars:.2f} of ${found.limit.dollars:.2f}")
    return ", ".join(texts)


def day_text(at: datetime) -> str:
    """A day in UTC, like 1 December."""
    return f"{at.day} {at:%B} (UTC)"


def month_begin(at: datetime) -> datetime:
    """The first moment of the month that a time is in."""
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(at: datetime) -> datetime:
    """When the month after that begins."""
    return month_begin(month_begin(at) + timedelta(days=31))


def month_name(at: datetime) -> str:
    """Its month, like 2026-11."""
    return f"{at:%Y-%m}"


def with_run(worker: Worker, at: datetime) -> Worker:
    """The worker whose run ends then, with the run's part of that month added to what its record has of the month."""
    if worker.started_at is None:
        return worker
    total = _finished(worker, at) + _part(worker, worker.started_at, at)
    return replace(
        worker,
        month=month_name(at),
        month_seconds=int(total.time.total_seconds()),
        month_dollars=round(total.dollars, 6),
    )


def used(workers: Iterable[Worker], now: datetime) -> Use:
    """What these workers have used of the present month: finished runs, and those that go on."""
    total = Use()
    for worker in workers:
        going_on = _part(worker, worker.started_at, now) if worker.started_at else Use()
        total = total + _finished(worker, now) + going_on
    return total


def uses(workers: Iterable[Worker], now: datetime) -> dict[str, Use]:
    """What has been used of the present month in each scope: by each user, each group and the cluster. A worker counts
    in the groups that its record names.
    """
    found: defaultdict[str, Use] = defaultdict(Use)
    for worker in workers:
        part = used([worker], now)
        if part != UNUSED:
            for scope in _scopes(worker):
                found[scope] += part
    return dict(found)


def standings(user: str, policy: Policy, by_scope: Mapping[str, Use], now: datetime) -> list[Standing]:
    """How each of the budgets stands that hold for this user."""
    return [
        Standing(limit=limit, used=by_scope.get(limit.scope, UNUSED), resets_at=next_month(now))
        for limit in policy.limits(user)
    ]


def nearest(found: Iterable[Standing]) -> Standing | None:
    """The one that is nearest to its end, or furthest beyond it; None without a budget."""
    return max(found, key=lambda one: one.share, default=None)


def used_up(limits: Iterable[Limit], workers: Collection[Worker], now: datetime) -> dict[Limit, datetime]:
    """Those of the budgets that are used up, each with the moment since when. `workers`: all that ran this month."""
    by_scope: defaultdict[str, list[Worker]] = defaultdict(list)
    for worker in workers:
        for scope in _scopes(worker):
            by_scope[scope].append(worker)
    found = {}
    for limit in frozenset(limits):
        theirs = by_scope[limit.scope]
        total = used(theirs, now)
        if Standing(limit=limit, used=total, resets_at=next_month(now)).is_over:
            found[limit] = _used_up_at(limit, total, theirs, now)
    return found


def with_budget(worker: Worker, policy: Policy, over: Mapping[Limit, datetime], now: datetime) -> Worker:
    """The running worker, with the time since which a budget of its user's is used up; without one while none is.

    `over`: what `used_up` says. The time stays what it was when the worker keeps running, so that a grace ends.
    """
    theirs = {limit.scope: over[limit] for limit in policy.limits(worker.user) if limit in over}
    if not theirs:
        return replace(worker, over_budget_since=None, over_budget_of="")
    first = min(theirs, key=lambda scope: theirs[scope])
    if is_over(worker, policy, now):
        return worker if worker.over_budget_of in theirs else replace(worker, over_budget_of=first)
    reached = theirs[first]
    since = reached if now - reached <= NOTICED_WITHIN else now
    return replace(worker, over_budget_since=since, over_budget_of=first)


def is_over(worker: Worker, policy: Policy, now: datetime) -> bool:
    """Does the record say that a budget of its user's is used up this month, as far as there still is one?"""
    since = worker.over_budget_since
    return policy.has_budget and since is not None and month_name(since) == month_name(now)


def stops_at(worker: Worker, policy: Policy, now: datetime) -> datetime | None:
    """When it is stopped because the budget is used up; None while it is not."""
    since = worker.over_budget_since
    if since is None or not is_over(worker, policy, now):
        return None
    ends = since + policy.budget_grace
    # In the next month there is a new budget.
    return ends if month_name(ends) == month_name(now) else None


def is_kept_by_another(worker: Worker, now: datetime) -> bool:
    """Does an administrator, or another who looks after it, keep it running? That outranks a budget."""
    is_kept = worker.keep_until is not None and now < worker.keep_until
    return is_kept and worker.keep_by != worker.user


def _finished(worker: Worker, at: datetime) -> Use:
    if worker.month != month_name(at):
        return Use()
    return Use(timedelta(seconds=worker.month_seconds), worker.month_dollars)


def _part(worker: Worker, began: datetime, until: datetime) -> Use:
    """What a run has used of the month of `until`."""
    seconds = int((until - max(began, month_begin(until))).total_seconds())
    if seconds <= 0:
        return Use()
    return Use(timedelta(seconds=seconds), cost(worker.instance_type, seconds, worker.zone) or 0.0)


def _scopes(worker: Worker) -> list[str]:
    """Those whose budgets its use counts in."""
    return [user_scope(worker.user), CLUSTER_SCOPE, *map(group_scope, set(worker.groups))]


def _used_up_at(limit: Limit, total: Use, workers: Collection[Worker], now: datetime) -> datetime:
    """When the budget was used up, if the workers that run now have run since; not before the last of them started."""
    running = [worker for worker in workers if worker.started_at is not None]
    began = max((worker.started_at for worker in running if worker.started_at), default=now)
    excess = [timedelta(0)]
    if limit.time is not None and running:
        excess.append((total.time - limit.time) / len(running))
    per_second = sum(cost(one.instance_type, 3600, one.zone) or 0.0 for one in running) / 3600
    if limit.dollars is not None and per_second:
        excess.append(timedelta(seconds=(total.dollars - limit.dollars) / per_second))
    return max(began, month_begin(now), now - max(excess))
