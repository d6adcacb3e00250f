"""What is recorded of all workers, good and bad."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifecycle_app.errors import BadRecord
from lifecycle_app.worker import Worker


@dataclass(frozen=True, slots=True)
class Census:
    """All workers, and the records that cannot be used."""

    workers: list[Worker]
    bad: list[BadRecord] = field(default_factory=list)

    @property
    def bad_keys(self) -> frozenset[str]:
        """The workers of which nothing is known."""
        return frozenset(one.key for one in self.bad)
