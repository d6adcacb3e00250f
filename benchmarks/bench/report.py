"""The report: samples with their median and spread, in sections of measured rows, as Markdown; and the machine they
were measured on.
"""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """Repeated measurements of one thing, in their order."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("nothing was measured")

    @property
    def median(self) -> float:
        """The median of the values."""
        return median(self.values)

    def shown(self, digits: int, unit: str = "") -> str:
        """The median, for a table."""
        return f"{self.median:,.{digits}f} {unit}".rstrip()

    def spread(self, digits: int) -> str:
        """The lowest and the highest value, for a table; "" for a single value."""
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

    A temporary slowdown of the machine affects both, and so hardly changes their ratio.
    """
    return sample(one / other for one, other in zip(of.values, to.values, strict=True))


def slope(counts: Sequence[float], values: Sequence[float]) -> float:
    """The growth of the value with the count, by least squares."""
    mean_count, mean_value = sum(counts) / len(counts), sum(values) / len(values)
    above = sum((c - mean_count) * (v - mean_value) for c, v in zip(counts, values, strict=True))
    return above / sum((c - mean_count) ** 2 for c in counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table. `target` is the goal, "" if there is none."""

    what: str
    value: str
    spread: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a sentence on how it was measured."""

    title: str
    intro: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with named columns, for comparisons."""

    title: str
    intro: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def measured(what: str, of: Sample, digits: int, unit: str = "", *, at_most: float | None = None) -> Row:
    """A row for a sample, with a verdict on its median where there is a target."""
    target = "" if at_most is None else verdict(of.median, at_most, unit)
    return Row(what=what, value=of.shown(digits, unit), spread=of.spread(digits), target=target)


def verdict(value: float, at_most: float, unit: str = "") -> str:
    """The target and whether it is met."""
    return f"≤ {at_most:g} {unit}".rstrip() + (": met" if value <= at_most else ": **missed**")


def markdown(head: str, sections: Sequence[Section | Table]) -> str:
    """The whole document."""
    return "\n\n".join([head.strip(), *(_shown(section) for section in sections)]) + "\n"


def _shown(section: Section | Table) -> str:
    table = section if isinstance(section, Table) else _table(section)
    lines = [_line(table.head), _line(["---"] * len(table.head)), *map(_line, table.lines)]
    return f"## {table.title}\n\n{table.intro}\n\n" + "\n".join(lines)


def _table(section: Section) -> Table:
    """Columns that no row fills are left out."""
    rows = section.rows
    columns = {
        "": [row.what for row in rows],
        "median": [row.value for row in rows],
        "lowest to highest": [row.spread for row in rows],
        "target": [row.target for row in rows],
    }
    if not any(row.spread for row in rows):
        columns = {("measured" if name == "median" else name): cells for name, cells in columns.items()}
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    lines = tuple(zip(*filled.values(), strict=True))
    return Table(title=section.title, intro=section.intro, head=tuple(filled), lines=lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def machine() -> str:
    """Cores, processor, memory, system and Python, in one sentence."""
    gigabytes = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({_processor()}), {gigabytes:.0f} GB of memory, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def load_average() -> float:
    """The load average of the last minute: what else the machine does."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
