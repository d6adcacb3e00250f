"""What an administrator tells all users on the hub's pages, until it is over. Pure."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

LONGEST = 500
"""Characters of its text."""


class Level(StrEnum):
    """How it is shown; the names are Bootstrap's."""

    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A text for all users."""

    text: str
    level: Level = Level.INFO
    until: datetime | None = None
    """Aware, in UTC; None for no end."""

    def is_over(self, now: datetime) -> bool:
        """Is it to be shown no longer?"""
        return self.until is not None and now >= self.until


def announcement(text: str, level: str, until: datetime | None) -> Announcement:
    """The announcement. Raises ValueError that says what is wrong."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST or not text.isprintable():
        raise ValueError(f"an announcement has 1 to {LONGEST} printable characters")
    return Announcement(text=text, level=Level(level), until=until)


def parse(document: str) -> Announcement:
    """What `to_json` wrote. Raises ValueError that says what is wrong."""
    found: Any = json.loads(document)
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise ValueError("not an object with a text")  # noqa: TRY004 -- a wrong text, not a wrong program
    until = found.get("until")
    if until is not None and (isinstance(until, bool) or not isinstance(until, int | float)):
        raise ValueError("`until` is not a time in seconds")
    try:
        at = None if until is None else datetime.fromtimestamp(until, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("`until` is not a time in seconds") from error
    return announcement(found["text"], str(found.get("level", Level.INFO)), at)


def to_json(said: Announcement) -> str:
    """The text that `parse` reads."""
    until = {} if said.until is None else {"until": said.until.timestamp()}
    return json.dumps({"text": said.text, "level": str(said.level), **until}, ensure_ascii=False)
