"""Medians, ratios and slopes of what was measured."""

import pytest

from benchmarks.bench.report import ratios, sample, slope


def test_a_sample_tells_its_median_and_its_ends() -> None:
    three = sample([3.0, 1.0, 2.04])
    assert three.shown(1, "s") == "2.0 s"
    assert three.spread(1) == "1.0 to 3.0"
    assert three.less(1).values == pytest.approx((2.0, 0.0, 1.04))
    assert three.times(1000).shown(0) == "2,040"


def test_one_value_has_no_spread() -> None:
    assert sample([1.0]).spread(1) == ""


def test_nothing_measured_is_no_sample() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        sample([])


def test_a_ratio_is_of_neighbours() -> None:
    """A machine twice as slow in the second turn does not show."""
    assert ratios(sample([3.0, 6.0]), sample([2.0, 4.0])).values == (1.5, 1.5)


def test_ratios_need_as_many_of_both() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios(sample([1.0, 2.0]), sample([1.0]))


@pytest.mark.parametrize(
    ("values", "grown"), [([5.0, 5.0, 5.0], 0.0), ([5.0, 7.0, 9.0], 2.0), ([5.0, 5.0, 8.0], 1.5)]
)
def test_the_slope_is_the_growth_with_each_one_more(values: list[float], grown: float) -> None:
    assert slope([0, 1, 2], values) == pytest.approx(grown)
