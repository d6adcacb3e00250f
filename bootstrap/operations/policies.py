"""The idle policy in the settings table: what cluster, groups and users set, and what is effective for a user."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from bootstrap.aws.errors import built
from bootstrap.aws.site import Site
from bootstrap.config.policy import BUDGETS, HOURS, NEVER, NONE, UNLIMITED, field
from bootstrap.errors import SettingsError, StepFailed
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.contract import CLUSTER_SCOPE, group_scope
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.messages import length
from lifecycle_app.model.policy import (
    NOT_SHARED,
    READERS,
    SHARED,
    SIGNALS,
    Policy,
    policy_for,
    read,
    scopes,
)
from lifecycle_app.model.worker import State, Worker

DEFAULT = "default"
GROUP, USER = "group/", "user/"

Document = dict[str, Any]
"""What one scope sets: durations in seconds, None for never."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A field's effective value, and the scope it comes from: the most generous of the groups, or `default`."""

    name: str
    value: Any
    scope: str


def scope_of(text: str) -> str:
    """`cluster`, `group/<name>` or `user/<name>`. Raises SettingsError."""
    if text == CLUSTER_SCOPE or (text.startswith((GROUP, USER)) and text.partition("/")[2]):
        return text
    raise SettingsError(f"there is no scope {text!r}: say cluster, group/<name> or user/<name>")


def texts(site: Site) -> dict[str, str]:
    """The policies' JSON by scope, of all scopes that have one. Raises NotBuilt."""
    with built(site.cluster):
        return store(site).all_policies()


def write(site: Site, scope: str, before: str | None, after: Document) -> None:
    """Set what a scope says, if it still says what it did `before`. Raises StepFailed otherwise."""
    try:
        store(site).put_policy(scope, before, json.dumps(after) if after else None)
    except RecordConflict as error:
        raise StepFailed(f"another operator has just changed {scope}: check it and try again") from error


def store(site: Site) -> SettingsStore:
    """The cluster's settings table."""
    return SettingsStore(site.cluster, site.aws.region)


def require_sharers(scope: str, names: Iterable[str]) -> None:
    """Raises SettingsError where a budget that users share is to be a single user's."""
    shared = sorted(set(names) & set(SHARED)) if scope.startswith(USER) else []
    if shared:
        raise SettingsError(
            f"{shared[0]} with --user: {NOT_SHARED}. Give {shared[0].removeprefix('shared_')}"
        )


def changed(before: str | None, assignments: Sequence[tuple[str, str]], unset: Sequence[str]) -> Document:
    """What a scope sets afterwards, without what it set that cannot be used. Raises SettingsError."""
    given = json.loads(before) if before and not _is_damaged(before) else {}
    document = {name: value for name, value in given.items() if not read(json.dumps({name: value})).problems}
    for name, text in assignments:
        known = _known(name)
        document[known] = field(known, text)
    for name in unset:
        document.pop(_known(name), None)
    return document


def _is_damaged(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), dict)
    except ValueError:
        return True


def _known(name: str) -> str:
    if name in READERS:
        return name
    close = get_close_matches(name, READERS, n=1)
    fix = f"did you mean {close[0]}?" if close else f"there are {', '.join(READERS)}"
    raise SettingsError(f"there is no setting {name!r}: {fix}")


def effective(user: str, groups: Iterable[str], found: Mapping[str, str]) -> list[Effective]:
    """What holds for a user, field by field, as the lifecycle app works it out; `user` "" for the cluster's level."""
    theirs = [scope for scope in scopes(user, groups) if scope in found]
    policy = policy_for(user, groups, found)
    said = {scope: read(found[scope]).fields for scope in theirs}
    return [Effective(name, getattr(policy, name), _said_by(name, policy, said)) for name in READERS]


def of_groups(groups: Iterable[str], found: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The budgets that the users of each of these groups share, by scope: they hold beside the cluster's."""
    said = {group_scope(group): read(found.get(group_scope(group), "{}")).fields for group in sorted(groups)}
    shared = {
        scope: {name: fields[name] for name in SHARED if name in fields} for scope, fields in said.items()
    }
    return {scope: fields for scope, fields in shared.items() if fields}


def _said_by(name: str, policy: Policy, said: Mapping[str, Mapping[str, Any]]) -> str:
    """The last scope, from cluster to user, that says what holds."""
    value = getattr(policy, name)
    found = [
        scope
        for scope, fields in said.items()
        if name in fields and fields[name] == value and (name not in SHARED or scope == CLUSTER_SCOPE)
    ]
    return found[-1] if found else DEFAULT


def stopping_now(
    workers: Iterable[Worker], before: Mapping[str, str], after: Mapping[str, str], now: datetime
) -> list[tuple[str, timedelta]]:
    """Running workers that a change makes idle too long at once, each with how long it has been idle."""
    found = []
    for worker in workers:
        if worker.state is not State.RUNNING or (worker.keep_until is not None and now < worker.keep_until):
            continue
        started = worker.started_at or worker.state_at
        idle = now - max(started, worker.last_activity or started)
        old, new = (policy_for(worker.user, worker.groups, texts) for texts in (before, after))
        if old.idle_timeout > idle >= new.idle_timeout and now >= started + new.start_grace:
            found.append((worker.key, idle))
    return found


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
