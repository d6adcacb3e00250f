"""For how long this machine may run, as the hub says when it is asked (`keep.Hub.terms`)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from lifecycle_app.contract import Level, Signal

TERMS_SETTING = "cloudjhub_terms"
"""Where handlers find the terms among the web application's settings; whoever learns newer ones replaces them there."""
LONGEST = timedelta(days=366)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
LONGEST_TEXT = 2000
"""Characters of the JSON that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The user's idle policy as far as it says when a machine is stopped. `idle_timeout`: None if it is not known, as
    with a hub of an older version; then nothing is said about stops."""

    idle_timeout: timedelta | None = None
    lowest_level: Level = Level.LOAD
    busy_allowance: timedelta | None = None
    app_allowance: timedelta = timedelta(0)
    max_lifetime: timedelta | None = None
    start_grace: timedelta = timedelta(0)
    keep_limit: timedelta = timedelta(0)
    keep_until: datetime | None = None
    ignored_signals: frozenset[Signal] = frozenset()
    """Sources of activity that do not count. Nothing is ignored that the hub has not said."""
    step: timedelta = timedelta(0)
    """To its multiples reported activity is rounded up; 0 if that is not known."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What this JSON says, without what cannot be used of it: no server fails to start because of it."""
        try:
            given = json.loads(text) if len(text) <= LONGEST_TEXT else None
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return cls()
        names = {one.name for one in fields(cls)}
        read = {name: _read(name, value) for name, value in given.items() if name in names}
        return cls(**{name: value for name, value in read.items() if value is not None})


def _read(name: str, value: Any) -> Any:
    """The value of a field; None if it cannot be one."""
    if name == "ignored_signals":
        return _signals(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return READERS.get(name, _duration)(value)


def _signals(value: Any) -> frozenset[Signal]:
    """Those that this worker knows: a newer hub may have others."""
    return frozenset(one for one in Signal if isinstance(value, list) and one in value)


def _duration(value: float) -> timedelta | None:
    return timedelta(seconds=value) if 0 <= value <= LONGEST.total_seconds() else None


def _instant(value: float) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if 0 <= value <= LATEST.timestamp() else None


def _level(value: float) -> Level | None:
    return Level(int(value)) if value in {Level.LOAD, Level.WORK, Level.INTERACTION} else None


READERS: Mapping[str, Callable[[float], Any]] = {"keep_until": _instant, "lowest_level": _level}
