"""A user's use of a month against the budget: what was used, when it was used up, until when a worker runs on. Pure.

A month is a calendar month in UTC, as AWS bills it and as `cloudjhub report` shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lifecycle_app.model.history import cost
from lifecycle_app.model.policy import Policy
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a user has used of this month's budget."""

    used: Use
    time_limit: timedelta | None
    dollar_limit: float | None
    resets_at: datetime

    @property
    def share(self) -> float:
        """The used share of the budget that is nearer to its end; 0 without a budget."""
        shares = [
            used / limit if limit else 1.0
            for used, limit in (
                (self.used.time / HOUR, None if self.time_limit is None else self.time_limit / HOUR),
                (self.used.dollars, self.dollar_limit),
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
    return (
        f"Your budget of this month is used up: {used_text(found)}. Machines can be started again from"
        f" {day_text(found.resets_at)} on. If you need one before, ask your administrator."
    )


def near_message(found: Standing) -> str:
    """For the user whose budget comes to its end."""
    return (
        f"You have used {used_text(found)} of this month's budget. When it is used up, your machine is stopped; a new"
        f" budget begins on {day_text(found.resets_at)}. If you need more, ask your administrator."
    )


def used_text(found: Standing) -> str:
    """What is used of each limit, like `33.5 of 40 hours, $1.20 of $5.00`; "" without a budget."""
    texts = []
    if found.time_limit is not None:
        texts.append(f"{found.used.time / HOUR:.1f} of {found.time_limit / HOUR:g} hours")
    if found.dollar_limit is not None:
        texts.append(f"${found.used.dollars:.2f} of ${found.dollar_limit:.2f}")
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


def standing(policy: Policy, workers: Iterable[Worker], now: datetime) -> Standing:
    """The standing of the user whose workers these are."""
    return Standing(
        used=used(workers, now),
        time_limit=policy.budget_hours,
        dollar_limit=policy.budget_dollars,
        resets_at=next_month(now),
    )


def with_budget(worker: Worker, policy: Policy, workers: Collection[Worker], now: datetime) -> Worker:
    """The running worker, with the time since which its user's budget is used up; without one while it is not.

    `workers`: all of the user's. The time stays what it was when the worker keeps running, so that a grace ends.
    """
    if not policy.has_budget or not standing(policy, workers, now).is_over:
        return replace(worker, over_budget_since=None)
    if is_over(worker, policy, now):
        return worker
    reached = _used_up_at(policy, workers, now)
    return replace(worker, over_budget_since=reached if now - reached <= NOTICED_WITHIN else now)


def is_over(worker: Worker, policy: Policy, now: datetime) -> bool:
    """Does the record say that its user's budget of this month is used up, as far as there still is one?"""
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


def _used_up_at(policy: Policy, workers: Collection[Worker], now: datetime) -> datetime:
    """When the budget was used up, if the workers that run now have run since; not before the last of them started."""
    running = [worker for worker in workers if worker.started_at is not None]
    began = max((worker.started_at for worker in running if worker.started_at), default=now)
    total, excess = used(workers, now), [timedelta(0)]
    if policy.budget_hours is not None and running:
        excess.append((total.time - policy.budget_hours) / len(running))
    per_second = sum(cost(one.instance_type, 3600, one.zone) or 0.0 for one in running) / 3600
    if policy.budget_dollars is not None and per_second:
        excess.append(timedelta(seconds=(total.dollars - policy.budget_dollars) / per_second))
    return max(began, month_begin(now), now - max(excess))
