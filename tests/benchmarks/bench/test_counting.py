"""Calls by who made them."""

import pytest

from benchmarks.bench import counting
from benchmarks.bench.counting import HUB, LIFECYCLE, OPERATOR, WORKER


@pytest.mark.parametrize(
    ("principal", "who"),
    [
        ("cloudjhub-local-manager/manager", HUB),
        ("cloudjhub-local-worker/i-0123456789abcdef0", WORKER),
        ("local-operator", OPERATOR),
        ("lambda", LIFECYCLE),
    ],
)
def test_callers(principal: str, who: str) -> None:
    assert counting.caller(principal) == who


def test_workers_are_counted_together() -> None:
    calls = counting.by_caller(
        {
            "cloudjhub-local-worker/i-1": {"cloudwatch:PutMetricData": 2},
            "cloudjhub-local-worker/i-2": {"cloudwatch:PutMetricData": 3, "sts:GetCallerIdentity": 1},
        }
    )
    assert counting.made_by(calls, WORKER) == {"cloudwatch:PutMetricData": 5, "sts:GetCallerIdentity": 1}
    assert counting.made_by(calls, WORKER, "sts:") == {"sts:GetCallerIdentity": 1}
    assert counting.made_by(calls, HUB) == {}


def test_words_for_a_table() -> None:
    assert counting.text({"ec2:StartInstances": 1, "ec2:DescribeInstances": 1200}) == (
        "1 StartInstances, 1,200 DescribeInstances"
    )
    assert counting.text({}) == "none"
