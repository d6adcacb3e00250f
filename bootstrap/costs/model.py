"""The items of a month's bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bootstrap.config.choices import Credits, Egress
from bootstrap.config.settings import ZONES_BY_DEFAULT, ClusterSettings
from bootstrap.costs.prices import BASELINES, CREDIT_VCPUS, HOURS_A_MONTH, Assumptions, Prices

EGRESS_ITEMS = (
    "IPv6, and the manager for IPv4",
    "NAT gateway",
    "workers' public addresses",
    "manager as NAT instance",
)
"""The items of the ways to the internet."""
IMAGES_KEPT = 2
"""The one in use and the one before."""
CALLS_AN_HOUR = 60 + 12 + 12 + 4 + 2
"""Each minute the activity, each 5 minutes the sweep and the growth of homes, each 15 minutes the reconciliation, each
30 the removal."""
CALLS_A_RUN = 5
"""Four changes of state and an alarm."""
READS_A_CALL = 2
HOURS_A_DAY = 24
BACKUPS = "backups of homes"
"""The item of the daily backups."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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
        *_lifecycle(case),
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
            f"{manager.type}: {_price(price)}/h × {hours:g} h",
            None if price is None else price * hours,
        ),
        Item(
            "manager's public address",
            f"{_price(prices.address_hour)}/h × {hours:g} h",
            prices.address_hour * hours,
        ),
        Item(
            "manager's disks",
            case.of_month(f"{disks} GB × {_price(prices.disk_month)}/GB"),
            disks * prices.disk_month * case.load.months,
        ),
    ]


def _compute(case: Case) -> Item:
    kind = case.settings.workers.all_types[0]
    price = case.prices.instance_hour.get(kind)
    return Item(
        "workers",
        f"{case.worked} × {_price(price)}/h ({kind})",
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
            f"{case.worked} × {vcpus} vCPUs × {above:.0%} × {_price(price)}/h; were all always busy ${most:.2f}",
            worked * vcpus * above * price,
        )
    ]


