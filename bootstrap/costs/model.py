"""The items of a month's bill."""

from collections.abc import Sequence
from datetime import timedelta

from bootstrap.config.choices import INTERFACE_ENDPOINTS, Credits, Egress
from bootstrap.config.settings import ClusterSettings
from bootstrap.costs.case import Case, Item, Load, expected, price_text
from bootstrap.costs.prices import BASELINES, CREDIT_VCPUS, Assumptions, Prices
from bootstrap.costs.serverless import lifecycle

EGRESS_ITEMS = (
    "IPv6, and the manager for IPv4",
    "NAT gateway",
    "workers' public addresses",
    "manager as NAT instance",
)
"""The items of the ways to the internet."""
IMAGES_KEPT = 2
"""The one in use and the one before."""
HOURS_A_DAY = 24
BACKUPS = "backups of homes"
"""The item of the daily backups."""
HOUR = timedelta(hours=1)


def monthly(
    settings: ClusterSettings,
    prices: Prices | None = None,
    assumed: Assumptions | None = None,
    load: Load | None = None,
) -> list[Item]:
    """What the cluster costs in a month in which `users` work `hours` each, or under another load.

    A network that clusters share is counted in full; the egress of an existing VPC is not counted.
    """
    prices, assumed = prices or Prices(), assumed or Assumptions()
    case = Case(settings, prices, assumed, load or expected(settings, assumed))
    return [
        *_manager(case),
        _compute(case),
        *_credits(case),
        *_disks(case),
        *_egress(case),
        _outgoing(case),
        _between_zones(case),
        *lifecycle(case),
    ]


def total(items: Sequence[Item]) -> float:
    """The sum of all items whose price is known."""
    return sum(item.dollars for item in items if item.dollars is not None)


def _manager(case: Case) -> list[Item]:
    manager, prices, hours = case.settings.manager, case.prices, case.load.hours
    price = prices.instance_hour.get(manager.type)
    disks = manager.disk + manager.state_disk
    return [
        Item(
            "manager",
            f"{manager.type}: {price_text(price)}/h × {hours:g} h",
            None if price is None else price * hours,
        ),
        *_manager_address(case),
        Item(
            "manager's disks",
            case.of_month(f"{disks} GB × {price_text(prices.disk_month)}/GB"),
            disks * prices.disk_month * case.load.months,
        ),
    ]


def _manager_address(case: Case) -> list[Item]:
    price, hours = case.prices.address_hour, case.load.hours
    if case.settings.network.private:
        return []
    return [Item("manager's public address", f"{price_text(price)}/h × {hours:g} h", price * hours)]


def _compute(case: Case) -> Item:
    kind = case.settings.workers.all_types[0]
    price = case.prices.instance_hour.get(kind)
    return Item(
        "workers",
        f"{case.worked} × {price_text(price)}/h ({kind})",
        None if price is None else price * case.load.worked,
        is_metered=True,
    )


def _credits(case: Case) -> list[Item]:
    """With standard credits a burstable machine slows down instead."""
    workers, worked = case.settings.workers, case.load.worked
    family, _, size = workers.all_types[0].partition(".")
    price, baseline = case.prices.credit_hour.get(family), BASELINES.get(size)
    if price is None or baseline is None or workers.credits is Credits.STANDARD:
        return []
    vcpus = CREDIT_VCPUS.get(size, 2)
    above = max(0.0, case.assumed.cpu - baseline)
    most = worked * vcpus * (1 - baseline) * price
    return [
        Item(
            "unlimited CPU credits",
            f"{case.worked} × {vcpus} vCPUs × {above:.0%} × {price_text(price)}/h; were all always busy ${most:.2f}",
            worked * vcpus * above * price,
        )
    ]


def _disks(case: Case) -> list[Item]:
    """Disks of stopped machines cost what those of running ones do, until they are removed."""
    workers, users, prices, months = case.settings.workers, case.load.users, case.prices, case.load.months
    disk, snapshot = price_text(prices.disk_month), price_text(prices.snapshot_month)
    share = rooted_share(workers.root_lasts, case.load)
    kept = "stopped ones too" if share == 1 else f"{share:.0%} of the time: removed after {workers.root_kept}"
    items = [
        Item(
            "workers' root disks",
            case.of_month(f"{case.users} × {workers.disk} GB × {disk}/GB, {kept}"),
            users * workers.disk * prices.disk_month * months * share,
            is_metered=True,
        )
    ]
    if workers.home_disk:
        grows = f", each up to {workers.home_limit} GB when full" * (workers.home_limit > workers.home_disk)
        items.append(
            Item(
                "home disks",
                case.of_month(f"{case.users} × {workers.home_disk} GB × {disk}/GB{grows}"),
                users * workers.home_disk * prices.disk_month * months,
                is_metered=True,
            )
        )
    if workers.backups_kept:
        items.append(_backups(case))
    if case.assumed.snapshots_a_disk:
        each = (workers.disk + workers.home_disk) * case.assumed.snapshots_a_disk
        items.append(
            Item(
                "snapshots of users' disks",
                case.of_month(f"{case.users} × {each:g} GB × {snapshot}/GB"),
                users * each * prices.snapshot_month * months,
            )
        )
    if not workers.image:
        items.append(
            Item(
                "worker images",
                case.of_month(f"{IMAGES_KEPT} snapshots × {workers.disk} GB × {snapshot}/GB, at most"),
                IMAGES_KEPT * workers.disk * prices.snapshot_month * months,
            )
        )
    return items


