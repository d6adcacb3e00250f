"""What a bill is calculated from, and its items."""

from dataclasses import dataclass

from bootstrap.config.settings import ClusterSettings
from bootstrap.costs.prices import HOURS_A_MONTH, Assumptions, Prices


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill: US dollars; None where the price of an instance type is not known."""

    name: str
    formula: str
    dollars: float | None
    is_metered: bool = False
    """Is it known of each user once the month is over? What `report` reads of the history and the disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much the cluster is used, and for how long it is there."""

    users: int
    worked: float
    """Hours that all their machines run together."""
    runs: float
    """Starts of all machines."""
    hours: float = HOURS_A_MONTH
    """For which the manager and the network are there."""
    months: float = 1.0
    """The same as a part of a month, for what has a price a month."""

    @property
    def hours_each(self) -> float:
        """Hours for each user."""
        return self.worked / self.users if self.users else 0.0

    @property
    def working(self) -> float:
        """How many users' machines run at all, at most: the others fetch nothing."""
        return min(float(self.users), self.runs)


def expected(settings: ClusterSettings, assumed: Assumptions) -> Load:
    """A whole month as the settings expect it."""
    return Load(
        users=settings.users,
        worked=settings.users * settings.hours,
        runs=settings.users * assumed.runs,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """What a bill is calculated from."""

    settings: ClusterSettings
    prices: Prices
    assumed: Assumptions
    load: Load

    @property
    def users(self) -> str:
        """Like "1 user" or "20 users"."""
        return "1 user" if self.load.users == 1 else f"{self.load.users} users"

    @property
    def worked(self) -> str:
        """Like "20 users × 30 h"."""
        return f"{self.users} × {self.load.hours_each:g} h"

    def of_month(self, formula: str) -> str:
        """The formula of what has a price a month, for the part of it that is counted."""
        return formula if self.load.months == 1 else f"{self.load.months:.0%} of {formula}"


def price_text(dollars: float | None) -> str:
    """Like "$0.005", or "unknown"."""
    return "unknown" if dollars is None else f"${dollars:.4f}".rstrip("0").rstrip(".")
