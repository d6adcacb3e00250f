"""The bill: agrees with the figures the design started from and with cloudJHub's own formula, term by term."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bootstrap.cluster.monitoring import recovery
from bootstrap.cluster.monitoring.alarms import alarms
from bootstrap.cluster.monitoring.dashboard import dashboard
from bootstrap.config.choices import Credits, Egress
from bootstrap.config.settings import ClusterSettings, Manager, Network, Timing, Workers
from bootstrap.costs import Assumptions, Item, Load, Prices, as_json, monthly, render, render_total, total
from bootstrap.costs.goals import NOW, NOW_ASSUMED, ROWS, goals_table
from bootstrap.costs.model import BACKUPS, EGRESS_ITEMS
from bootstrap.costs.prices import SOURCES
from bootstrap.costs.serverless import GROWTH_PASSES_AN_HOUR, reports_an_hour, watched_hour
from bootstrap.costs.tables import SAMPLE, compared_egress, egress_costs, egress_table, prices_table

DOCS = Path(__file__).parents[2] / "docs" / "costs.md"
IDLENESS = DOCS.with_name("idleness.md")
EACH_MINUTE = replace(SAMPLE, timing=Timing(report_period=timedelta(minutes=1)))
GATEWAY = Network(name="n", egress=Egress.NAT_GATEWAY)
DESIGN = replace(
    EACH_MINUTE,
    network=GATEWAY,
    manager=Manager(type="t3.small", disk=10, state_disk=4),
    workers=Workers(
        types=("t3.medium",), disk=8, home_disk=3, home_limit=0, root_kept="never", backup_days=0
    ),
)
"""What the design calculated with."""
EXISTING = Network(
    name="", vpc="vpc-11111111", manager_subnet="subnet-11111111", worker_subnets=("subnet-22222222",)
)


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


def dollars(items: list[Item], *names: str) -> float:
    """The sum of the items with these names, all of which must be there."""
    by_name = {item.name: item.dollars for item in items}
    return sum(by_name[name] or 0.0 for name in names)


@pytest.mark.parametrize(
    ("users", "hours", "nat", "compute", "disks", "together"),
    [(20, 30, 41, 25, 18, 106), (200, 20, 82, 166, 176, 468)],
)
def test_the_figures_the_design_started_from(
    users: int, hours: float, nat: int, compute: int, disks: int, together: int
) -> None:
    """t3.medium, 8 GB root and 3 GB home, NAT gateway, t3.small manager, reports each minute."""
    items = monthly(
        replace(DESIGN, users=users, hours=hours),
        assumed=Assumptions(writes_a_pass=4, own_alarms=14, log_kb_a_call=5, launched_elsewhere=0.5),
    )
    assert dollars(items, "NAT gateway") == pytest.approx(nat, abs=0.51)
    assert round(dollars(items, "workers")) == compute
    assert round(dollars(items, "workers' root disks", "home disks")) == disks
    assert round(dollars(items, "manager", "manager's public address", "manager's disks")) == 20
    later = dollars(items, "traffic between zones", "dashboard")  # the design did not count these
    assert round(total(items) - later) == together


@pytest.mark.parametrize(("hours", "printed"), [(30, 68), (720, 717)])
def test_cloudjhubs_formula_term_by_term(hours: float, printed: int) -> None:
    """Its documentation's example: 20 users, t2.medium, 3 GB, with its prices of disks and snapshots."""
    seed = SeedFormula(
        manager=34, users=20, hours=hours, hour=0.047, storage=3, storage_gb=0.05, snapshot_gb=0.05
    )
    assert round(seed.total) == printed
    settings = replace(
        SAMPLE,
        manager=Manager(type="t2.medium"),
        workers=Workers(types=("t2.medium",), disk=3, home_disk=0),
        users=20,
        hours=hours,
    )
    prices = Prices(
        instance_hour={"t2.medium": seed.hour}, disk_month=seed.storage_gb, snapshot_month=seed.snapshot_gb
    )
    items = monthly(settings, prices, Assumptions(snapshots_a_disk=1))
    assert dollars(items, "manager") == pytest.approx(seed.manager, abs=0.5)
    assert dollars(items, "workers") == pytest.approx(seed.compute)
    assert dollars(items, "workers' root disks") == pytest.approx(seed.disks)
    assert dollars(items, "snapshots of users' disks") == pytest.approx(seed.snapshots)


