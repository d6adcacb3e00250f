"""The idle policy in the settings table: what cluster, groups and users set, and what is effective for a user."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from bootstrap.aws.errors import built
from bootstrap.aws.site import Site
from bootstrap.config.policy import field
from bootstrap.errors import SettingsError, StepFailed
from bootstrap.operations.workers.stopping import operator_of
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.contract import CLUSTER_SCOPE
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.outlook import outlook
from lifecycle_app.model.policy import NOT_SHARED, READERS, SHARED
from lifecycle_app.model.policy import changed as changed_fields
from lifecycle_app.model.policy_record import with_policy
from lifecycle_app.model.worker import Worker

GROUP, USER = "group/", "user/"

Document = dict[str, Any]
"""What one scope sets: durations in seconds, None for never."""


def scope_of(text: str) -> str:
    """`cluster`, `group/<name>` or `user/<name>`. Raises SettingsError."""
    if text == CLUSTER_SCOPE or (text.startswith((GROUP, USER)) and text.partition("/")[2]):
        return text
    raise SettingsError(f"there is no scope {text!r}: say cluster, group/<name> or user/<name>")


def texts(site: Site) -> dict[str, str]:
    """The policies' JSON by scope, of all scopes that have one. Raises NotBuilt."""
    with built(site.cluster):
        return store(site).all_policies()


def write(site: Site, scope: str, before: str | None, after: Document, now: datetime) -> None:
    """Set what a scope says, if it still says what it did `before`. Raises StepFailed otherwise.

    The change is recorded with the operator's name, for administrators too.
    """
    settings = store(site)
    try:
        found = settings.policy_record(scope)
        if found.policy != (before or ""):
            raise RecordConflict(f"policy of {scope} was changed meanwhile")
        settings.put_policy_record(found, with_policy(found, after, operator_of(site), now))
    except RecordConflict as error:
        raise StepFailed(
            f"another operator or an administrator has just changed {scope}: check it and try again"
        ) from error


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


def changed(
    scope: str, before: str | None, assignments: Sequence[tuple[str, str]], unset: Sequence[str]
) -> Document:
    """What a scope sets afterwards, without what it set that cannot be used. Raises SettingsError."""
    values = {known: field(known, text) for name, text in assignments if (known := _known(name))}
    return changed_fields(scope, before, values, [_known(name) for name in unset])


def _known(name: str) -> str:
    if name in READERS:
        return name
    close = get_close_matches(name, READERS, n=1)
    fix = f"did you mean {close[0]}?" if close else f"there are {', '.join(READERS)}"
    raise SettingsError(f"there is no setting {name!r}: {fix}")


def stopping_now(
    workers: Iterable[Worker], before: Mapping[str, str], after: Mapping[str, str], now: datetime
) -> list[tuple[str, timedelta]]:
    """Running workers that a change would have stopped at once, each with how long it has been idle; an estimate."""
    running = list(workers)
    already = outlook(running, before, now).due
    return [(key, idle) for key, idle in outlook(running, after, now).due.items() if key not in already]
