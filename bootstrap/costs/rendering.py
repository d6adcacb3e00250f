"""The bill as a table for people and as JSON for scripts."""

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bootstrap.costs.model import Item, total
from bootstrap.costs.prices import REGION

WIDTH = 110


def as_json(items: Sequence[Item]) -> dict[str, Any]:
    """`{"items": [{"name", "formula", "dollars"}…], "dollars": …}`, US dollars a month."""
    rows = [{"name": item.name, "formula": item.formula, "dollars": _rounded(item.dollars)} for item in items]
    return {"items": rows, "dollars": round(total(items), 2), "prices": REGION}


def render(items: Sequence[Item], region: str = REGION) -> str:
    """A table with a line for each item and one for their sum; says so where the prices are another region's."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("each month", footer="together")
    table.add_column("reckoned as", overflow="fold")
    table.add_column("$", justify="right", footer=f"{total(items):.2f}")
    for item in items:
        table.add_row(item.name, item.formula, "?" if item.dollars is None else f"{item.dollars:.2f}")
    output = io.StringIO()
    Console(file=output, width=WIDTH, color_system=None, highlight=False).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    return "\n".join([*lines, *_notes(items, region)])


def _notes(items: Sequence[Item], region: str) -> list[str]:
    notes = []
    if region != REGION:
        notes.append(f"Prices are those of {REGION}; {region} has its own.")
    unknown = [item.name for item in items if item.dollars is None]
    if unknown:
        notes.append(
            f"Not in the sum, for the price of its instance type is not known: {', '.join(unknown)}."
        )
    return notes


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 2)
