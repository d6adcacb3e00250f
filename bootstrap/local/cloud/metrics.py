"""Metric datapoints by CloudWatch's rules: series by exact dimensions, aligned periods, two resolutions, retention.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

HIGH_RESOLUTION = 1
STANDARD_RESOLUTION = 60
KEPT = {HIGH_RESOLUTION: 3 * 3600.0, STANDARD_RESOLUTION: 15 * 86400.0}
"""Seconds that datapoints are kept at their own resolution."""

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name; `dimensions` sorted: another set of dimensions is another metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was reported of a moment (epoch seconds): a value, or several as their statistics."""

    at: float
    minimum: float
    maximum: float
    total: float
    count: float
    unit: str


@dataclass(slots=True)
class Series:
    """The samples of one metric, in order of time."""

    times: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    keeps: float = 0.0

    def add(self, sample: Sample) -> None:
        place = bisect_left(self.times, sample.at)
        self.times.insert(place, sample.at)
        self.samples.insert(place, sample)

    def forget(self, before: float) -> None:
        place = bisect_left(self.times, before)
        del self.times[:place], self.samples[:place]

    def between(self, start: float, end: float) -> list[Sample]:
        return self.samples[bisect_left(self.times, start) : bisect_left(self.times, end)]


class MetricStore:
    """All series. Used under the emulator's lock; part of the snapshot."""

    def __init__(self) -> None:
        self._series: dict[Metric, Series] = {}

    def put(self, metric: Metric, sample: Sample, resolution: int, now: float) -> bool:
        """Adds a sample, rounded down to its resolution; whether the metric is new."""
        is_new = metric not in self._series
        series = self._series.setdefault(metric, Series())
        series.keeps = max(series.keeps, KEPT[resolution])
        at = sample.at - sample.at % resolution
        series.add(Sample(at, sample.minimum, sample.maximum, sample.total, sample.count, sample.unit))
        series.forget(now - series.keeps)
        return is_new

    def statistic(
        self, metric: Metric, name: str, period: int, start: float, end: float, unit: str | None = None
    ) -> Mapping[float, float]:
        """The statistic of every period that has data, by the period's start.

        Periods are aligned to the clock; `start` is rounded down to one, `end` is exclusive.
        """
        series = self._series.get(metric)
        if series is None:
            return {}
        periods: dict[float, list[Sample]] = {}
        for sample in series.between(start - start % period, end):
            if unit is None or sample.unit == unit:
                periods.setdefault(sample.at - sample.at % period, []).append(sample)
        return {at: _statistic(name, samples) for at, samples in periods.items()}


def _statistic(name: str, samples: list[Sample]) -> float:
    count = sum(sample.count for sample in samples)
    total = sum(sample.total for sample in samples)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return total
        case "Average":
            return total / count
        case "Minimum":
            return min(sample.minimum for sample in samples)
        case "Maximum":
            return max(sample.maximum for sample in samples)
        case _:
            raise ValueError(f"{name} is not one of {', '.join(STATISTICS)}")