def _backups(case: Case) -> Item:
    """Snapshots are incremental: what a home holds is kept once, and of each day with work what has changed on it."""
    workers, load, assumed, price = case.settings.workers, case.load, case.assumed, case.prices.snapshot_month
    runs_a_day = load.runs / load.users / load.hours * HOURS_A_DAY if load.users and load.hours else 0.0
    changed_days = workers.backups_kept * min(1.0, runs_a_day)
    each = workers.home_disk * assumed.home_filled + changed_days * assumed.changed_gb
    return Item(
        BACKUPS,
        case.of_month(
            f"{case.users} × ({workers.home_disk} GB × {assumed.home_filled:.0%} + {changed_days:.1f} days × "
            f"{assumed.changed_gb:g} GB) × {price_text(price)}/GB"
        ),
        load.users * each * price * load.months,
    )


def rooted_share(root_lasts: timedelta | None, load: Load) -> float:
    """The part of the time in which a user's root disk exists, at most: while the machine runs, and for the time that
    it is kept after each stop. Less where the next start comes earlier."""
    there = load.users * load.hours
    if root_lasts is None or not there:
        return 1.0
    return min(1.0, (load.worked + load.runs * (root_lasts / HOUR)) / there)


def _egress(case: Case) -> list[Item]:
    network, prices, load = case.settings.network, case.prices, case.load
    if not network.is_ours:
        own = "its own routes, IPv6 too where it has that; not counted"
        return [Item("way out of the existing VPC", own, 0.0), *_endpoints(case)]
    match network.egress:
        case Egress.NAT_GATEWAY:
            each = case.assumed.fetched_gb * load.months
            working = f"{load.working:g} user{'s' * (load.working != 1)}"
            fixed = (prices.nat_hour + prices.address_hour) * load.hours
            return [
                Item(
                    "NAT gateway",
                    f"({price_text(prices.nat_hour)} + {price_text(prices.address_hour)} address)/h × {load.hours:g} h"
                    f" + {working} × {each:g} GB × {price_text(prices.nat_gb)}/GB",
                    fixed + load.working * each * prices.nat_gb,
                )
            ]
        case Egress.PUBLIC_ADDRESS:
            return [
                Item(
                    "workers' public addresses",
                    f"{case.worked} × {price_text(prices.address_hour)}/h",
                    load.worked * prices.address_hour,
                    is_metered=True,
                )
            ]
        case Egress.MANAGER:
            return [Item("manager as NAT instance", "nothing in addition to the manager", 0.0)]
        case Egress.DUAL_STACK:
            return [
                Item(
                    "IPv6, and the manager for IPv4",
                    "no price by the hour or GB; nothing for the manager",
                    0.0,
                )
            ]


def _endpoints(case: Case) -> list[Item]:
    """At most: a service that the VPC has an endpoint of gets no second one. Gateway endpoints are free."""
    network, prices, hours = case.settings.network, case.prices, case.load.hours
    if not network.endpoints:
        return []
    zones, services = len(network.worker_subnets), len(INTERFACE_ENDPOINTS)
    return [
        Item(
            "endpoints of AWS's services",
            f"{services} services × {zones} zones × {price_text(prices.endpoint_hour)}/h × {hours:g} h, at most; S3 "
            "and DynamoDB: nothing",
            services * zones * prices.endpoint_hour * hours,
        )
    ]


def _outgoing(case: Case) -> Item:
    prices, sent = case.prices, case.load.worked * case.assumed.sent_gb
    return Item(
        "traffic to the internet",
        f"({sent:.0f} GB - {prices.out_free_gb:g} GB free, at least 0) × {price_text(prices.out_gb)}/GB",
        max(0.0, sent - prices.out_free_gb) * prices.out_gb,
    )


def _between_zones(case: Case) -> Item:
    """The manager and the NAT gateway are in the first zone, and so are the workers, while it has machines for them.

    IPv6 leaves from each zone by itself; what is fetched over it is counted here nevertheless, so this is the most.
    """
    network, load, price = case.settings.network, case.load, case.prices.zone_gb
    elsewhere = case.assumed.launched_elsewhere
    if not network.is_ours:  # which of its zones is the manager's is not known here
        elsewhere = 1 - 1 / len(network.worker_subnets)
    through_gateway = network.is_ours and network.egress is not Egress.PUBLIC_ADDRESS
    fetched = load.working * case.assumed.fetched_gb * load.months if through_gateway else 0.0
    moved = fetched + load.worked * case.assumed.sent_gb
    return Item(
        "traffic between zones",
        f"{moved:.0f} GB × {elsewhere:.0%} of the machines × {price_text(price)}/GB",
        moved * elsewhere * price,
    )
