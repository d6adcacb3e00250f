"""`report`: each run and disk once, to its user, group and day; the sum is the same however it is divided."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from bootstrap import costs
from bootstrap.cli.report import report, spreadsheet, text
from bootstrap.cluster.templates.parts import TAG_NETWORK
from bootstrap.config.choices import Egress
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.costs import Item, Prices
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.operations.report.period import Period, month_named, month_of, period_of
from bootstrap.operations.report.reading import load_of, shared_items, tariff
from bootstrap.operations.report.statement import (
    By,
    Owner,
    Row,
    Statement,
    as_document,
    groups_of,
    notes,
    rows,
    summed,
)
from bootstrap.operations.report.usage import Amount, Found, Tariff, found
from lifecycle_app.contract import TAG_CLUSTER, TAG_OWNER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.history import PER_HOUR, Entry, Kind, cost
from lifecycle_app.model.messages import plain
from lifecycle_app.model.worker import Scan, State, Worker
from tests.bootstrap import clusters
from tests.bootstrap.clusters import Built, built

DOCS = Path(__file__).parents[2] / "docs" / "costs.md"
NOVEMBER = month_named("2026-11")
NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)
WHOLE = Period(NOVEMBER, NOVEMBER.begin, NOVEMBER.end)
PRICED = Tariff(is_known=True, running_hour=0.0, disk_month=0.08)
T3 = PER_HOUR["t3.medium"]
ZONE = "us-east-1a"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(day: int, hour: float = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC) + hour * HOUR


def run(key: str, begin: datetime, end: datetime, kind: str = "t3.medium") -> Entry:
    """A run as the history has it."""
    seconds = int((end - begin).total_seconds())
    return Entry(
        key=key,
        at=end,
        kind=Kind.RUN,
        reason="idle",
        message=plain(""),
        instance_id=f"i-{key}",
        seconds=seconds,
        cost=cost(kind, seconds, ZONE),
    )


def record(key: str, **fields: Any) -> Worker:
    begin: dict[str, Any] = {"state": State.STOPPED, "state_at": at(1), "version": 1, "changed_at": at(1)}
    machine = {"instance_id": f"i-{key}", "instance_type": "t3.medium", "zone": ZONE}
    return Worker(**{"key": key, **machine, **begin, **fields})


def volume(number: int, user: str, gb: int, created: datetime, attached: str = "") -> dict[str, Any]:
    """A disk as DescribeVolumes gives it."""
    return {
        "VolumeId": f"vol-{number}",
        "Size": gb,
        "CreateTime": created,
        "State": "in-use" if attached else "available",
        "Attachments": [{"InstanceId": attached}] if attached else [],
        "Tags": [{"Key": "cloudjhub:user", "Value": user}] if user else [],
    }


def used(
    entries: list[Entry],
    workers: list[Worker] | None = None,
    volumes: list[dict[str, Any]] | None = None,
    *,
    bad: list[BadRecord] | None = None,
    tariff: Tariff = PRICED,
    period: Period = WHOLE,
    now: datetime = NOW,
    existing: tuple[str, ...] = (),
) -> Found:
    """What was used. Machines that ran exist, unless volumes are given: then those exist that have one."""
    there = volumes
    if there is None:
        ids = {one.instance_id for one in entries} | {one.instance_id for one in workers or []} | {*existing}
        there = [volume(n, "", 0, now, attached=one) for n, one in enumerate(sorted(ids))]
    return found(
        sorted(entries, key=lambda one: one.at), Scan(workers or [], bad or []), there, 8, tariff, period, now
    )


def by_name(
    by: By, cells: Any, groups: Mapping[str, Any] | None = None, shared: float = 0.0
) -> dict[str, Amount]:
    return {row.label: row.amount for row in rows(by, cells, groups or {}, shared, WHOLE)}


def test_a_run_that_crosses_midnight_is_on_both_days() -> None:
    days = by_name(By.DAY, used([run("alice", at(3, 22), at(4, 3))]).cells)
    assert len(days) == 30
    assert days["2026-11-03"].hours == pytest.approx(2)
    assert days["2026-11-04"].hours == pytest.approx(3)
    assert days["2026-11-04"].machines == pytest.approx(3 * T3)
    assert days["2026-11-05"] == Amount()


def test_a_run_that_crosses_the_months_ends_counts_in_part() -> None:
    before = run("alice", at(31, 20, month=10), at(1, 5))
    after = run("bob", at(30, 22), at(2, 6, month=12))
    users = by_name(By.USER, used([before, after]).cells)
    assert users["alice"].hours == pytest.approx(5)
    assert users["bob"].hours == pytest.approx(2)
    assert users["bob"].machines == pytest.approx(2 * T3)


@pytest.mark.parametrize(
    ("now", "state", "hours"),
    [
        (at(5, 12), State.RUNNING, 2.5),
        (at(5, 12), State.STOPPING, 2.5),
        (at(1, 12, month=12), State.RUNNING, 30 * 24 - 4 * 24 - 9.5),
        (at(5, 12), State.STOPPED, 0),
    ],
)
def test_a_run_that_goes_on_counts_until_now(now: datetime, state: State, hours: float) -> None:
    alice = record("alice", state=state, started_at=at(5, 9.5))
    period = period_of(NOVEMBER, at(1, month=10), now)
    assert summed(used([], [alice], now=now, period=period).cells.values()).hours == pytest.approx(hours)


def test_a_run_that_ends_while_we_read_counts_once() -> None:
    alice = record("alice", state=State.RUNNING, started_at=at(5, 9))
    cells = used([run("alice", at(5, 9), at(5, 11))], [alice], now=at(5, 11)).cells
    assert summed(cells.values()).hours == pytest.approx(2)


def test_a_run_that_was_recorded_twice_counts_once() -> None:
    twice = [run("alice", at(5, 9), at(5, 11)), run("alice", at(5, 9), at(5, 11.01))]
    total = summed(used(twice).cells.values())
    assert total.hours == pytest.approx(2.01)
    assert total.machines == pytest.approx(2.01 * T3)


def test_the_shortest_run_costs_its_minute() -> None:
    total = summed(
        used([run("alice", at(5), at(5)), run("bob", at(5), at(5) + timedelta(seconds=6))]).cells.values()
    )
    assert total.machines == pytest.approx(2 * T3 / 60, abs=1e-5)
    assert total.runs == pytest.approx(2)
    assert total.idle_stops == pytest.approx(2)


def test_all_machines_of_a_user_are_the_users() -> None:
    users = by_name(By.USER, used([run("alice", at(5), at(5, 1)), run("alice/gpu", at(6), at(6, 1))]).cells)
    assert [*users] == ["alice"]


def test_disks_count_from_their_creation_and_belong_to_their_user() -> None:
    """Free ones that no record names, and untagged ones, belong to no user."""
    disks = [
        volume(1, "alice", 10, at(1, month=9), attached="i-alice"),
        volume(2, "bob", 30, at(16)),
        volume(3, "carol", 3, at(1, month=9)),
        volume(4, "dave", 4, at(1, month=9)),
        volume(5, "", 5, at(1, month=9), attached="i-x"),
        volume(6, "late", 6, at(1, month=12)),
    ]
    bad = [BadRecord("dave", "no state", "", "vol-4")]
    cells = used([], [record("bob", home_volume="vol-2")], disks, bad=bad).cells
    users = by_name(By.USER, cells)
    assert {name: round(one.gb_months, 6) for name, one in users.items()} == {
        "alice": 10, "bob": 15, "dave": 4, "no user": 8,
    }  # fmt: skip
    assert users["bob"].disks == pytest.approx(15 * 0.08)
    assert users["bob"].total == users["bob"].disks


def test_root_disks_of_machines_that_are_gone_are_counted_while_they_were_used() -> None:
    entries = [run("alice", at(3), at(3, 1)), run("alice", at(12, 23), at(13))]
    seen = used(entries, volumes=[volume(1, "alice", 3, at(1), attached="i-other")])
    assert seen.gone == 1
    assert summed(seen.cells.values()).gb_months == pytest.approx(3 + 8 * 10 / 30)
    assert used([run("bob", at(2, month=12), at(3, month=12))], volumes=[]).gone == 0


def test_a_user_of_several_groups_is_divided_among_them() -> None:
    cells = used(
        [run("alice", at(3), at(3, 6)), run("bob", at(3), at(3, 2)), run("carol", at(3), at(3, 1))]
    ).cells
    groups = {"alice": ("bio", "chem"), "bob": ("bio",)}
    found = by_name(By.GROUP, cells, groups, shared=7.0)
    assert {name: round(one.hours, 6) for name, one in found.items()} == {
        "bio": 5, "chem": 3, "no group": 1, "shared by all": 0,
    }  # fmt: skip
    assert [*found][-1] == "shared by all"


def test_groups_are_those_of_the_newest_record() -> None:
    old, new = record("alice", groups=("a",)), record("alice/gpu", groups=("b",), changed_at=at(2))
    assert groups_of([new, old]) == {"alice": ("b",)}


def test_what_has_no_known_price_is_said_and_not_guessed() -> None:
    entries = [run("alice", at(3), at(3, 2)), run("alice", at(4), at(4, 3), kind="x9.huge")]
    total = summed(used(entries).cells.values())
    assert total.hours == pytest.approx(5)
    assert total.unknown_hours == pytest.approx(3)
    assert total.machines == pytest.approx(2 * T3)
    shared = [Item("manager", "", None)]
    said = notes(WHOLE, at(1, month=1), 0, total, shared, "")
    assert said == [
        "Not in the total: 3.0 h of machines whose price is unknown.",
        "Not in the total, because the price is unknown: manager.",
    ]


def test_in_a_region_without_prices_nothing_has_a_price() -> None:
    """Not even what an earlier version has recorded with the prices of another region."""
    unknown = tariff(SETTINGS, None)
    total = summed(used([run("alice", at(3), at(3, 2))], tariff=unknown).cells.values())
    assert total.hours == pytest.approx(2)
    assert total.total == 0.0
    assert shared_items(SETTINGS, None, load_of(WHOLE, total, 1)) == []
    assert notes(WHOLE, at(1, month=1), 0, total, [], "eu-west-1") == [
        "No prices are known for eu-west-1: hours and GB-months only."
    ]


SETTINGS = ClusterSettings(
    cluster="spring",
    region="us-east-1",
    owner="me",
    network=Network(name="spring", egress=Egress.NAT_GATEWAY),
)


def test_a_public_address_is_its_users() -> None:
    public = ClusterSettings(
        cluster="spring",
        region="us-east-1",
        owner="me",
        network=Network(name="n", egress=Egress.PUBLIC_ADDRESS),
    )
    total = summed(used([run("alice", at(3), at(3, 2))], tariff=tariff(public, Prices())).cells.values())
    assert total.machines == pytest.approx(2 * (T3 + 0.005))


def test_what_all_share_is_the_formula_of_plan_without_what_is_metered() -> None:
    """A whole month of 720 hours, and half of one."""
    some = Amount(hours=600, runs=300)
    items = {one.name: one.dollars for one in shared_items(SETTINGS, Prices(), load_of(WHOLE, some, 2))}
    assert items["manager"] == pytest.approx(0.0168 * 720)
    assert items["manager's disks"] == pytest.approx(10 * 0.08)
    assert items["NAT gateway"] == pytest.approx(0.05 * 720 + 2 * 5 * 0.045)
    assert not {"workers", "workers' root disks", "home disks"} & {*items}
    half = Period(NOVEMBER, at(1), at(16))
    items = {one.name: one.dollars for one in shared_items(SETTINGS, Prices(), load_of(half, some, 2))}
    assert items["manager"] == pytest.approx(0.0168 * 360)
    assert items["manager's disks"] == pytest.approx(10 * 0.08 / 2)


def test_the_history_may_not_reach_back_to_the_months_begin() -> None:
    assert notes(WHOLE, at(1), 0, Amount(), [], "") == []
    assert notes(WHOLE, at(1, 1), 1, Amount(), [], "") == [
        "This month is incomplete: the history goes back to 2026-11-01, and older runs are missing.",
        "Of 1 machine that is gone, the root disk is counted from the first start to the last stop.",
    ]


@pytest.mark.parametrize("name", ["2026-13", "2026-00", "november", "2026-1", "0000-01", "2026-11-01"])
def test_a_month_is_written_as_one(name: str) -> None:
    with pytest.raises(SettingsError, match="is not a month: write it like 2026-11"):
        month_named(name)


def test_months_have_their_own_length() -> None:
    assert month_named("2026-12").end == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_of(at(30, 23.99)) == NOVEMBER
    assert month_of(at(31, 24, month=10)) == NOVEMBER


def test_a_report_begins_with_the_cluster_and_ends_now() -> None:
    period = period_of(NOVEMBER, at(10, 6), at(20))
    assert (period.begin, period.end) == (at(10, 6), at(20))
    assert period.hours == 9 * 24 + 18
    assert period.share == pytest.approx(9.75 / 30)
    assert [day.day for day in period.days()] == [*range(10, 20)]
    with pytest.raises(SettingsError, match="2026-11 has not begun"):
        period_of(NOVEMBER, at(1, month=10), at(1))
    with pytest.raises(SettingsError, match="the cluster was built on 2026-12-01, after 2026-11"):
        period_of(NOVEMBER, at(1, month=12), NOW)


MINUTES = 60 * 24 * 61
NAMES = ("alice", "bob", "carol", "alice/gpu")


@st.composite
def months(draw: st.DrawFn) -> list[Entry]:
    """Runs around a month, none of an instance over another one of it."""
    entries = []
    for key in NAMES:
        cuts = sorted(draw(st.sets(st.integers(0, MINUTES), max_size=12)))
        for begin, end in zip(cuts[::2], cuts[1::2], strict=False):
            kind = draw(st.sampled_from(["t3.medium", "m7i.large"]))
            entries.append(
                run(key, at(15, month=10) + begin * HOUR / 60, at(15, month=10) + end * HOUR / 60, kind)
            )
    return entries


@trials(max_examples=60, deadline=None)
@given(
    months(), st.dictionaries(st.sampled_from(NAMES[:3]), st.sets(st.sampled_from("xyz"))), st.floats(0, 100)
)
def test_however_it_is_divided_the_sum_is_the_same(
    entries: list[Entry], groups: dict[str, set[str]], shared: float
) -> None:
    """And is what ran within the month."""
    disks = [volume(1, "alice", 10, at(1, month=9), attached="i-alice"), volume(2, "", 20, at(13))]
    seen = used(entries, volumes=[*disks, *(volume(9, "", 0, NOW, attached=f"i-{key}") for key in NAMES)])
    sums = [
        summed(
            row.amount
            for row in rows(by, seen.cells, {k: sorted(v) for k, v in groups.items()}, shared, WHOLE)
        )
        for by in By
    ]
    inside = [
        min(one.at, WHOLE.end) - max(one.at - timedelta(seconds=one.seconds or 0), WHOLE.begin)
        for one in entries
    ]
    hours = sum(max(one / HOUR, 0.0) for one in inside)
    for total in sums:
        assert total.hours == pytest.approx(hours)
        assert total.shared == pytest.approx(shared)
        assert total.machines == pytest.approx(sums[0].machines)
        assert total.gb_months == pytest.approx(10 + 20 * 18 / 30)


def a_statement(*found: Row, prices: str = "us-east-1", by: By = By.USER, **more: Any) -> Statement:
    return Statement(
        cluster="spring",
        region=prices or "eu-west-1",
        period=Period(NOVEMBER, at(1), at(20, 9)),
        by=by,
        rows=found,
        shared=[Item("manager", "t3.small", 15.184)] if prices else [],
        prices=prices,
        notes=["One thing to know."],
        **more,
    )


LONG = "a-user-with-a-name-of-more-than-eighty-characters-as-some-identity-providers-have-them@example.org"


def test_the_table_fits_in_80_columns_and_cuts_nothing() -> None:
    shown = text(
        a_statement(
            Row(Owner.USER, LONG, Amount(hours=1234.5, gb_months=1234.5, machines=12345.67, disks=12345.67)),
            Row(Owner.USER, "bob [red]", Amount(hours=3, unknown_hours=3)),
            Row(Owner.SHARED, "", Amount(shared=15.184)),
        )
    )
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    assert LONG in "".join(line[:30].split("  ")[0].strip() for line in lines)
    assert lines[0] == "spring, 2026-11, until 20 Nov 09:00 UTC, by user"
    [bob] = [line for line in lines if line.startswith("bob [red]")]
    assert bob.split()[2:] == ["3.0", "0.00", "+", "?", "0.00", "+", "?"]
    [total] = [line for line in lines if line.startswith("total")]
    assert total.split()[1:] == [
        "1237.5",
        "1234.5",
        "12345.67",
        "+",
        "?",
        "12345.67",
        "15.18",
        "24706.52",
        "+",
        "?",
    ]
    assert lines[-1] == "One thing to know."


def test_the_documents_sample_is_what_is_printed() -> None:
    named = [
        Row(
            Owner.USER,
            "ada",
            Amount(hours=41.5, runs=16, gb_months=13.4, machines=41.5 * T3, disks=13.4 * 0.08),
        ),
        Row(
            Owner.USER, "grace", Amount(hours=12, runs=7, gb_months=13.4, machines=12 * T3, disks=13.4 * 0.08)
        ),
        Row(Owner.NO_USER, "", Amount(gb_months=3.2, disks=3.2 * 0.08)),
    ]
    period = Period(NOVEMBER, at(1), at(20, 9))
    load = load_of(period, summed(row.amount for row in named), 2)
    shared = shared_items(SETTINGS, Prices(), load)
    found = Statement(
        cluster="spring",
        region="us-east-1",
        period=period,
        by=By.USER,
        rows=[*named, Row(Owner.SHARED, "", Amount(shared=costs.total(shared)))],
        shared=shared,
        prices="us-east-1",
    )
    assert text(found) in DOCS.read_text()


def test_the_document_names_the_tags_that_divide_awss_bill() -> None:
    for tag in (TAG_CLUSTER, TAG_NETWORK, TAG_ROLE, TAG_USER, TAG_SERVER, TAG_OWNER):
        assert f"`{tag}`" in DOCS.read_text()


def test_without_prices_there_are_no_dollars() -> None:
    found = a_statement(Row(Owner.USER, "alice", Amount(hours=2, unknown_hours=2, gb_months=3)), prices="")
    assert "$" not in text(found)
    document = as_document(found)
    assert document["prices"] is None
    assert document["total"] == {
        "hours": 2, "unknown_hours": 2, "gb_months": 3, "machines": None, "disks": None, "shared": None, "total": None,
    }  # fmt: skip


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    found = a_statement(Row(Owner.GROUP, "=1+1", Amount(hours=2)), Row(Owner.NO_GROUP, "", Amount(hours=1)))
    lines = [*csv.DictReader(io.StringIO(spreadsheet(found)))]
    assert [(one["owner"], one["name"], one["hours"]) for one in lines] == [
        ("group", "'=1+1", "2"),
        ("no group", "", "1"),
    ]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    monkeypatch.setattr(clusters, "REGION", "us-east-1")
    file = clusters.FILE.replace("eu-west-1", "us-east-1") + "network: {egress: nat-gateway}\n"
    monkeypatch.setattr(clusters, "FILE", file)
    with built(monkeypatch, tmp_path) as made:
        yield made


def create_stack(region: str = "us-east-1") -> None:
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    boto3.client("cloudformation", region_name=region).create_stack(
        StackName="cloudjhub-spring-data", TemplateBody=template
    )


@pytest.mark.emulator
def test_the_command_reports_this_month(cluster: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another cluster's disks are not counted."""
    create_stack()
    now = clusters.NOW + timedelta(hours=12)
    if now.month != clusters.NOW.month:  # then half a day of the new month is over too
        now += timedelta(hours=12)
    monkeypatch.setattr("bootstrap.cli.report.utc_now", lambda: now)
    cluster.worker("alice", groups=("bio",))
    cluster.worker("bob", state=State.STOPPED)
    cluster.instance("eve", cluster="autumn")
    document = json.loads(cluster.run(report, "--json").output)
    assert document["month"] == f"{now:%Y-%m}"
    rows_ = {(row["owner"], row["name"]): row for row in document["rows"]}
    assert [*rows_][-1] == ("shared by all", None)
    assert ("user", "alice") in rows_
    assert ("user", "bob") in rows_
    assert ("user", "eve") not in rows_
    begun = max(clusters.NOW, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    assert rows_["user", "alice"]["hours"] >= (now - begun) / timedelta(hours=1) - 0.1
    assert document["total"]["total"] == pytest.approx(
        sum(row["total"] for row in document["rows"]), abs=0.001
    )
    assert {"manager", "NAT gateway"} <= {one["name"] for one in document["shared"]}
    groups = json.loads(cluster.run(report, "--by", "group", "--json").output)
    assert ("group", "bio") in {(row["owner"], row["name"]) for row in groups["rows"]}
    assert groups["total"] == document["total"]
    days = json.loads(cluster.run(report, "--by", "day", "--json").output)
    assert days["total"]["total"] == pytest.approx(document["total"]["total"], abs=0.001)
    assert "egress" in {one["topic"] for one in document["advice"]}
    lines = cluster.run(report).output.splitlines()
    assert any(line.startswith("alice ") for line in lines)
    assert max(map(len, lines)) <= 80
    assert cluster.run(report, "--csv").output.splitlines()[0].startswith("owner,name,hours,")


@pytest.mark.emulator
def test_a_region_without_prices_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with built(monkeypatch, tmp_path) as made:
        create_stack("eu-west-1")
        made.worker("alice")
        output = made.run(report).output
    assert output.splitlines()[-1] == "No prices are known for eu-west-1: hours and GB-months only."
    assert "$" not in output


@pytest.mark.emulator
def test_there_is_no_report_of_no_cluster(cluster: Built) -> None:
    with pytest.raises(NotBuilt, match="there is no cluster spring in us-east-1"):
        cluster.run(report)
    with pytest.raises(SettingsError, match="not both"):
        cluster.run(report, "--csv", "--json")
