"""What costs nothing but calls, records, metrics and logs: what serverless leaves to pay. Pure."""

from datetime import timedelta

from bootstrap.costs.case import Case, Item, price_text
from bootstrap.costs.prices import HOURS_A_MONTH, Assumptions, Prices

CALLS_AN_HOUR = 60 + 12 + 12 + 4 + 2
"""Each minute the activity, each 5 minutes the sweep and the growth of homes, each 15 minutes the reconciliation, each
30 the removal."""
CALLS_A_RUN = 5
"""Four changes of state and an alarm."""
READS_A_CALL = 2
READ_UNIT_KB = 8
"""What a read unit reads, eventually consistent."""
GROWTH_PASSES_AN_HOUR = 12
"""Each reads one figure of each running worker."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def lifecycle(case: Case) -> list[Item]:
    """The functions, the tables, the metrics: what serverless leaves to pay."""
    prices, assumed, load = case.prices, case.assumed, case.load
    calls = CALLS_AN_HOUR * load.hours + CALLS_A_RUN * load.runs
    call = prices.lambda_million / 1e6 + assumed.lambda_seconds * assumed.lambda_gb * prices.lambda_gb_second
    writes = load.worked * assumed.passes_an_hour * assumed.writes_a_pass
    reads = _reads(case, calls)
    log_gb = assumed.log_kb_a_call * calls / 1e6
    own_alarms = max(0, assumed.own_alarms - prices.alarms_free) * prices.alarm_month * load.months
    return [
        Item(
            "Lambda",
            f"{calls:,.0f} calls × ({price_text(prices.lambda_million)}/million + {assumed.lambda_seconds:g} s × "
            f"{assumed.lambda_gb:g} GB × ${prices.lambda_gb_second:.10f})",
            calls * call,
        ),
        Item(
            "DynamoDB",
            f"{writes:,.0f} writes × {price_text(prices.write_million)}/million + {reads:,.0f} reads × "
            f"{price_text(prices.read_million)}/million",
            (writes * prices.write_million + reads * prices.read_million) / 1e6,
        ),
        _metrics(case),
        _dashboard(case),
        Item(
            "own alarms and logs",
            case.of_month(
                f"({assumed.own_alarms} - {prices.alarms_free} free) × {price_text(prices.alarm_month)}"
            )
            + f" + {log_gb:.2f} GB × {price_text(prices.log_gb)}/GB",
            own_alarms + log_gb * prices.log_gb,
        ),
    ]


def _metrics(case: Case) -> Item:
    """Metrics and alarms cost by the hour in which a worker runs, requests each for itself."""
    prices, assumed, worked = case.prices, case.assumed, case.load.worked
    period = case.settings.timing.report_period
    puts = max(0.0, worked * reports_an_hour(period) - prices.metric_free_requests)
    workers = case.settings.workers
    grows = GROWTH_PASSES_AN_HOUR if workers.home_disk and workers.home_limit else 0
    requests = worked * (assumed.passes_an_hour + grows) + puts
    alarm = price_text(_idle_alarm_month(period, prices))
    return Item(
        "metrics and idle alarms",
        f"{worked:,.0f} h × ({assumed.metrics} × {price_text(prices.metric_month)} + {alarm})"
        f"/{HOURS_A_MONTH} h + {requests:,.0f} requests × {price_text(prices.metric_request * 1000)}/1,000",
        worked * watched_hour(period, assumed.metrics, prices, assumed)
        + (worked * grows + puts) * prices.metric_request,
    )


def reports_an_hour(report_period: timedelta) -> float:
    """How often a running worker calls PutMetricData; each call holds all of its metrics."""
    return HOUR / report_period


def watched_hour(report_period: timedelta, metrics: int, prices: Prices, assumed: Assumptions) -> float:
    """US dollars for watching a worker for an hour in which so many of its metrics have data.

    Its metrics, its alarm, and what `record_activity` asks; not its reports, of which a million a month are free, and
    not what `grow_homes` asks.
    """
    kept = metrics * prices.metric_month + _idle_alarm_month(report_period, prices)
    return kept / HOURS_A_MONTH + assumed.passes_an_hour * prices.metric_request


def _idle_alarm_month(report_period: timedelta, prices: Prices) -> float:
    """At the most: where the policy looks back on hours, the alarm's periods are a minute anyway."""
    return prices.short_alarm_month if report_period < MINUTE else prices.alarm_month


def _dashboard(case: Case) -> Item:
    shown, free = case.assumed.dashboard_metrics, case.prices.dashboard_free_metrics
    return Item(
        "dashboard",
        case.of_month(f"{shown} metrics, up to {free} free"),
        case.prices.dashboard_month * case.load.months if shown > free else 0.0,
    )


def _reads(case: Case, calls: float) -> float:
    """Read units: of the functions, of the passes, which read all running workers' records, and of the hub's copy.

    Where users have budgets, each pass reads the records of all who worked in the month, which is counted always.
    """
    load, assumed = case.load, case.assumed
    hub = load.hours * (HOUR / case.settings.timing.read_interval) * 0.5
    passes = min(load.hours, load.worked) * assumed.passes_an_hour
    records = load.worked * assumed.passes_an_hour + passes * load.working
    return READS_A_CALL * calls + hub + records * assumed.record_kb / READ_UNIT_KB
