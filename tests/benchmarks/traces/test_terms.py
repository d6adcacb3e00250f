"""A short term of a few people: the targets hold at any size, and the same seed gives the same figures."""

from pathlib import Path

import pytest

from benchmarks.traces import plots, report
from benchmarks.traces.figures import Term, engaged, percentile, share_within, term
from benchmarks.traces.ours import REPORT_PERIOD, SWEEP
from benchmarks.traces.people import STUDENTS, TEAM
from benchmarks.traces.trace import HOUR, MINUTE, Kind, Life, Run, Trace, Work

SEED = 7


@pytest.fixture(
    scope="module", params=[("A course", STUDENTS, 20), ("A team", TEAM, 6)], ids=["course", "team"]
)
def found(request: pytest.FixtureRequest) -> Term:
    title, habits, people = request.param
    return term(title, habits, people, 5, SEED)


def test_ours_kills_no_user_at_work(found: Term) -> None:
    assert found.ours.killed_working == 0, f"seed {SEED}"


def test_ours_stops_no_machine_early_but_after_a_terminals_program(found: Term) -> None:
    us = found.ours
    assert us.killed_within == us.within_terminal, f"seed {SEED}"
    assert us.early < REPORT_PERIOD, f"seed {SEED}"


def test_ours_stops_everyone_within_two_sweeps(found: Term) -> None:
    late = found.ours.late
    assert len(late) > 100
    assert max(late) <= 2 * SWEEP, f"seed {SEED}"


def test_ours_stops_by_alarm_soon_after_the_timeout(found: Term) -> None:
    """Also if CloudWatch's periods for alarms are not as its documentation says. Not with reports each minute."""
    ours, fixed, each_minute = (
        share_within(one.late_by_alarm, report.SOON) for one in (found.ours, *found.variants)
    )
    assert ours >= 0.95, f"seed {SEED}"
    assert fixed >= 0.95, f"seed {SEED}"
    assert each_minute < 0.5, f"seed {SEED}"


def test_an_alarms_stop_takes_what_its_delays_take(found: Term) -> None:
    """Nothing but the report's period, CloudWatch's periods and evaluation, delivery and function."""
    us = found.ours
    for late, delays in zip(us.late_by_alarm, us.delays, strict=True):
        parts = delays.report + delays.window + delays.evaluation + delays.delivery + delays.function
        assert late == pytest.approx(parts, abs=0.01)
        assert parts <= 2 * MINUTE


def test_the_bill_with_what_watching_costs_is_near_the_oracles(found: Term) -> None:
    ours, oracle = found.ours, found.oracle.dollars(found.length)
    assert oracle <= ours.dollars(found.length), f"seed {SEED}"
    assert ours.watched_dollars(found.length, REPORT_PERIOD) <= report.BOUND * oracle, f"seed {SEED}"


def test_the_oracle_is_never_late_and_never_early(found: Term) -> None:
    assert found.oracle.killed_working == found.oracle.killed_within == 0
    assert max(found.oracle.late) == pytest.approx(0, abs=0.001)


def test_the_peers_kill_work_or_burn_money(found: Term) -> None:
    """Each does worse in at least one of the two, and the one that never stops is the dearest."""
    for peer in found.tallies[2:]:
        assert peer.killed_working > 0 or peer.billed > 1.5 * found.oracle.billed, peer.name
    assert found.tallies[-1].billed == max(tally.billed for tally in found.tallies)


def test_the_same_seed_gives_the_same_page_and_pictures(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        terms = [term("A course", STUDENTS, 2, 2, SEED), term("A team", TEAM, 1, 2, SEED)]
        late, money = tmp_path / f"{name}-late.svg", tmp_path / f"{name}-money.svg"
        plots.late(terms, late)
        plots.money(terms, money)
        pages.append((report.document(terms, "the command", []), late.read_bytes(), money.read_bytes()))
    assert pages[0] == pages[1]
    assert term("A course", STUDENTS, 2, 2, SEED + 1) != terms[0]


def test_time_at_work_is_counted_once() -> None:
    """A cell and the person at it overlap; a stuck cell is no work; the boot is not idle."""
    works = [Work(100, 100 + HOUR, Kind.KERNEL), Work(2 * HOUR, 9 * HOUR, Kind.STUCK)]
    life = Life(Trace("alice", [0.0, 100.0, 160.0], works), 0.0, 20.0, 60.0)
    assert engaged(Run(life, 10 * HOUR, None)) == 80 + HOUR


@pytest.mark.parametrize(("share", "value"), [(0, 1), (0.5, 3), (0.95, 4), (1, 4)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([4, 2, 3, 1], share) == value
    assert share_within([1, 2, 3, 4], 3) == 0.75
