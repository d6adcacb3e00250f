"""What every step of building a cluster is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report


class Kind(StrEnum):
    """What happens to a part."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `up` or `down` does; `detail` says what and with which effect on users, in a few words."""

    kind: Kind
    what: str
    detail: str = ""


class Step(Protocol):
    """A part of a cluster. Idempotent: whatever an interruption left, `apply` completes it without a duplicate."""

    name: str

    def changes(self, site: Site) -> list[Change]:
        """What `apply` would do. Reads only; works before the steps ahead of it are built."""
        ...

    def apply(self, site: Site, report: Report) -> None:
        """Bring it to what the settings say."""
        ...

    def removals(self, site: Site) -> list[Change]:
        """What `remove` would do. Reads only."""
        ...

    def remove(self, site: Site, report: Report) -> None:
        """Remove it, if it is there, as far as it is this cluster's own."""
        ...
