"""A cluster's statement of a month, read from its tables, its disks and its stack."""

from datetime import datetime, timedelta

from bootstrap import costs
from bootstrap.aws import names, stacks
from bootstrap.aws.instances import volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster.steps.lifecycle import history_days
from bootstrap.config.choices import Egress
from bootstrap.config.settings import ClusterSettings
from bootstrap.operations import policies
from bootstrap.operations.budgets import standings
from bootstrap.operations.report.period import Month, Period, period_of
from bootstrap.operations.report.statement import By, Statement, groups_of, notes, rows, summed
from bootstrap.operations.report.usage import Amount, Tariff, found
from bootstrap.operations.workers.listing import store_of
from lifecycle_app.contract import ROLE_WORKER
from lifecycle_app.model.policy import policy_for


def statement(site: Site, month: Month, by: By, now: datetime) -> Statement:
    """What the cluster cost in that month, until now. Raises NotBuilt, and SettingsError for a month in which there
    was no cluster.
    """
    settings, prices = site.settings, costs.prices_in(site.aws.region)
    period, store = period_of(month, built_at(site), now), store_of(site)
    scan = store.scan()  # before the history: a run that ends meanwhile is in both, and counted once
    used = found(
        store.runs_of_days(period.history_days(now)),
        scan,
        volumes_by_tags(site.aws, site.cluster, ROLE_WORKER),
        settings.workers.disk,
        tariff(settings, prices),
        period,
        now,
    )
    total = summed(used.cells.values())
    users = {user for (user, _), amount in used.cells.items() if amount.hours}
    load = load_of(period, total, len(users))
    shared = shared_items(settings, prices, load)
    texts = policies.texts(site)
    timeout = policy_for("", (), texts).idle_timeout
    kept_since = now - timedelta(days=history_days(settings))
    return Statement(
        cluster=site.cluster,
        region=site.aws.region,
        period=period,
        by=by,
        rows=rows(by, used.cells, groups_of(scan.workers), costs.total(shared), period),
        shared=shared,
        prices=site.aws.region if prices else "",
        whole=costs.total(costs.monthly(settings, prices, load=load)) if prices else 0.0,
        advice=costs.advice(settings, load, total.idle_stops, timeout, prices) if prices else (),
        budgets=standings(scan.workers, texts, now) if period.end == now else {},
        notes=notes(period, kept_since, used.gone, total, shared, "" if prices else site.aws.region),
    )


def built_at(site: Site) -> datetime:
    """When the cluster's tables were created. Raises NotBuilt."""
    stack = stacks.current(site.aws.client("cloudformation"), names.stack(site.cluster, "data"))
    if stack is None:
        raise site.not_built()
    return stack["CreationTime"]


def tariff(settings: ClusterSettings, prices: costs.Prices | None) -> Tariff:
    """What users' machines and disks cost besides the price of their type."""
    if prices is None:
        return Tariff(is_known=False, running_hour=0.0, disk_month=0.0)
    has_address = settings.network.is_ours and settings.network.egress is Egress.PUBLIC_ADDRESS
    return Tariff(
        is_known=True,
        running_hour=prices.address_hour if has_address else 0.0,
        disk_month=prices.disk_month,
    )


def load_of(period: Period, used: Amount, users: int) -> costs.Load:
    """The use that was metered, for the formula of `plan`."""
    return costs.Load(users=users, worked=used.hours, runs=used.runs, hours=period.hours, months=period.share)


def shared_items(
    settings: ClusterSettings, prices: costs.Prices | None, load: costs.Load
) -> list[costs.Item]:
    """The formula of `plan` for what is not metered itself; [] without prices."""
    if prices is None:
        return []
    return [item for item in costs.monthly(settings, prices, load=load) if not item.is_metered]
