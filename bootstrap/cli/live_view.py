"""The live view, of a local cloud and of a real cluster: which workers run, since when, how long idle, and what was
decided and why. Its rows are ready for JSON: times in ISO 8601, UTC.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lifecycle_app.model.history import Entry, sentence
from lifecycle_app.model.messages import joined, text
from lifecycle_app.model.worker import Worker

COLOURS = {"running": "green", "pending": "yellow", "stopping": "yellow", "stopped": "dim"}
NARROW = 100
"""Columns of characters. Below, what can be told from the rest is left out."""
Row = dict[str, Any]


def worker_row(worker: Worker) -> Row:
    """A worker's record for JSON."""
    return {
        "worker": worker.key,
        "instance": worker.instance_id,
        "state": str(worker.state),
        "since": _iso(worker.state_at),
        "address": worker.address,
        "type": worker.instance_type,
        "last_activity": _iso(worker.last_activity),
        "idle_since": _iso(max(filter(None, (worker.started_at, worker.last_activity)), default=None)),
        "evidence": text(worker.message),
        "due_at": _iso(worker.due_at),
        "stop_reason": worker.stop_reason,
        "seconds_run": worker.seconds_run,
    }


def decision_row(entry: Entry) -> Row:
    """A history entry for JSON."""
    return {
        "worker": entry.key,
        "at": _iso(entry.at),
        "kind": str(entry.kind),
        "reason": entry.reason,
        "message": joined(sentence(entry)),
    }


def view(
    head: RenderableType,
    workers: Sequence[Row],
    decisions: Sequence[Row],
    now: datetime,
    console: Console,
    more: int = 0,
) -> RenderableType:
    """The tables below a head, as wide as a terminal, and into a pipe a line a row; times as ages at `now`. `more`: how
    many workers are not shown.
    """
    rest = [Text(f"… and {more} more: a higher window shows them", style="dim")] if more else []
    return Group(head, _workers(workers, now, console), *rest, _decisions(decisions, now, console))


def fitting(
    head: RenderableType,
    workers: Sequence[Row],
    decisions: Sequence[Row],
    now: datetime,
    console: Console,
) -> RenderableType:
    """The view with as many of the workers, the first ones, as there is height for."""

    def shown(count: int) -> RenderableType:
        return view(head, workers[:count], decisions, now, console, more=len(workers) - count)

    most = min(len(workers), console.height)
    count = bisect(range(1, most + 1), console.height - 1, key=lambda n: len(console.render_lines(shown(n))))
    return shown(count)


def _workers(rows: Sequence[Row], now: datetime, console: Console) -> Table:
    cells = {
        "worker": lambda row: row["worker"],
        "state": lambda row: Text(row["state"], COLOURS.get(row["state"], "")),
        "since": lambda row: since(row["since"], now),
        "idle": lambda row: since(row["idle_since"], now) if row["state"] == "running" else "",
        "may stop in": lambda row: until(row["due_at"], now) if row["state"] == "running" else "",
        "because": lambda row: row["evidence"],
    }
    if console.is_terminal and console.width < NARROW:
        del cells["since"]
    return _table("workers", cells, rows, console)


def _decisions(rows: Sequence[Row], now: datetime, console: Console) -> Table:
    cells = {
        "ago": lambda row: since(row["at"], now),
        "worker": lambda row: row["worker"],
        "what": lambda row: row["kind"],
        "why": lambda row: row["message"],
    }
    return _table("decisions", cells, rows, console)


def _table(title: str, cells: Mapping[str, Any], rows: Sequence[Row], console: Console) -> Table:
    """Its last column is the explanation, which has what width the others leave."""
    table = Table(title=title, title_justify="left", expand=console.is_terminal)
    if console.width < NARROW or not console.is_terminal:
        table.box, table.padding, table.pad_edge = None, (0, 1, 0, 0), False
    *_, explanation = cells
    for heading in cells:
        table.add_column(heading, overflow="fold", ratio=4 if heading == explanation else None)
    for row in rows:
        table.add_row(*(cell(row) for cell in cells.values()))
    return table


def since(moment: str | None, now: datetime) -> str:
    """How long ago an ISO moment is."""
    return age((now - datetime.fromisoformat(moment)).total_seconds()) if moment else ""


def until(moment: str | None, now: datetime) -> str:
    """How far away an ISO moment is."""
    return age((datetime.fromisoformat(moment) - now).total_seconds()) if moment else ""


def age(seconds: float) -> str:
    """A duration in its two largest units, like "3 min 05 s"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
