"""What is compared, and how the page shows it. The sweeps are simulated."""

from pathlib import Path

import pytest

from benchmarks.peers.fleet import TIMEOUT, Fleet
from benchmarks.peers.measuring import OURS, Comparison, Cost, Costs, compare
from benchmarks.peers.page import growth, page, rules


def flat(fleet: Fleet, stop_seconds: float) -> Cost:
    calls = {"dynamodb:Query": 1, "hub:drain": fleet.due}
    return Cost(calls=calls, cpu=1.0, megabytes=100, seconds=stop_seconds, items=fleet.due)


def growing(fleet: Fleet, stop_seconds: float) -> Cost:
    calls = {"ec2:DescribeInstances": fleet.running}
    return Cost(calls=calls, cpu=fleet.running / 100, megabytes=50, seconds=fleet.due * stop_seconds)


def compared() -> Comparison:
    return compare([100, 1_000], [2_000], 10, 2.0, 1, lambda _words: None, {OURS: flat, "peer": growing})


def test_everyone_sweeps_the_same_fleets_and_ours_a_larger_one_too() -> None:
    swept = {fleet.running: list(costs) for fleet, costs in compared().by_fleet.items()}
    assert swept == {100: [OURS, "peer"], 1_000: [OURS, "peer"], 2_000: [OURS]}


def test_with_slow_stops_only_those_that_are_due_run() -> None:
    comparison = compared()
    assert comparison.slow_fleet == Fleet(users=10, running=10, due=10)
    assert [costs.seconds.median for costs in comparison.slow.values()] == [2.0, 20.0]


def test_growth_is_over_what_everyone_swept() -> None:
    comparison = compared()
    assert comparison.growth("peer", lambda costs: costs.first.asked) == 10
    assert comparison.growth(OURS, lambda costs: costs.first.asked) == 1


def test_items_read_count_as_calls_do() -> None:
    cost = Cost(calls={"dynamodb:Query": 1}, cpu=1, megabytes=1, seconds=1, items=500)
    assert (cost.called, cost.asked) == (1, 501)


def test_the_most_memory_and_the_median_of_all_runs() -> None:
    runs = [Cost(calls={}, cpu=cpu, megabytes=cpu * 10, seconds=cpu) for cpu in (1.0, 4.0, 2.0)]
    costs = Costs(tuple(runs))
    assert (costs.cpu.median, costs.megabytes, costs.seconds.median) == (2.0, 40.0, 2.0)


def test_only_ours_has_a_target() -> None:
    rows = growth(compared()).rows
    assert [(row.value, row.target) for row in rows] == [
        ("21, 21: 1.00", "≤ 1.1: met"),
        ("1.00 s, 1.00 s: 1.00", "≤ 1.1: met"),
        ("100, 1,000: 10.00", ""),
        ("1.00 s, 10.00 s: 10.00", ""),
    ]


def test_ours_that_grows_misses_its_target() -> None:
    comparison = compare([100, 111], [], 10, 0, 1, lambda _words: None, {OURS: growing})
    assert {row.target for row in growth(comparison).rows} == {"≤ 1.1: **missed**"}


def test_the_page_has_every_fleet_and_its_command() -> None:
    text = page(compared(), "python -m it", "Today.", [("pictures/a.svg", "A picture")])
    assert "Written by `python -m it`. Today." in text
    assert "## One sweep: 2,000 of 10,000 users run, 10 due" in text
    assert "| peer | 1,000 | 1,000 DescribeInstances | 10.00 s | 50 MB | 0.0 s |" in text
    assert "| cloudJHub (ours) | 11 | 1 Query, 10 drain; 10 items read | 1.00 s | 100 MB | 0.0 s |" in text
    assert "![A picture](pictures/a.svg)" in text


@pytest.mark.parametrize(
    ("name", "pinned", "shown"),
    [
        ("idle-culler", "jupyterhub-idle-culler==2.0.0", "**jupyterhub-idle-culler** 2.0.0"),
        ("custodian", "c7n==0.9.53", "**cloud-custodian** c7n 0.9.53"),
    ],
)
def test_the_page_names_the_versions_that_are_measured(name: str, pinned: str, shown: str) -> None:
    lines = (Path(__file__).parents[3] / f"benchmarks/peers/requirements-{name}.txt").read_text().splitlines()
    assert pinned in lines
    assert shown in page(compared(), "it", "", [])


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("cloudJHub (ours)", 3930),
        ("jupyterhub-idle-culler", 5400),
        ("cloud-custodian", 4200),
        ("cloudJHub (before)", 3900),
    ],
)
def test_the_latest_stop_by_each_rule(name: str, seconds: int) -> None:
    [rule] = [rule for rule in rules(TIMEOUT) if rule.name == name]
    assert rule.latest(TIMEOUT).total_seconds() == seconds
