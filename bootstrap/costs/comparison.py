"""What the choices cost beside each other: ways to the internet by size of class, and cloudJHub's own formula."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bootstrap.config.choices import Egress
from bootstrap.config.settings import ClusterSettings, Network, Workers
from bootstrap.costs.model import monthly, total

SIZES: Sequence[tuple[int, float]] = ((5, 10), (20, 30), (200, 20), (200, 120), (2000, 20), (2000, 120))
"""Users, and hours each a month."""
SAMPLE = ClusterSettings(
    cluster="sample",
    region="us-east-1",
    owner="",
    network=Network(name="sample"),
    workers=Workers(types=("t3.medium",), disk=8, home_disk=3),
)
EGRESS_ITEMS = ("NAT gateway", "workers' public addresses", "manager as NAT instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFormula:
    """cloudJHub's documented formula, `M + N * (T*A + SS * (SC + PC))`, US dollars a month."""

    manager: float
    """M: the manager."""
    users: int
    """N."""
    hours: float
    """A: hours a user."""
    hour: float
    """T: an instance, an hour."""
    storage: float
    """SS: GB a user."""
    storage_gb: float
    """SC: a GB of disk."""
    snapshot_gb: float
    """PC: a GB of snapshot."""

    @property
    def compute(self) -> float:
        return self.users * self.hour * self.hours

    @property
    def disks(self) -> float:
        return self.users * self.storage * self.storage_gb

    @property
    def snapshots(self) -> float:
        return self.users * self.storage * self.snapshot_gb

    @property
    def total(self) -> float:
        return self.manager + self.compute + self.disks + self.snapshots


def egress_costs(users: int, hours: float) -> dict[Egress, tuple[float, float]]:
    """For each way to the internet: what it costs, and the whole cluster with it."""
    costs = {}
    for egress in Egress:
        settings = replace(SAMPLE, users=users, hours=hours, network=replace(SAMPLE.network, egress=egress))
        items = monthly(settings)
        own = sum(item.dollars or 0.0 for item in items if item.name in EGRESS_ITEMS)
        costs[egress] = (own, total(items))
    return costs


def egress_table() -> str:
    """Markdown: US dollars a month for the way to the internet, and in brackets for the whole cluster."""
    lines = [
        "| users | hours each | " + " | ".join(f"`{egress}`" for egress in Egress) + " |",
        "|---:|---:|" + "---:|" * len(Egress),
    ]
    for users, hours in SIZES:
        costs = egress_costs(users, hours)
        cells = " | ".join(f"{costs[egress][0]:,.0f} ({costs[egress][1]:,.0f})" for egress in Egress)
        lines.append(f"| {users:,} | {hours:g} | {cells} |")
    return "\n".join(lines)
