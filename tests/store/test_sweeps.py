"""What a sweep costs grows with what is due, not with who exists. Counts only: seconds are for `make bench`."""

import pytest

from benchmarks.bench import sweeps
from tests.store import servers

DUE = 6


@pytest.fixture(scope="module")
def costs() -> dict[tuple[int, int], dict[str, object]]:
    """By how many records there are, and how many of them are due."""
    found = {}
    for records, due in ((60, DUE), (600, DUE), (600, 10 * DUE)):
        with (
            servers.running("dynalite") as endpoint,
            servers.used(endpoint),
            sweeps.slow_hub(0) as hub_api,
        ):
            found[records, due] = sweeps.swept(records, due, hub_api)
    return found


def test_all_that_are_due_are_stopped_and_no_other(
    costs: dict[tuple[int, int], dict[str, object]],
) -> None:
    assert {key: cost["outcomes"] for key, cost in costs.items()} == {
        key: {"stopped": key[1]} for key in costs
    }


def test_ten_times_as_many_workers_cost_nothing_more(costs: dict[tuple[int, int], dict[str, object]]) -> None:
    few, many = costs[60, DUE], costs[600, DUE]
    for what in ("dynamodb", "items_read", "cloudwatch"):
        assert few[what] == many[what], what


def test_cloudwatch_and_ec2_are_not_asked_for_each_worker(
    costs: dict[tuple[int, int], dict[str, object]],
) -> None:
    """Two batches: the first one alone, then all others."""
    many = costs[600, 10 * DUE]
    assert many["cloudwatch"] == {"GetMetricData": 4}
    assert many["ec2"] != {"StopInstances": 10 * DUE}
