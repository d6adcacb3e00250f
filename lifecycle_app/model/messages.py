"""How times and durations are told."""

from __future__ import annotations

from datetime import datetime, timedelta

IN_SECONDS_BELOW = timedelta(minutes=5)


def clock(at: datetime) -> str:
    """A UTC time to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def length(duration: timedelta) -> str:
    """A duration, in minutes unless that would be too coarse."""
    seconds = int(duration.total_seconds())
    return f"{seconds} s" if duration < IN_SECONDS_BELOW else f"{seconds // 60} min"