def test_todays_price_of_their_machine_is_what_they_rounded() -> None:
    items = monthly(replace(SAMPLE, manager=Manager(type="t2.medium")))
    assert round(dollars(items, "manager")) == 34


def test_the_ways_to_the_internet() -> None:
    """One gateway and 5 GB a user; an address while each works; nothing beside the manager."""
    costs = {egress: own for egress, (own, _) in egress_costs(SAMPLE).items()}
    assert costs == {
        Egress.DUAL_STACK: 0.0,
        Egress.NAT_GATEWAY: pytest.approx(0.05 * 730 + 20 * 5 * 0.045),
        Egress.PUBLIC_ADDRESS: pytest.approx(20 * 30 * 0.005),
        Egress.MANAGER: 0.0,
    }


def test_the_egress_of_an_existing_network_is_its_own_bill() -> None:
    items = monthly(replace(SAMPLE, network=EXISTING))
    assert dollars(items, "way out of the existing VPC") == 0
    assert not [item for item in items if item.name in EGRESS_ITEMS]


def test_a_custom_image_and_homes_on_the_root_disk_cost_nothing_of_their_own() -> None:
    workers = Workers(types=("t3.medium",), disk=8, home_disk=0, image="ami-11111111")
    names = [item.name for item in monthly(replace(SAMPLE, workers=workers))]
    assert "home disks" not in names
    assert "worker images" not in names


def test_the_printed_formula_gives_the_dollars() -> None:
    [workers] = [item for item in monthly(SAMPLE) if item.name == "workers"]
    assert workers.formula == "20 users × 30 h × $0.0336/h (t4g.medium)"
    assert workers.dollars == pytest.approx(20.16)


@pytest.mark.parametrize(
    ("days", "runs", "gb"),
    [
        (7, 15, 3 * 0.65 + 7 * 15 / (730 / 24) * 0.1),
        (30, 15, 3 * 0.65 + 30 * 15 / (730 / 24) * 0.1),
        (7, 100, 3 * 0.65 + 7 * 0.1),
        (7, 0, 3 * 0.65),
    ],
)
def test_a_backup_keeps_what_a_home_holds_once_and_what_changes(days: int, runs: float, gb: float) -> None:
    settings = replace(SAMPLE, workers=replace(SAMPLE.workers, backup_days=days))
    items = monthly(settings, assumed=Assumptions(runs=runs))
    assert dollars(items, BACKUPS) == pytest.approx(20 * gb * 0.05)


@pytest.mark.parametrize(("days", "home_disk"), [(0, 3), (7, 0)])
def test_without_backups_there_is_no_such_line(days: int, home_disk: int) -> None:
    workers = replace(SAMPLE.workers, backup_days=days, home_disk=home_disk)
    items = monthly(replace(SAMPLE, workers=workers))
    assert BACKUPS not in [item.name for item in items]


@pytest.mark.parametrize(("users", "hours"), [(20, 30), (200, 20)])
def test_backups_are_at_most_a_tenth_of_the_bill(users: int, hours: float) -> None:
    items = monthly(replace(NOW, users=users, hours=hours))
    assert 0 < dollars(items, BACKUPS) <= 0.1 * total(items)


def test_an_unknown_type_is_told_and_left_out() -> None:
    settings = replace(SAMPLE, workers=Workers(types=("x9.huge",)))
    items = monthly(settings)
    [workers] = [item for item in items if item.name == "workers"]
    assert workers.dollars is None
    assert "price of the instance type is unknown: workers" in render(items)
    assert {"name": "workers", "formula": workers.formula, "dollars": None} in as_json(items)["items"]


def test_the_table_shows_the_sum() -> None:
    assert render(monthly(SAMPLE)).splitlines()[-1].split() == ["total", "50.36"]
    assert as_json(monthly(SAMPLE))["dollars"] == 50.36