def _disks(case: Case) -> list[Item]:
    """Disks of stopped machines cost what those of running ones do, until they are removed."""
    workers, users, prices, months = case.settings.workers, case.load.users, case.prices, case.load.months
    disk, snapshot = _price(prices.disk_month), _price(prices.snapshot_month)
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
            f"{assumed.changed_gb:g} GB) × {_price(price)}/GB"
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
        return [
            Item(
                "way out of the existing VPC", "its own routes, IPv6 too where it has that; not counted", 0.0
            )
        ]
    match network.egress:
        case Egress.NAT_GATEWAY:
            each = case.assumed.fetched_gb * load.months
            fixed = (prices.nat_hour + prices.address_hour) * load.hours
            return [
                Item(
                    "NAT gateway",
                    f"({_price(prices.nat_hour)} + {_price(prices.address_hour)} address)/h × {load.hours:g} h"
                    f" + {case.users} × {each:g} GB × {_price(prices.nat_gb)}/GB",
                    fixed + load.users * each * prices.nat_gb,
                )
            ]
        case Egress.PUBLIC_ADDRESS:
            return [
                Item(
                    "workers' public addresses",
                    f"{case.worked} × {_price(prices.address_hour)}/h",
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


def _outgoing(case: Case) -> Item:
    prices, sent = case.prices, case.load.worked * case.assumed.sent_gb
    return Item(
        "traffic to the internet",
        f"({sent:.0f} GB - {prices.out_free_gb:g} GB free, at least 0) × {_price(prices.out_gb)}/GB",
        max(0.0, sent - prices.out_free_gb) * prices.out_gb,
    )


def _between_zones(case: Case) -> Item:
    """The manager and the NAT gateway are in one zone, the workers in all.

    IPv6 leaves from each zone by itself; what is fetched over it is counted here nevertheless, so this is the most.
    """
    network, load, price = case.settings.network, case.load, case.prices.zone_gb
    zones = len(network.worker_subnets or network.zones) or ZONES_BY_DEFAULT
    elsewhere = 1 - 1 / zones
    through_gateway = network.is_ours and network.egress is not Egress.PUBLIC_ADDRESS
    fetched = load.users * case.assumed.fetched_gb * load.months if through_gateway else 0.0
    moved = fetched + load.worked * case.assumed.sent_gb
    return Item(
        "traffic between zones",
        f"{moved:.0f} GB × {elsewhere:.0%} of the machines × {_price(price)}/GB",
        moved * elsewhere * price,
    )


def _dashboard(case: Case) -> Item:
    shown = case.assumed.dashboard_metrics + case.assumed.dashboard_metrics_a_worker * case.load.users
    free = case.prices.dashboard_free_metrics
    return Item(
        "dashboard",
        case.of_month(f"{shown} metrics if all users work, up to {free} free"),
        case.prices.dashboard_month * case.load.months if shown > free else 0.0,
    )


def _lifecycle(case: Case) -> list[Item]:
    """The functions, the tables, the metrics: what serverless leaves to pay."""
    prices, assumed, load = case.prices, case.assumed, case.load
    calls = CALLS_AN_HOUR * load.hours + CALLS_A_RUN * load.runs
    call = prices.lambda_million / 1e6 + assumed.lambda_seconds * assumed.lambda_gb * prices.lambda_gb_second
    writes = load.worked * assumed.passes_an_hour * assumed.writes_a_pass
    reads = READS_A_CALL * calls
    log_gb = assumed.log_gb_hour * load.hours
    own_alarms = max(0, assumed.own_alarms - prices.alarms_free) * prices.alarm_month * load.months
    return [
        Item(
            "Lambda",
            f"{calls:,.0f} calls × ({_price(prices.lambda_million)}/million + {assumed.lambda_seconds:g} s × "
            f"{assumed.lambda_gb:g} GB × ${prices.lambda_gb_second:.10f})",
            calls * call,
        ),
        Item(
            "DynamoDB",
            f"{writes:,.0f} writes × {_price(prices.write_million)}/million + {reads:,.0f} reads × "
            f"{_price(prices.read_million)}/million",
            (writes * prices.write_million + reads * prices.read_million) / 1e6,
        ),
        _metrics(case),
        _dashboard(case),
        Item(
            "own alarms and logs",
            case.of_month(
                f"({assumed.own_alarms} - {prices.alarms_free} free) × {_price(prices.alarm_month)}"
            )
            + f" + {log_gb:.2f} GB × {_price(prices.log_gb)}/GB",
            own_alarms + log_gb * prices.log_gb,
        ),
    ]


def _metrics(case: Case) -> Item:
    """Metrics and alarms cost by the hour in which a worker runs, requests each for itself."""
    prices, assumed, worked = case.prices, case.assumed, case.load.worked
    period = case.settings.timing.report_period
    puts = max(0.0, worked * reports_an_hour(period) - prices.metric_free_requests)
    requests = worked * assumed.passes_an_hour + puts
    alarm = _price(_idle_alarm_month(period, prices))
    return Item(
        "metrics and idle alarms",
        f"{worked:,.0f} h × ({assumed.metrics} × {_price(prices.metric_month)} + {alarm})"
        f"/{HOURS_A_MONTH} h + {requests:,.0f} requests × {_price(prices.metric_request * 1000)}/1,000",
        worked * watched_hour(period, assumed.metrics, prices, assumed) + puts * prices.metric_request,
    )


def reports_an_hour(report_period: timedelta) -> float:
    """How often a running worker calls PutMetricData; each call holds all of its metrics."""
    return HOUR / report_period


def watched_hour(report_period: timedelta, metrics: int, prices: Prices, assumed: Assumptions) -> float:
    """US dollars for watching a worker for an hour in which so many of its metrics have data.

    Its metrics, its alarm, and what `record_activity` asks; not its reports, of which a million a month are free.
    """
    kept = metrics * prices.metric_month + _idle_alarm_month(report_period, prices)
    return kept / HOURS_A_MONTH + assumed.passes_an_hour * prices.metric_request


def _idle_alarm_month(report_period: timedelta, prices: Prices) -> float:
    """At the most: where the policy looks back on hours, the alarm's periods are a minute anyway."""
    return prices.short_alarm_month if report_period < MINUTE else prices.alarm_month


def _price(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"${dollars:.4f}".rstrip("0").rstrip(".")
