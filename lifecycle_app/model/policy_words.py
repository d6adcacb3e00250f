"""Policies for people: what each field means, its values in words, and which scope they come from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lifecycle_app.contract import CLUSTER_SCOPE, group_scope
from lifecycle_app.model.messages import length
from lifecycle_app.model.policy import READERS, SHARED, SIGNALS, policy_for, read, scopes

DEFAULT = "default"
NEVER, NONE, UNLIMITED = "never", "none", "unlimited"
HOURS, DOLLARS = ("budget_hours", "shared_budget_hours"), ("budget_dollars", "shared_budget_dollars")
BUDGETS = (*HOURS, *DOLLARS)

DESCRIPTIONS: Mapping[str, str] = {
    "idle_timeout": "a machine that is not used for this long is stopped",
    "busy_allowance": "how long a program may run on without its user; never: no limit",
    "app_allowance": "how long an open page of a web app (RStudio, Streamlit) keeps a machine; 0s: not at all",
    "max_lifetime": "a machine is stopped after this long in any case",
    "signals": "what counts as activity",
    "start_grace": "a machine is not stopped for this long after its start",
    "hung_after": "without report and CPU for this long it counts as hung",
    "hung_cpu": "percent of CPU below which a machine does nothing",
    "keep_limit": "how long ahead users may keep their own machine running; 0s: not at all",
    "ignored_signals": "sources of activity that do not count: docs/idleness.md lists them",
    "budget_hours": "hours a month that a user's machines may run, together; unlimited: no budget",
    "budget_dollars": "US dollars a month that a user's running machines may cost; unlimited: no budget",
    "budget_grace": "a machine that runs when the budget is used up is stopped after this long",
    "budget_stops_work": "whether that stops a machine on which a program runs, too",
    "shared_budget_hours": "hours a month that all users' machines may run, together; unlimited: no budget",
    "shared_budget_dollars": "US dollars a month that all users' running machines may cost; unlimited: no budget",
}


@dataclass(frozen=True, slots=True)
class Effective:
    """A field's effective value, and the scope it comes from: the most generous of the groups, or `default`."""

    name: str
    value: Any
    scope: str


def effective(user: str, groups: Iterable[str], found: Mapping[str, str]) -> list[Effective]:
    """What holds for a user, field by field, as the lifecycle app works it out; `user` "" for the cluster's level."""
    theirs = [scope for scope in scopes(user, groups) if scope in found]
    policy = policy_for(user, groups, found)
    said = {scope: read(found[scope]).fields for scope in theirs}
    return [Effective(name, value := getattr(policy, name), _said_by(name, value, said)) for name in READERS]


def of_groups(groups: Iterable[str], found: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The budgets that the users of each of these groups share, by scope: they hold beside the cluster's."""
    said = {group_scope(group): read(found.get(group_scope(group), "{}")).fields for group in sorted(groups)}
    shared = {
        scope: {name: fields[name] for name in SHARED if name in fields} for scope, fields in said.items()
    }
    return {scope: fields for scope, fields in shared.items() if fields}


def _said_by(name: str, value: Any, said: Mapping[str, Mapping[str, Any]]) -> str:
    """The last scope, from cluster to user, that says what holds."""
    found = [
        scope
        for scope, fields in said.items()
        if name in fields and fields[name] == value and (name not in SHARED or scope == CLUSTER_SCOPE)
    ]
    return found[-1] if found else DEFAULT


def readable(name: str, value: Any) -> str:
    """A value as `settings set` takes it, and for people."""
    if value is None:
        return UNLIMITED if name in BUDGETS else NEVER
    if name in (*BUDGETS, "budget_stops_work"):
        return str(plain(name, value)).lower().removesuffix(".0")
    if isinstance(value, timedelta):
        return length(value)
    if isinstance(value, frozenset):
        return ",".join(plain(name, value)) or NONE
    return str(value)


def plain(name: str, value: Any) -> Any:
    """A value as the settings table has it: for scripts."""
    if name in HOURS and value is not None:
        return value / timedelta(hours=1)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if name == "signals":
        return [word for word, level in SIGNALS.items() if level in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def readable_policy(text: str) -> dict[str, str]:
    """What a scope sets, for people; what cannot be used of it under the field's name, with the reason."""
    said = read(text)
    shown = {name: readable(name, value) for name, value in said.fields.items()}
    return shown | {f"unusable {n}": problem for n, problem in enumerate(said.problems, start=1)}