def test_in_a_region_without_known_prices_the_cost_is_unknown() -> None:
    assert render(monthly(SAMPLE), "eu-central-1") == (
        "cost a month: unknown, because no prices are known for eu-central-1; in us-east-1 it would be $50.36"
    )
    assert as_json(monthly(SAMPLE), "eu-central-1") == {
        "items": [],
        "dollars": None,
        "prices": None,
        "advice": [],
    }


def test_the_question_before_a_change_names_the_price() -> None:
    items = monthly(SAMPLE)
    assert render_total(items, "us-east-1") == f"about ${total(items):.0f}"
    assert render_total(items, "eu-central-1").startswith("an unknown amount in eu-central-1 (about $")
    strange = monthly(replace(SAMPLE, workers=replace(SAMPLE.workers, types=("z9.huge",))))
    assert render_total(strange, "us-east-1").startswith("at least $")


@pytest.mark.parametrize(
    ("root_kept", "hours_there"),
    [("never", 730), ("0s", 30), ("1h", 30 + 15), ("12h", 30 + 15 * 12), ("2d", 730), ("366d", 730)],
)
def test_a_root_disk_costs_while_it_is_there(root_kept: str, hours_there: float) -> None:
    """Each of 15 runs a month, of 2 hours each, and for the time after it that the disk is kept."""
    settings = replace(SAMPLE, workers=replace(SAMPLE.workers, root_kept=root_kept))
    paid = dollars(monthly(settings), "workers' root disks")
    assert paid == pytest.approx(20 * 8 * 0.08 * min(1.0, hours_there / 730))
    on_root = replace(settings, workers=replace(settings.workers, home_disk=0))
    assert dollars(monthly(on_root), "workers' root disks") == pytest.approx(20 * 8 * 0.08)


def test_each_price_has_a_date_and_a_source() -> None:
    assert {*SOURCES} == {field.name for field in fields(Prices)}
    for source in SOURCES.values():
        assert datetime.strptime(source.as_of, "%Y-%m").replace(tzinfo=UTC) <= datetime.now(UTC)
        assert source.page.startswith("https://aws.amazon.com/")


def test_a_class_of_one_who_never_comes_costs_the_manager_the_gateway_and_its_disks() -> None:
    settings: ClusterSettings = replace(SAMPLE, users=1, hours=0, network=GATEWAY)
    disks, gateway = 0.64 * 15 * 12 / 730 + 0.24 + 0.115, 36.5 + 0.225
    serverless = 0.2
    assert total(monthly(settings)) == pytest.approx(
        12.26 + 3.65 + 0.8 + gateway + 0.8 + serverless + disks, abs=0.1
    )


def test_unlimited_credits_cost_what_is_above_the_baseline() -> None:
    def credits(kind: str, cpu: float, **workers: object) -> float:
        given = Workers(types=(kind,), disk=8, home_disk=3, **workers)  # type: ignore[arg-type]
        items = monthly(replace(SAMPLE, users=10, hours=10, workers=given), assumed=Assumptions(cpu=cpu))
        return sum(item.dollars or 0.0 for item in items if item.name == "unlimited CPU credits")

    unlimited = {"credits": Credits.UNLIMITED}
    assert credits("t3.medium", 0.5) == 0.0
    assert credits("t3.medium", 0.5, **unlimited) == pytest.approx(10 * 10 * 2 * (0.5 - 0.2) * 0.05)
    assert credits("t4g.xlarge", 0.5, **unlimited) == pytest.approx(10 * 10 * 4 * (0.5 - 0.4) * 0.04)
    assert credits("t3.medium", 0.2, **unlimited) == 0.0
    assert credits("m7i.large", 1.0, **unlimited) == 0.0
    assert credits("t3.huge", 1.0, **unlimited) == 0.0, "no such size: preflight says so"


