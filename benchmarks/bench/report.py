"""The report: sections of measured rows, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bench.samples import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table. `target` is the issue's wish in words, "" where there is none."""

    what: str
    value: str
    spread: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a sentence on how it was measured."""

    title: str
    words: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose columns are named by whoever makes it, for what is set side by side."""

    title: str
    words: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def measured(what: str, of: Sample, digits: int, unit: str = "", *, at_most: float | None = None) -> Row:
    """A row for a sample, with a verdict on its median where there is a target."""
    target = "" if at_most is None else verdict(of.median, at_most, unit)
    return Row(what=what, value=of.told(digits, unit), spread=of.spread(digits), target=target)


def verdict(value: float, at_most: float, unit: str = "") -> str:
    """The target and whether it is met."""
    return f"≤ {at_most:g} {unit}".rstrip() + (": met" if value <= at_most else ": **missed**")


def markdown(head: str, sections: Sequence[Section | Table]) -> str:
    """The whole document."""
    return "\n\n".join([head.strip(), *(_shown(section) for section in sections)]) + "\n"


def _shown(section: Section | Table) -> str:
    table = section if isinstance(section, Table) else _table(section)
    lines = [_line(table.head), _line(["---"] * len(table.head)), *map(_line, table.lines)]
    return f"## {table.title}\n\n{table.words}\n\n" + "\n".join(lines)


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
    return Table(title=section.title, words=section.words, head=tuple(filled), lines=lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
