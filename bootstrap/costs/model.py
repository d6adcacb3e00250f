"""The items of a month's bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bootstrap.config.choices import Credits, Egress
from bootstrap.config.settings import ZONES_BY_DEFAULT, ClusterSettings
from bootstrap.costs.prices import BASELINES, CREDIT_VCPUS, HOURS_A_MONTH, Assumptions, Prices

IMAGES_KEPT = 2
"""The one in use and the one before."""
CALLS_BY_THE_CLOCK = HOURS_A_MONTH * (60 + 12 + 4)
"""Each minute the activity, each 5 minutes the sweep, each 15 minutes the reconciliation."""
CALLS_A_RUN = 5
"""Four changes of state and an alarm."""
READS_A_CALL = 2
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill: US dollars a month; None where the price of an instance type is not known."""

    name: str
    formula: str
    dollars: float | None


def monthly(
    settings: ClusterSettings, prices: Prices | None = None, assumed: Assumptions | None = None
) -> list[Item]:
    """What the cluster costs in a month in which `users` work `hours` each.

    A network that clusters share is counted in full; the egress of an existing VPC is not counted.
    """
    prices, assumed = prices or Prices(), assumed or Assumptions()
    return [
        *_manager(settings, prices),
        _compute(settings, prices),
        *_credits(settings, prices, assumed),
        *_disks(settings, prices, assumed),
        *_egress(settings, prices, assumed),
        _outgoing(settings, prices, assumed),
        _between_zones(settings, prices, assumed),
        *_lifecycle(settings, prices, assumed),
    ]


def total(items: Sequence[Item]) -> float:
    """The sum of all items whose price is known."""
    return sum(item.dollars for item in items if item.dollars is not None)


def _manager(settings: ClusterSettings, prices: Prices) -> list[Item]:
    manager = settings.manager
    price = prices.instance_hour.get(manager.type)
    disks = manager.disk + manager.state_disk
    return [
        Item(
            "manager",
            f"{manager.type}: {_price(price)}/h × {HOURS_A_MONTH} h",
            None if price is None else price * HOURS_A_MONTH,
        ),
        Item(
            "manager's public address",
            f"{_price(prices.address_hour)}/h × {HOURS_A_MONTH} h",
            prices.address_hour * HOURS_A_MONTH,
        ),
        Item(
            "manager's disks",
            f"{disks} GB × {_price(prices.disk_month)}/GB",
            disks * prices.disk_month,
        ),
    ]


def _compute(settings: ClusterSettings, prices: Prices) -> Item:
    kind = settings.workers.types[0]
    price = prices.instance_hour.get(kind)
    return Item(
        "workers",
        f"{_users(settings)} × {settings.hours:g} h × {_price(price)}/h ({kind})",
        None if price is None else price * _worked(settings),
    )