@pytest.mark.parametrize(
    ("network", "elsewhere", "gb"),
    [
        (Network(name="n"), 0.05, 20 * 5 + 39),
        (Network(name="n", egress=Egress.PUBLIC_ADDRESS), 0.05, 39),
        (EXISTING, 0.0, 39),
        (replace(EXISTING, worker_subnets=("subnet-22222222", "subnet-33333333")), 0.5, 39),
    ],
)
def test_traffic_between_zones_is_paid_in_both_directions(
    network: Network, elsewhere: float, gb: float
) -> None:
    items = monthly(replace(SAMPLE, network=network))
    assert dollars(items, "traffic between zones") == pytest.approx(gb * elsewhere * 0.02)


def test_users_who_do_not_work_fetch_nothing() -> None:
    """Of 20 users three have started a machine, or none has."""
    for runs, gb in ((3.0, 3 * 5.0), (0.0, 0.0)):
        load = Load(users=20, worked=0.0, runs=runs)
        items = monthly(replace(SAMPLE, network=GATEWAY), load=load)
        assert dollars(items, "traffic between zones") == pytest.approx(gb * 0.05 * 0.02)
        assert dollars(items, "NAT gateway") == pytest.approx(36.5 + gb * 0.045)


@pytest.mark.parametrize(("shown", "paid"), [(50, 0.0), (51, 3.0)])
def test_a_dashboard_of_more_than_50_metrics_is_paid_for(shown: int, paid: float) -> None:
    assert dollars(monthly(SAMPLE, assumed=Assumptions(dashboard_metrics=shown)), "dashboard") == paid


def test_the_dashboards_own_metrics_are_counted() -> None:
    widgets = dashboard(SAMPLE, "us-east-1")["widgets"]
    shown = sum(len(widget["properties"]["metrics"]) for widget in widgets if widget["type"] == "metric")
    assert shown == Assumptions().dashboard_metrics


def test_reads_of_records_are_counted() -> None:
    """What grows with users: each minute all that run, and, for budgets, all that worked in the month; and the hub's
    copy, read each five seconds."""
    [few, many] = [
        monthly(replace(SAMPLE, users=users, hours=730), assumed=Assumptions(runs=15)) for users in (1, 1001)
    ]
    more = dollars(many, "DynamoDB") - dollars(few, "DynamoDB")
    calls, passes = 1000 * 15 * 5, 730 * 60
    writes = 1000 * passes * 6
    reads = 2 * calls + 1000 * passes / 8 + passes * 1000 / 8
    assert more == pytest.approx((writes * 0.625 + reads * 0.125) / 1e6)
    assert passes * 1000 / 8 * 0.125 / 1e6 == pytest.approx(0.68, abs=0.01), "budgets of 1,000 users, a month"
    idle = monthly(SAMPLE, load=Load(users=20, worked=0.0, runs=0.0))
    asked = 2 * 730 * 90 + 730 * 720 * 0.5
    assert dollars(idle, "DynamoDB") == pytest.approx(asked * 0.125 / 1e6)


@pytest.mark.parametrize(("home_disk", "home_limit", "asked"), [(3, 20, 12), (3, 0, 0), (0, 20, 0)])
def test_what_growing_homes_asks_is_counted(home_disk: int, home_limit: int, asked: int) -> None:
    workers = replace(SAMPLE.workers, home_disk=home_disk, home_limit=home_limit)
    items = monthly(replace(SAMPLE, users=1, hours=100, workers=workers))
    watched = 100 * watched_hour(SAMPLE.timing.report_period, 3, Prices(), Assumptions())
    paid = dollars(items, "metrics and idle alarms") - watched
    assert paid == pytest.approx(100 * asked * 0.01 / 1000)


def test_every_alarm_of_the_clusters_own_is_counted() -> None:
    assert Assumptions().own_alarms == len(alarms(SAMPLE, topic="")) + len(recovery.KINDS)
    [item] = [item for item in monthly(SAMPLE) if item.name == "own alarms and logs"]
    assert item.dollars == pytest.approx((730 * 90 + 20 * 15 * 5) / 1e6 * 0.50)


@pytest.mark.parametrize(("own", "dollars_for_them"), [(9, 0.0), (10, 0.0), (11, 0.1)])
def test_the_first_alarms_are_free(own: int, dollars_for_them: float) -> None:
    [item] = [
        item
        for item in monthly(SAMPLE, assumed=Assumptions(own_alarms=own, log_kb_a_call=0))
        if item.name == "own alarms and logs"
    ]
    assert item.dollars == pytest.approx(dollars_for_them)


