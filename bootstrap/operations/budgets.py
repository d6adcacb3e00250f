"""How much of this month's budgets is used, of users and of those that a group or all users share, by the machines'
records. Who has no budget is left out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from bootstrap.aws.errors import built
from bootstrap.aws.site import Site
from bootstrap.operations import policies
from bootstrap.operations.workers.listing import store_of
from lifecycle_app.contract import CLUSTER_SCOPE, group_scope, user_scope
from lifecycle_app.model.budget import HOUR, UNUSED, Standing, next_month, used_text, uses
from lifecycle_app.model.policy import Limit, policy_for, shared_limits
from lifecycle_app.model.worker import Worker


def read(site: Site, now: datetime) -> dict[str, Standing]:
    """By scope. Raises NotBuilt."""
    with built(site.cluster):
        workers = store_of(site).scan().workers
    return standings(workers, policies.texts(site), now)


def standings(workers: Iterable[Worker], texts: Mapping[str, str], now: datetime) -> dict[str, Standing]:
    """By scope: the shared budgets, and those of users who have a machine; their groups are those of the record that
    was written last. Pure.
    """
    known = sorted(workers, key=lambda worker: worker.changed_at)
    groups = {one.user: one.groups for one in known}
    limits = [
        *shared_limits(texts),
        *(one for user in sorted(groups) for one in _own(user, groups[user], texts)),
    ]
    used = uses(known, now)
    return {
        one.scope: Standing(limit=one, used=used.get(one.scope, UNUSED), resets_at=next_month(now))
        for one in limits
    }


def _own(user: str, groups: Iterable[str], texts: Mapping[str, str]) -> list[Limit]:
    limits = policy_for(user, groups, texts).limits(user)
    return [one for one in limits if one.scope == user_scope(user)]


def is_shared(scope: str) -> bool:
    """May the users of this scope share a budget?"""
    return scope == CLUSTER_SCOPE or scope.startswith(group_scope(""))


def owner(scope: str) -> str:
    """For the operator, whose budget it is: a user's name, group/NAME or cluster."""
    return scope.removeprefix(user_scope(""))


def warnings(before: Mapping[str, Standing], after: Mapping[str, Standing]) -> list[str]:
    """A line for each budget that a change of the policy makes used up. Pure."""
    over = {scope for scope, one in before.items() if one.is_over}
    return [
        f"{owner(scope)} has used {used_text(one)}: no machine is started any more, and those that run stop after"
        " budget_grace"
        for scope, one in after.items()
        if one.is_over and scope not in over
    ]


def note(found: Standing) -> str:
    """For the operator, of a budget that comes to its end; "" while most of it is left."""
    if not found.is_near:
        return ""
    return "budget used up" if found.is_over else f"{_percent(found)} of the budget used"


def summary(found: Mapping[str, Standing]) -> str:
    """One line about all budgets; "" where there is none."""
    if not found:
        return ""
    over = [owner(scope) for scope, one in found.items() if one.is_over]
    near = [owner(scope) for scope, one in found.items() if one.is_near and not one.is_over]
    shared = sum(map(is_shared, found))
    counts = [f"{len(found) - shared} users", *([f"{shared} shared"] if shared else [])]
    return f"{', '.join(counts)}, used up: {_named(over)}, from 80 %: {_named(near)}"


def as_document(found: Standing) -> dict[str, Any]:
    """For scripts: hours and US dollars, null where there is no limit."""
    return {
        "hours": round(found.used.time / HOUR, 4),
        "hours_limit": None if found.limit.time is None else found.limit.time / HOUR,
        "dollars": round(found.used.dollars, 4),
        "dollars_limit": found.limit.dollars,
        "share": round(found.share, 4),
        "resets_at": found.resets_at.isoformat(),
    }


def line(scope: str, found: Standing) -> tuple[str, str, str]:
    """A row of a table: whose it is, what is used of each limit, share."""
    return owner(scope), used_text(found), _percent(found)


def _percent(found: Standing) -> str:
    return f"{found.share * 100:.0f} %"


MOST_NAMED = 5


def _named(users: list[str]) -> str:
    more = len(users) - MOST_NAMED
    return ", ".join([*users[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])]) or "none"
