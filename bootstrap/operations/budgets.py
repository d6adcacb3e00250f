"""How much of this month's budgets users have used, by their machines' records. Users without a budget are left out."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from bootstrap.aws.errors import built
from bootstrap.aws.site import Site
from bootstrap.operations import policies
from bootstrap.operations.workers.listing import store_of
from lifecycle_app.model.budget import HOUR, Standing, standing, used_text
from lifecycle_app.model.policy import policy_for
from lifecycle_app.model.worker import Worker


def read(site: Site, now: datetime) -> dict[str, Standing]:
    """By user. Raises NotBuilt."""
    with built(site.cluster):
        workers = store_of(site).scan().workers
    return standings(workers, policies.texts(site), now)


def standings(workers: Iterable[Worker], texts: Mapping[str, str], now: datetime) -> dict[str, Standing]:
    """By user who has a machine and a budget; groups are those of the record that was written last. Pure."""
    theirs: dict[str, list[Worker]] = {}
    for one in sorted(workers, key=lambda worker: worker.changed_at):
        theirs.setdefault(one.user, []).append(one)
    found = {}
    for user, machines in sorted(theirs.items()):
        policy = policy_for(user, machines[-1].groups, texts)
        if policy.has_budget:
            found[user] = standing(policy, machines, now)
    return found


def warnings(before: Mapping[str, Standing], after: Mapping[str, Standing]) -> list[str]:
    """A line for each user whom a change of the policy puts over the budget. Pure."""
    over = {user for user, one in before.items() if one.is_over}
    return [
        f"{user} has used {used_text(one)}: no machine is started any more, and those that run stop after budget_grace"
        for user, one in after.items()
        if one.is_over and user not in over
    ]


def note(found: Standing) -> str:
    """For the operator, of a budget that comes to its end; "" while most of it is left."""
    if not found.is_near:
        return ""
    return "budget used up" if found.is_over else f"{_percent(found)} of the budget used"


def summary(found: Mapping[str, Standing]) -> str:
    """One line about all users; "" where no user has a budget."""
    if not found:
        return ""
    over = [user for user, one in found.items() if one.is_over]
    near = [user for user, one in found.items() if one.is_near and not one.is_over]
    return f"{len(found)} users, used up: {_named(over)}, from 80 %: {_named(near)}"


def as_document(found: Standing) -> dict[str, Any]:
    """For scripts: hours and US dollars, null where there is no limit."""
    return {
        "hours": round(found.used.time / HOUR, 4),
        "hours_limit": None if found.time_limit is None else found.time_limit / HOUR,
        "dollars": round(found.used.dollars, 4),
        "dollars_limit": found.dollar_limit,
        "share": round(found.share, 4),
        "resets_at": found.resets_at.isoformat(),
    }


def line(user: str, found: Standing) -> tuple[str, str, str]:
    """A row of a table: user, what is used of each limit, share."""
    return user, used_text(found), _percent(found)


def _percent(found: Standing) -> str:
    return f"{found.share * 100:.0f} %"


MOST_NAMED = 5


def _named(users: list[str]) -> str:
    more = len(users) - MOST_NAMED
    return ", ".join([*users[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])]) or "none"
