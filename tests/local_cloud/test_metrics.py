"""The metric store: periods, statistics, resolutions, retention."""

import pytest

from bootstrap.local.cloud.cloudwatch.metrics import (
    HIGH_RESOLUTION,
    KEPT,
    STANDARD_RESOLUTION,
    Metric,
    MetricStore,
    Sample,
)

METRIC = Metric("cloudjhub/local", "Activity", (("InstanceId", "i-1"),))


def sample(at: float, value: float) -> Sample:
    return Sample(at, value, value, value, 1, "None")


def store(*samples: Sample, resolution: int = HIGH_RESOLUTION) -> MetricStore:
    made = MetricStore()
    for one in samples:
        made.put(METRIC, one, resolution, one.at)
    return made


@pytest.mark.parametrize(
    ("name", "value"), [("SampleCount", 3), ("Sum", 9), ("Average", 3), ("Minimum", 1), ("Maximum", 6)]
)
def test_statistics(name: str, value: float) -> None:
    made = store(sample(60, 1), sample(61, 2), sample(119, 6))
    assert made.statistic(METRIC, name, 60, 60, 120) == {60: value}


def test_periods_are_aligned_to_the_clock() -> None:
    """The start is rounded down to a period, the end is not part of the answer."""
    made = store(sample(59, 1), sample(60, 2), sample(119, 3), sample(120, 4))
    assert made.statistic(METRIC, "Sum", 60, 90, 120) == {60: 5}
    assert made.statistic(METRIC, "Sum", 10, 55, 61) == {50: 1, 60: 2}


def test_other_dimensions_are_another_metric() -> None:
    made = store(sample(60, 1))
    other = Metric(METRIC.namespace, METRIC.name, (("InstanceId", "i-2"),))
    without = Metric(METRIC.namespace, METRIC.name, ())
    elsewhere = Metric("AWS/EC2", METRIC.name, METRIC.dimensions)
    assert not any(made.statistic(one, "Sum", 60, 0, 600) for one in (other, without, elsewhere))


def test_standard_resolution_rounds_down_to_the_minute() -> None:
    made = store(sample(75, 1), sample(119, 2), resolution=STANDARD_RESOLUTION)
    assert made.statistic(METRIC, "Sum", 10, 0, 600) == {60: 3}


@pytest.mark.parametrize("resolution", [HIGH_RESOLUTION, STANDARD_RESOLUTION])
def test_data_is_forgotten_after_its_time(resolution: int) -> None:
    kept = KEPT[resolution]
    made = store(sample(600, 1), resolution=resolution)
    made.put(METRIC, sample(600 + kept, 2), resolution, 600 + kept)
    assert len(made.statistic(METRIC, "Sum", 60, 0, 1200 + kept)) == 2
    made.put(METRIC, sample(660 + kept, 3), resolution, 660 + kept)
    assert min(made.statistic(METRIC, "Sum", 60, 0, 1200 + kept)) > 600


def test_late_samples_find_their_place() -> None:
    made = store(sample(120, 1), sample(60, 2), sample(180, 3))
    assert list(made.statistic(METRIC, "Sum", 60, 0, 600).items()) == [(60, 2), (120, 1), (180, 3)]


def test_units_can_be_asked_for() -> None:
    made = store(sample(60, 1), Sample(61, 5, 5, 5, 1, "Percent"))
    assert made.statistic(METRIC, "Sum", 60, 0, 600, "Percent") == {60: 5}


def test_a_metric_is_new_once() -> None:
    made = MetricStore()
    assert made.put(METRIC, sample(60, 1), HIGH_RESOLUTION, 60)
    assert not made.put(METRIC, sample(61, 1), HIGH_RESOLUTION, 61)
