"""The idle policy in cluster.yaml: the fields of `lifecycle_app.model.policy`, with durations as people write them."""

import json
from typing import Any

from bootstrap.config.document import Listing, Scalar, Table, Value, suggestion
from bootstrap.config.values import duration, free
from lifecycle_app.model.policy import READERS, read

NEVER = "never"
DURATIONS = ("idle_timeout", "busy_allowance", "max_lifetime", "start_grace", "hung_after")
ENDLESS = tuple(name for name in DURATIONS if name in ("busy_allowance", "max_lifetime"))


def policy(value: Value) -> dict[str, Any]:
    """The policy's JSON object: durations in seconds, None for never. Raises SettingsError."""
    if isinstance(value, Scalar) and value.is_empty:
        return {}
    if not isinstance(value, Table):
        raise value.place.wrong("must hold indented lines below it, like `idle_timeout: 1h`")
    found: dict[str, Any] = {}
    for name, entry in value.entries.items():
        if name not in READERS:
            raise entry.place.wrong(f"there is no such setting: {suggestion(name, list(READERS))}")
        found[name] = field(name, entry)
    return found


def field(name: str, value: Value) -> Any:
    """The JSON value of one field of the policy, checked by the lifecycle app's own rules."""
    found = _plain(name, value)
    for problem in read(json.dumps({name: found})).problems:
        raise value.place.wrong(problem.removeprefix(f"{name}: "))
    return found


def _plain(name: str, value: Value) -> Any:
    if name in DURATIONS:
        if name in ENDLESS and isinstance(value, Scalar) and (value.is_empty or value.text == NEVER):
            return None
        return int(duration(value).total_seconds())
    if name == "signals" and not isinstance(value, Listing):
        raise value.place.wrong("must be a list like [interaction, work, load]")
    return free(value)
