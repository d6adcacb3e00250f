"""The bill as a table and as JSON, and a comparison of the ways to the internet by size of class."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from bootstrap.config.choices import Egress
from bootstrap.config.settings import ClusterSettings, Network, Workers
from bootstrap.costs.advice import Advice
from bootstrap.costs.case import Item
from bootstrap.costs.model import EGRESS_ITEMS, monthly, total
from bootstrap.costs.prices import SOURCES, Prices, prices_in
from lifecycle_app.model.history import REGION

WIDTH = 110


def render_advice(found: Sequence[Advice], whole: float) -> str:
    """Lines of at most 80 columns; `whole`: the bill, in US dollars."""
    if not found:
        return ""
    wrapped = [
        textwrap.fill(
            one.line,
            width=80,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in found
    ]
    return "\n".join([f"what would save most, of ${whole:.2f} by this formula:", *wrapped])


def as_json(items: Sequence[Item], region: str = REGION, advised: Sequence[Advice] = ()) -> dict[str, Any]:
    """`{"items": [{"name", "formula", "dollars"}…], "dollars", "prices", "advice"}`, US dollars a month; nothing where
    no prices are known.
    """
    if prices_in(region) is None:
        return {"items": [], "dollars": None, "prices": None, "advice": []}
    rows = [{"name": item.name, "formula": item.formula, "dollars": _rounded(item.dollars)} for item in items]
    dollars, told = round(total(items), 2), [advice_as_json(one) for one in advised]
    return {"items": rows, "dollars": dollars, "prices": REGION, "advice": told}


def advice_as_json(advice: Advice) -> dict[str, Any]:
    """For scripts."""
    return {
        "topic": advice.topic,
        "setting": advice.setting,
        "instead_of": advice.instead_of,
        "saves": round(advice.saves, 2),
        "costs": round(advice.costs, 2),
    }


def render(items: Sequence[Item], region: str = REGION) -> str:
    """A table with a line for each item and the total; a single line where no prices are known."""
    if prices_in(region) is None:
        return (
            f"cost a month: unknown, because no prices are known for {region}; in {REGION} it would be "
            f"${total(items):.2f}"
        )
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("each month", footer="total")
    table.add_column("calculated as", overflow="fold")
    table.add_column("$", justify="right", footer=f"{total(items):.2f}")
    for item in items:
        table.add_row(item.name, item.formula, "?" if item.dollars is None else f"{item.dollars:.2f}")
    output = io.StringIO()
    Console(file=output, width=WIDTH, color_system=None, highlight=False).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    return "\n".join([*lines, *_notes(items)])


def render_total(items: Sequence[Item], region: str) -> str:
    """The whole bill in a few words, like "about $123"; what is known of it where a price is unknown."""
    if prices_in(region) is None:
        return f"an unknown amount in {region} (about ${total(items):,.0f} in {REGION})"
    least = "at least " if any(item.dollars is None for item in items) else "about "
    return f"{least}${total(items):,.0f}"


def _notes(items: Sequence[Item]) -> list[str]:
    unknown = [item.name for item in items if item.dollars is None]
    if not unknown:
        return []
    return [f"Not in the total, because the price of the instance type is unknown: {', '.join(unknown)}."]


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 2)


SIZES: Sequence[tuple[int, float]] = ((5, 10), (20, 30), (200, 20), (200, 120), (2000, 20), (2000, 120))
"""Users, and hours a month for each."""
SAMPLE = ClusterSettings(
    cluster="sample",
    region="us-east-1",
    owner="",
    network=Network(name="sample"),
    workers=Workers(types=("t4g.medium",), disk=8, home_disk=3),
)


def egress_costs(settings: ClusterSettings) -> dict[Egress, tuple[float, float]]:
    """For each way to the internet: its cost, and that of the whole cluster with it."""
    costs = {}
    for egress in Egress:
        items = monthly(replace(settings, network=replace(settings.network, egress=egress)))
        own = sum(item.dollars or 0.0 for item in items if item.name in EGRESS_ITEMS)
        costs[egress] = (own, total(items))
    return costs


def compared_egress(settings: ClusterSettings) -> str:
    """A line with the whole bill for each way to the internet, the chosen one first; "" in an existing VPC."""
    if not settings.network.is_ours:
        return ""
    costs, chosen = egress_costs(settings), settings.network.egress
    ways = sorted(Egress, key=lambda one: (one is not chosen, costs[one][1]))
    bills = ", ".join(f"{one.value} ${costs[one][1]:,.2f}" for one in ways)
    return f"the same with each network.egress: {bills}"


def machine_costs(kinds: Sequence[str], users: int, hours: float) -> dict[str, float]:
    """For each instance type with a known price: US dollars a month if all users work on it."""
    known = Prices().instance_hour
    return {kind: users * hours * known[kind] for kind in kinds if kind in known}


def egress_table() -> str:
    """Markdown: US dollars a month for the way to the internet, and in brackets for the whole cluster."""
    lines = [
        "| users | hours each | " + " | ".join(f"`{egress}`" for egress in Egress) + " |",
        "|---:|---:|" + "---:|" * len(Egress),
    ]
    for users, hours in SIZES:
        costs = egress_costs(replace(SAMPLE, users=users, hours=hours))
        cells = " | ".join(f"{costs[egress][0]:,.0f} ({costs[egress][1]:,.0f})" for egress in Egress)
        lines.append(f"| {users:,} | {hours:g} | {cells} |")
    return "\n".join(lines)


def prices_table() -> str:
    """Markdown: each price with its source."""
    lines = ["| price | US dollars | AWS Price List | look it up |", "|---|---:|---|---|"]
    for name, source in SOURCES.items():
        value = getattr(Prices(), name)
        shown = (
            f"{min(value.values()):g} to {max(value.values()):g}"
            if isinstance(value, Mapping)
            else _plain(value)
        )
        lines.append(f"| `{name}` | {shown} | {source.offer}, {source.as_of} | <{source.page}> |")
    return "\n".join(lines)


def _plain(value: float) -> str:
    return f"{value:,.10f}".rstrip("0").rstrip(".")
