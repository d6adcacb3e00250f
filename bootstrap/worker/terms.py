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
LONGEST_TEXT = 6000
"""Characters of the JSON that is read."""
LONGEST_MESSAGE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget of the month that comes to its end, the user's own or a shared one."""

    message: str
    """What the user reads."""
    is_over: bool = False
    """Is it used up?"""
    stops_at: datetime | None = None
    """When this machine is stopped for it; None while it is not."""
    stops_work: bool = False
    """Then also while a program runs?"""


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
    budget: Budget | None = None
    """None while most of it is left, or there is none."""

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
    if name in STRUCTURED:
        return STRUCTURED[name](value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return READERS.get(name, _duration)(value)


def _signals(value: Any) -> frozenset[Signal]:
    """Those that this worker knows: a newer hub may have others."""
    return frozenset(one for one in Signal if isinstance(value, list) and one in value)


def _budget(value: Any) -> Budget | None:
    message = value.get("message") if isinstance(value, dict) else None
    if not isinstance(message, str):
        return None
    ends = value.get("stops_at")
    is_time = isinstance(ends, int | float) and not isinstance(ends, bool)
    return Budget(
        message=message[:LONGEST_MESSAGE],
        is_over=value.get("is_over") is True,
        stops_at=_instant(ends) if is_time else None,
        stops_work=value.get("stops_work") is True,
    )


def _duration(value: float) -> timedelta | None:
    return timedelta(seconds=value) if 0 <= value <= LONGEST.total_seconds() else None


def _instant(value: float) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if 0 <= value <= LATEST.timestamp() else None


def _level(value: float) -> Level | None:
    return Level(int(value)) if value in {Level.LOAD, Level.WORK, Level.INTERACTION} else None


STRUCTURED: Mapping[str, Callable[[Any], Any]] = {"ignored_signals": _signals, "budget": _budget}
READERS: Mapping[str, Callable[[float], Any]] = {"keep_until": _instant, "lowest_level": _level}
