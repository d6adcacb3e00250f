"""What was decided and what happened, as it is kept for the administrator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What an entry tells of."""

    DECISION = "decision"
    """The reason why a worker is kept or stopped has changed."""
    STOP = "stop"
    """EC2 accepted a stop."""
    RELEASE = "release"
    """A stop was given up."""
    RUN = "run"
    """A run has ended; with its seconds and cost."""
    REPAIR = "repair"
    """The record was put right."""
    REPORT = "report"
    """Something is wrong that only an administrator can put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a worker's history. `evidence` holds what JSON can."""

    key: str
    at: datetime
    kind: Kind
    reason: str
    words: str
    instance_id: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    seconds: int | None = None
    cost: float | None = None
    """US dollars for the instance alone; None if its type's price is unknown."""

    def __post_init__(self) -> None:
        if self.at.utcoffset() != timedelta(0):
            raise ValueError(f"history of {self.key}: not an aware UTC time: {self.at!r}")

    @property
    def sort_key(self) -> str:
        """Unique within a worker's history, and the same when the same thing is told again."""
        return f"{self.at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}#{self.kind}:{self.reason}"

    @property
    def day(self) -> str:
        """The UTC day it happened on, as 2026-11-23."""
        return self.at.strftime("%Y-%m-%d")
