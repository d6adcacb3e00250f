"""The report: sections of measured rows, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.samples import Sample


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


def measured(what: str, of: Sample, digits: int, unit: str = "", *, at_most: float | None = None) -> Row:
    """A row for a sample, with a verdict on its median where there is a target."""
    target = "" if at_most is None else verdict(of.median, at_most, unit)
    return Row(what=what, value=of.told(digits, unit), spread=of.spread(digits), target=target)


def verdict(value: float, at_most: float, unit: str = "") -> str:
    """The target and whether it is met."""
    return f"≤ {at_most:g} {unit}".rstrip() + (": met" if value <= at_most else ": **missed**")


def markdown(head: str, sections: Sequence[Section]) -> str:
    """The whole document."""
    return "\n\n".join([head.strip(), *(_section(section) for section in sections)]) + "\n"


def _section(section: Section) -> str:
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
    lines = [_line(list(filled)), _line(["---"] * len(filled))]
    lines += [_line(list(cells)) for cells in zip(*filled.values(), strict=True)]
    return f"## {section.title}\n\n{section.words}\n\n" + "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