@pytest.mark.parametrize(("seconds", "alarm"), [(10, 0.30), (30, 0.30), (60, 0.10), (120, 0.10)])
def test_an_alarm_on_periods_of_less_than_a_minute_costs_thrice_as_much(seconds: int, alarm: float) -> None:
    settings = replace(SAMPLE, users=1, hours=730, timing=Timing(report_period=timedelta(seconds=seconds)))
    figures_read = 730 * (60 + GROWTH_PASSES_AN_HOUR) * 0.01 / 1000
    assert dollars(monthly(settings), "metrics and idle alarms") == pytest.approx(
        3 * 0.30 + alarm + figures_read
    )


@pytest.mark.parametrize(
    ("settings", "hours", "paid_for"),
    [
        (SAMPLE, 1_000_000 / 120, 0),
        (SAMPLE, 1_000_000 / 120 + 10, 1_200),
        (EACH_MINUTE, 1_000_000 / 60, 0),
        (EACH_MINUTE, 1_000_000 / 60 + 10, 600),
    ],
)
def test_reports_cost_beyond_the_first_million(
    settings: ClusterSettings, hours: float, paid_for: int
) -> None:
    workers = replace(settings.workers, home_limit=0)
    items = monthly(replace(settings, users=50, hours=hours / 50, workers=workers))
    watched = hours * watched_hour(settings.timing.report_period, 3, Prices(), Assumptions())
    paid = dollars(items, "metrics and idle alarms") - watched
    assert paid == pytest.approx(paid_for * 0.01 / 1000)


def test_what_watching_costs_is_what_the_document_says() -> None:
    """A quiet hour, one with everything in it, and that with its reports beyond the first million."""
    text = IDLENESS.read_text()
    for timing in (Timing(), EACH_MINUTE.timing):
        period = timing.report_period
        quiet, lively = (watched_hour(period, metrics, Prices(), Assumptions()) for metrics in (2, 6))
        paid = lively + reports_an_hour(period) * Prices().metric_request
        figures = " | ".join(f"**${dollars:.4f}**" for dollars in (quiet, lively, paid))
        assert f"| {period.total_seconds():.0f} s | {figures} |" in text


def test_the_documents_table_and_sample_are_the_commands() -> None:
    assert egress_table() in DOCS.read_text()
    assert prices_table() in DOCS.read_text()
    assert render(monthly(SAMPLE)) in DOCS.read_text()
    assert compared_egress(SAMPLE) in DOCS.read_text()
    assert goals_table() in DOCS.read_text()


def test_plan_compares_the_ways_to_the_internet() -> None:
    """The chosen one first, then the cheapest; in an existing VPC there is no choice."""
    line = compared_egress(replace(SAMPLE, network=GATEWAY))
    assert line.startswith("the same with each network.egress: nat-gateway $91.36, dual-stack $")
    assert [line.count(f"{one.value} $") for one in Egress] == [1] * 4
    assert compared_egress(replace(SAMPLE, network=EXISTING)) == ""


def test_the_goals_hold() -> None:
    """As an operator who asks nothing else gets them: nothing but defaults."""
    bills = {name: bill(NOW, NOW_ASSUMED) for name, bill, _ in ROWS}
    assert bills["20 users × 30 h"] <= 50
    assert bills["200 users × 20 h"] <= 250
    assert bills["20 users, who do not work"] <= 21
    assert bills["a user who stays away"] <= 0.30


def test_before_the_goals_were_set_the_defaults_cost_what_the_figures_say() -> None:
    """The goals' own figures are without cross-zone traffic, the dashboard and two of six write units."""
    rows = [[cell.strip() for cell in row.split("|")[1:4]] for row in goals_table().splitlines()[2:]]
    assert [row[0] for row in rows] == [name for name, _, _ in ROWS]
    before_goals = ("a user who stays away", "backups")
    assert all(float(now) < float(then) for name, then, now in rows if not name.startswith(before_goals))
    assert rows[-1][1] == "1.68"
