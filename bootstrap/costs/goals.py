"""What the defaults cost now, beside what they cost before and what they are to cost: a table of docs/costs.md."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bootstrap.config.choices import Egress
from bootstrap.config.settings import ClusterSettings, Manager, Network, Workers
from bootstrap.costs.case import Item, Load, expected
from bootstrap.costs.model import BACKUPS, monthly, total
from bootstrap.costs.prices import Assumptions, Prices

NOW = ClusterSettings(cluster="sample", region="us-east-1", owner="", network=Network(name="sample"))
"""Nothing but defaults."""
BEFORE = replace(
    NOW,
    network=Network(name="sample", egress=Egress.NAT_GATEWAY),
    workers=Workers(types=("t3.medium", "t3.large"), disk=16, home_disk=5, root_kept="never", backup_days=0),
    manager=Manager(type="t3.small", disk=10, state_disk=4),
)
"""The defaults of November 2026, before arm64, IPv6 and temporary root disks."""
NOW_ASSUMED = Assumptions()
BEFORE_ASSUMED = replace(NOW_ASSUMED, own_alarms=16, dashboard_metrics=13 + 3 * 20, launched_elsewhere=0.5)
"""More alarms, a dashboard with metrics of each worker, workers in both zones alike."""

Bill = Callable[[ClusterSettings, Assumptions], float]


def _worked(users: int, hours: float) -> Bill:
    return lambda settings, assumed: _before_backups(
        monthly(replace(settings, users=users, hours=hours), assumed=assumed)
    )


def _backups(users: int, hours: float) -> Bill:
    return lambda settings, assumed: _of_backups(
        monthly(replace(settings, users=users, hours=hours), assumed=assumed)
    )


def _of_backups(items: Sequence[Item]) -> float:
    return total([one for one in items if one.name == BACKUPS])


def _before_backups(items: Sequence[Item]) -> float:
    return total(items) - _of_backups(items)


def _without_work(settings: ClusterSettings, assumed: Assumptions) -> float:
    quiet: Load = replace(expected(settings, assumed), worked=0.0, runs=0.0)
    return _before_backups(monthly(settings, assumed=assumed, load=quiet))


def _stays_away(settings: ClusterSettings, assumed: Assumptions) -> float:
    workers = settings.workers
    root = workers.disk if workers.root_lasts is None else 0
    backup = workers.home_disk * assumed.home_filled if workers.backups_kept else 0.0
    return (root + workers.home_disk) * Prices().disk_month + backup * Prices().snapshot_month


ROWS: tuple[tuple[str, Bill, str], ...] = (
    ("20 users × 30 h", _worked(20, 30), "at most 50"),
    ("200 users × 20 h", _worked(200, 20), "at most 250"),
    ("20 users, who do not work", _without_work, "at most 21"),
    ("backups of 20 × 30 h", _backups(20, 30), "at most 10 % of the bill"),
    ("backups of 200 × 20 h", _backups(200, 20), "at most 10 % of the bill"),
    ("a user who stays away", _stays_away, "at most 0.30, after 60 days"),
)
"""What is calculated, how, and the goal in US dollars a month."""


def goals_table() -> str:
    """Markdown: US dollars a month."""
    lines = ["| each month | before | now | goal |", "|---|---:|---:|---:|"]
    for name, bill, goal in ROWS:
        before, now = bill(BEFORE, BEFORE_ASSUMED), bill(NOW, NOW_ASSUMED)
        lines.append(f"| {name} | {before:.2f} | {now:.2f} | {goal} |")
    return "\n".join(lines)
