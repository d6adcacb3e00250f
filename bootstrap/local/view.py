"""The live view: which workers run, since when, how long idle, and what was decided and why."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bootstrap.cli.terminal import SafeConsole
from bootstrap.errors import NotRunning
from bootstrap.local import status
from bootstrap.local.settings import LocalSettings
from bootstrap.local.status import age

REFRESH_EVERY = 1.0
COLOURS = {"running": "green", "pending": "yellow", "stopping": "yellow", "stopped": "dim"}


def show(settings: LocalSettings) -> None:
    """Print the view once."""
    SafeConsole().print(render(status.snapshot(settings), datetime.now(UTC)))


def follow(settings: LocalSettings, watch: Callable[[], None], until: threading.Event) -> None:
    """Refresh the view while `watch` runs; ends when it does, with its error if it has one."""
    with ThreadPoolExecutor(1) as pool, Live(console=SafeConsole(), auto_refresh=False) as live:
        watching = pool.submit(watch)
        try:
            while not watching.done():
                _refresh(settings, live)
                wait([watching], timeout=REFRESH_EVERY)
        finally:
            until.set()
        watching.result()


def _refresh(settings: LocalSettings, live: Live) -> None:
    try:
        live.update(render(status.snapshot(settings), datetime.now(UTC)), refresh=True)
    except (NotRunning, ClientError, BotoCoreError) as error:
        live.update(
            Text(f"the local cloud does not answer at the moment: {error}", style="red"), refresh=True
        )


def render(snapshot: dict[str, Any], now: datetime) -> RenderableType:
    """The snapshot as tables; times as ages at `now`."""
    head = Text.assemble(
        ("cloudJHub local  ", "bold"), snapshot["url"], "   hub ",
        (snapshot["hub"], "green" if snapshot["hub"] == "up" else "red"),
        f"   idle timeout {age(snapshot['idle_timeout'])}",
        (f"   faults: {', '.join(snapshot['faults'])}" if snapshot["faults"] else "", "red"),
    )  # fmt: skip
    return Group(head, _workers(snapshot["workers"], now), _decisions(snapshot["decisions"], now))


def _workers(rows: list[dict[str, Any]], now: datetime) -> Table:
    table = Table(title="workers", title_justify="left", expand=True)
    for heading in (
        "worker",
        "state",
        "since",
        "idle",
        "may stop in",
        "because",
    ):
        table.add_column(heading, overflow="fold", ratio=4 if "because" in heading else None)
    for row in sorted(rows, key=lambda row: str(row["worker"])):
        table.add_row(
            row["worker"],
            Text(row["state"], COLOURS.get(row["state"], "")),
            since(row["since"], now),
            since(row["idle_since"], now) if row["state"] == "running" else "",
            until(row["due_at"], now) if row["state"] == "running" else "",
            row["evidence"],
        )
    return table


def _decisions(rows: list[dict[str, Any]], now: datetime) -> Table:
    table = Table(title="decisions", title_justify="left", expand=True)
    for heading in ("ago", "worker", "what", "why"):
        table.add_column(heading, overflow="fold", ratio=4 if heading == "why" else None)
    for row in rows:
        table.add_row(since(row["at"], now), row["worker"], row["kind"], row["message"])
    return table


def since(moment: str | None, now: datetime) -> str:
    """How long ago an ISO moment is."""
    return age((now - datetime.fromisoformat(moment)).total_seconds()) if moment else ""


def until(moment: str | None, now: datetime) -> str:
    """How far away an ISO moment is."""
    return age((datetime.fromisoformat(moment) - now).total_seconds()) if moment else ""
