"""Several measurements of the same thing: their median and how far they lie apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing measured once or more often, in the order of measuring."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("nothing was measured")

    @property
    def median(self) -> float:
        return median(self.values)

    def told(self, digits: int, unit: str = "") -> str:
        """The median, for a table."""
        return f"{self.median:,.{digits}f} {unit}".rstrip()

    def spread(self, digits: int) -> str:
        """The lowest and the highest value, for a table; "" where there is one value only."""
        if len(self.values) == 1:
            return ""
        return f"{min(self.values):,.{digits}f} to {max(self.values):,.{digits}f}"

    def times(self, factor: float) -> "Sample":
        """Each value in another unit."""
        return Sample(tuple(value * factor for value in self.values))

    def less(self, amount: float) -> "Sample":
        """Each value less a fixed amount."""
        return Sample(tuple(value - amount for value in self.values))


def sample(values: Iterable[float]) -> Sample:
    """The values as a sample. Raises ValueError if there are none."""
    return Sample(tuple(values))


def ratios(of: Sample, to: Sample) -> Sample:
    """Each value of one sample divided by the other's value that was measured next to it.

    What slows the machine for a while slows both, and so hardly changes their ratio.
    """
    return sample(one / other for one, other in zip(of.values, to.values, strict=True))


def slope(counts: Sequence[float], values: Sequence[float]) -> float:
    """By how much the value grows with each one more, by least squares."""
    mean_count, mean_value = sum(counts) / len(counts), sum(values) / len(values)
    above = sum((c - mean_count) * (v - mean_value) for c, v in zip(counts, values, strict=True))
    return above / sum((c - mean_count) ** 2 for c in counts)