def _credits(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> list[Item]:
    """With standard credits a burstable machine slows down instead."""
    family, _, size = settings.workers.types[0].partition(".")
    price, baseline = prices.credit_hour.get(family), BASELINES.get(size)
    if price is None or baseline is None or settings.workers.credits is Credits.STANDARD:
        return []
    vcpus = CREDIT_VCPUS.get(size, 2)
    above = max(0.0, assumed.cpu - baseline)
    most = _worked(settings) * vcpus * (1 - baseline) * price
    return [
        Item(
            "unlimited CPU credits",
            f"{_users(settings)} × {settings.hours:g} h × {vcpus} vCPUs × {above:.0%} × {_price(price)}/h; were all "
            f"always busy ${most:.2f}",
            _worked(settings) * vcpus * above * price,
        )
    ]


def _disks(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> list[Item]:
    """Disks of stopped machines cost what those of running ones do."""
    workers, users = settings.workers, settings.users
    items = [
        Item(
            "workers' root disks",
            f"{_users(settings)} × {workers.disk} GB × {_price(prices.disk_month)}/GB, stopped ones too",
            users * workers.disk * prices.disk_month,
        )
    ]
    if workers.home_disk:
        items.append(
            Item(
                "home disks",
                f"{_users(settings)} × {workers.home_disk} GB × {_price(prices.disk_month)}/GB",
                users * workers.home_disk * prices.disk_month,
            )
        )
    if assumed.snapshots_a_disk:
        each = (workers.disk + workers.home_disk) * assumed.snapshots_a_disk
        items.append(
            Item(
                "snapshots of users' disks",
                f"{_users(settings)} × {each:g} GB × {_price(prices.snapshot_month)}/GB",
                users * each * prices.snapshot_month,
            )
        )
    if not workers.image:
        items.append(
            Item(
                "worker images",
                f"{IMAGES_KEPT} snapshots × {workers.disk} GB × {_price(prices.snapshot_month)}/GB, at most",
                IMAGES_KEPT * workers.disk * prices.snapshot_month,
            )
        )
    return items


def _egress(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> list[Item]:
    if not settings.network.is_ours:
        return []
    match settings.network.egress:
        case Egress.NAT_GATEWAY:
            fetched = settings.users * assumed.fetched_gb
            fixed = (prices.nat_hour + prices.address_hour) * HOURS_A_MONTH
            return [
                Item(
                    "NAT gateway",
                    f"({_price(prices.nat_hour)} + {_price(prices.address_hour)} address)/h × {HOURS_A_MONTH} h"
                    f" + {_users(settings)} × {assumed.fetched_gb:g} GB × {_price(prices.nat_gb)}/GB",
                    fixed + fetched * prices.nat_gb,
                )
            ]
        case Egress.PUBLIC_ADDRESS:
            return [
                Item(
                    "workers' public addresses",
                    f"{_users(settings)} × {settings.hours:g} h × {_price(prices.address_hour)}/h",
                    _worked(settings) * prices.address_hour,
                )
            ]
        case Egress.MANAGER:
            return [Item("manager as NAT instance", "nothing in addition to the manager", 0.0)]


def _outgoing(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> Item:
    sent = _worked(settings) * assumed.sent_gb
    return Item(
        "traffic to the internet",
        f"({sent:.0f} GB - {prices.out_free_gb:g} GB free, at least 0) × {_price(prices.out_gb)}/GB",
        max(0.0, sent - prices.out_free_gb) * prices.out_gb,
    )


def _between_zones(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> Item:
    """The manager and the NAT gateway are in one zone, the workers in all."""
    network = settings.network
    zones = len(network.worker_subnets or network.zones) or ZONES_BY_DEFAULT
    elsewhere = 1 - 1 / zones
    through_gateway = network.is_ours and network.egress is not Egress.PUBLIC_ADDRESS
    fetched = settings.users * assumed.fetched_gb if through_gateway else 0.0
    moved = fetched + _worked(settings) * assumed.sent_gb
    return Item(
        "traffic between zones",
        f"{moved:.0f} GB × {elsewhere:.0%} of the machines × {_price(prices.zone_gb)}/GB",
        moved * elsewhere * prices.zone_gb,
    )


def _dashboard(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> Item:
    shown = assumed.dashboard_metrics + assumed.dashboard_metrics_a_worker * settings.users
    free = prices.dashboard_free_metrics
    return Item(
        "dashboard",
        f"{shown} metrics if all users work, up to {free} free",
        prices.dashboard_month if shown > free else 0.0,
    )


def _lifecycle(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> list[Item]:
    """The functions, the tables, the metrics: what serverless leaves to pay."""
    calls = CALLS_BY_THE_CLOCK + CALLS_A_RUN * settings.users * assumed.runs
    call = prices.lambda_million / 1e6 + assumed.lambda_seconds * assumed.lambda_gb * prices.lambda_gb_second
    writes = _worked(settings) * assumed.passes_an_hour * assumed.writes_a_pass
    reads = READS_A_CALL * calls
    log_gb = assumed.log_gb_hour * HOURS_A_MONTH
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
        _metrics(settings, prices, assumed),
        _dashboard(settings, prices, assumed),
        Item(
            "own alarms and logs",
            f"({assumed.own_alarms} - {prices.alarms_free} free) × {_price(prices.alarm_month)} + {log_gb:.2f} GB × "
            f"{_price(prices.log_gb)}/GB",
            max(0, assumed.own_alarms - prices.alarms_free) * prices.alarm_month + log_gb * prices.log_gb,
        ),
    ]


def _metrics(settings: ClusterSettings, prices: Prices, assumed: Assumptions) -> Item:
    """Metrics and alarms cost by the hour in which a worker runs, requests each for itself."""
    worked, period = _worked(settings), settings.timing.report_period
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


def _worked(settings: ClusterSettings) -> float:
    """Hours that all users work together."""
    return settings.users * settings.hours


def _users(settings: ClusterSettings) -> str:
    return "1 user" if settings.users == 1 else f"{settings.users} users"


def _price(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"${dollars:.4f}".rstrip("0").rstrip(".")
