"""Token buckets, at their brims and floors."""

import pytest

from bootstrap.local.cloud.gateway.throttling import (
    CLOUDFORMATION,
    DESCRIBE,
    DESCRIBE_ALL,
    IAM_CHANGES,
    IAM_READS,
    LAMBDA_REST,
    OTHER_CHANGES,
    REQUESTS,
    RESOURCES,
    Buckets,
    Level,
    Rate,
    bucket_of,
    request_rate,
    take,
)

RATE = Rate(5, 2)


@pytest.mark.parametrize(
    ("level", "count", "now", "taken", "left"),
    [
        (None, 5, 0.0, True, 0),
        (None, 6, 0.0, False, 5),
        (Level(0, 0.0), 1, 0.499, False, 0.998),
        (Level(0, 0.0), 1, 0.5, True, 0),
        (Level(0, 0.0), 1, 0.75, True, 0.5),
        (Level(4, 0.0), 1, 100.0, True, 4),
        (Level(2, 10.0), 2, 9.0, True, 0),
    ],
)
def test_take(level: Level | None, count: int, now: float, taken: bool, left: float) -> None:
    found, after = take(RATE, level, count, now)
    assert found is taken
    assert after.tokens == pytest.approx(left)


@pytest.mark.parametrize(
    ("action", "is_targeted", "rate"),
    [
        ("RunInstances", False, Rate(5, 2)),
        ("StartInstances", True, Rate(5, 2)),
        ("StopInstances", True, Rate(50, 5)),
        ("TerminateInstances", True, Rate(100, 5)),
        ("CreateTags", False, Rate(100, 10)),
        ("ModifyInstanceAttribute", False, Rate(50, 5)),
        ("AttachVolume", False, OTHER_CHANGES),
        ("DescribeInstances", True, DESCRIBE),
        ("DescribeInstances", False, DESCRIBE_ALL),
        ("GetConsoleOutput", True, DESCRIBE),
    ],
)
def test_request_rates(action: str, is_targeted: bool, rate: Rate) -> None:
    assert request_rate(action, is_targeted=is_targeted) == rate


@pytest.mark.parametrize(
    ("service", "action", "bucket"),
    [
        ("cloudwatch", "PutMetricAlarm", ("PutMetricAlarm", Rate(3, 3))),
        ("cloudwatch", "GetMetricData", None),
        ("lambda", "GetFunction", ("GetFunction", Rate(100, 100))),
        ("lambda", "GetPolicy", ("GetPolicy", Rate(15, 15))),
        ("lambda", "CreateFunction", ("", LAMBDA_REST)),
        ("lambda", "ListTags", ("", LAMBDA_REST)),
        ("lambda", "Invoke", None),
        ("iam", "GetRole", ("GetRole", IAM_READS)),
        ("iam", "CreateRole", ("CreateRole", IAM_CHANGES)),
        ("cloudformation", "DescribeStacks", ("DescribeStacks", CLOUDFORMATION)),
        ("cloudformation", "CreateStack", ("CreateStack", CLOUDFORMATION)),
        ("route53", "ListHostedZones", ("", Rate(5, 5))),
        ("dynamodb", "PutItem", None),
    ],
)
def test_which_bucket_a_call_takes_from(service: str, action: str, bucket: tuple[str, Rate] | None) -> None:
    assert bucket_of(service, action) == bucket


def start_singly(count: int) -> float:
    """Seconds until the last of `count` single starts is let through, asking as soon as it may be."""
    now = 0.0
    buckets = Buckets(lambda: now)
    for _ in range(count):
        while not buckets.take("request", "StartInstances", REQUESTS["StartInstances"]):
            now += 0.5
    return now


def test_two_hundred_single_starts_take_about_98_seconds() -> None:
    assert start_singly(200) == pytest.approx(97.5, abs=0.5)


def test_one_call_starts_two_hundred_at_once() -> None:
    buckets = Buckets(lambda: 0.0)
    assert buckets.take("request", "StartInstances", REQUESTS["StartInstances"])
    assert buckets.take("resource", "StartInstances", RESOURCES["StartInstances"], 200)
    assert buckets.take("resource", "StartInstances", RESOURCES["StartInstances"], 800)
    assert not buckets.take("resource", "StartInstances", RESOURCES["StartInstances"], 1)


def test_buckets_are_apart() -> None:
    buckets = Buckets(lambda: 0.0)
    assert all(buckets.take("request", "RunInstances", RATE) for _ in range(5))
    assert not buckets.take("request", "RunInstances", RATE)
    assert buckets.take("request", "StartInstances", RATE)
