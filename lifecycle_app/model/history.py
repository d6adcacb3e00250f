"""The history of workers: decisions, stops and runs, and what a run costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lifecycle_app.model.messages import Message, Part, parts
from lifecycle_app.printable import printable_values


class Kind(StrEnum):
    """What an entry records."""

    DECISION = "decision"
    """The reason why a worker is kept or stopped has changed."""
    STOP = "stop"
    """EC2 accepted a stop."""
    RELEASE = "release"
    """A stop was given up."""
    RUN = "run"
    """A run has ended; with its seconds and cost."""
    REMOVAL = "removal"
    """A stopped instance was terminated; the home disk is kept."""
    GROWTH = "growth"
    """The home disk was grown."""
    REPAIR = "repair"
    """The record was corrected."""
    REPORT = "report"
    """Something is wrong that only an administrator can fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a worker's history. `evidence` is what JSON can hold, with printable texts."""

    key: str
    at: datetime
    kind: Kind
    reason: str
    message: Message
    instance_id: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    seconds: int | None = None
    cost: float | None = None
    """US dollars for the instance alone; None if its type's price is unknown."""

    def __post_init__(self) -> None:
        if self.at.utcoffset() != timedelta(0):
            raise ValueError(f"history of {self.key}: not an aware UTC time: {self.at!r}")
        object.__setattr__(self, "evidence", printable_values(self.evidence))

    @property
    def sort_key(self) -> str:
        """Unique within a worker's history, and the same when the same thing is recorded again."""
        return f"{self.at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}#{self.kind}:{self.reason}"

    @property
    def day(self) -> str:
        """The UTC day it happened on, as 2026-11-23."""
        return self.at.strftime("%Y-%m-%d")


PREFIXES = {Kind.STOP: "stopped: ", Kind.RELEASE: "not stopped: ", Kind.DECISION: "kept: "}


def sentence(entry: Entry) -> list[Part]:
    """What an entry says, as one sentence that begins with what was done, without capital and full stop."""
    found, prefix = parts(entry.message), PREFIXES.get(entry.kind, "")
    is_said = str(found[0]).startswith(prefix.partition(":")[0]) if found else True
    return found if is_said else [prefix, *found]


PER_HOUR = {
    "t2.micro": 0.0116,
    "t2.small": 0.023,
    "t2.medium": 0.0464,
    "t2.large": 0.0928,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "t3.xlarge": 0.1664,
    "t3a.small": 0.0188,
    "t3a.medium": 0.0376,
    "t3a.large": 0.0752,
    "t3a.xlarge": 0.1504,
    "t4g.small": 0.0168,
    "t4g.medium": 0.0336,
    "t4g.large": 0.0672,
    "t4g.xlarge": 0.1344,
    "t3.2xlarge": 0.3328,
    "t4g.2xlarge": 0.2688,
    "m7i.large": 0.1008,
    "m7i.xlarge": 0.2016,
    "m7g.medium": 0.0408,
    "m7g.large": 0.0816,
    "m7g.xlarge": 0.1632,
    "m7i.2xlarge": 0.4032,
    "m7g.2xlarge": 0.3264,
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
    "g5g.xlarge": 0.42,
}
"""US dollars an hour, Linux on demand, in REGION; date and source are in `bootstrap.costs.prices`."""
REGION = "us-east-1"
"""The only one whose prices are known."""
_ZONE = re.compile(rf"{REGION}[a-z]")
"""Of the region itself: its local zones have prices of their own."""
LEAST_SECONDS_BILLED = 60


def cost(instance_type: str, seconds: int, zone: str) -> float | None:
    """What a run of so many seconds costs; None if the price of this type in this zone is not known."""
    price = PER_HOUR.get(instance_type) if _ZONE.fullmatch(zone) else None
    return None if price is None else round(price * max(seconds, LEAST_SECONDS_BILLED) / 3600, 6)
