"""The live view: which workers run, since when, how long idle, and what was decided and why."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from bootstrap.cli import live_view
from bootstrap.cli.live_view import age
from bootstrap.cli.terminal import console
from bootstrap.errors import NotRunning
from bootstrap.local import status
from bootstrap.local.settings import LocalSettings

REFRESH_EVERY = 1.0


def show(settings: LocalSettings) -> None:
    """Print the view once."""
    target = console()
    target.print(render(status.snapshot(settings), datetime.now(UTC), target))


def follow(settings: LocalSettings, watch: Callable[[], None], until: threading.Event) -> None:
    """Refresh the view while `watch` runs; ends when it does, with its error if it has one."""
    with ThreadPoolExecutor(1) as pool, Live(console=console(), auto_refresh=False) as live:
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
        live.update(render(status.snapshot(settings), datetime.now(UTC), live.console), refresh=True)
    except (NotRunning, ClientError, BotoCoreError) as error:
        live.update(
            Text(f"the local cloud does not answer at the moment: {error}", style="red"), refresh=True
        )


def render(snapshot: dict[str, Any], now: datetime, target: Console) -> RenderableType:
    """The snapshot as tables; times as ages at `now`."""
    head = Text.assemble(
        ("cloudJHub local  ", "bold"), snapshot["url"], "   hub ",
        (snapshot["hub"], "green" if snapshot["hub"] == "up" else "red"),
        f"   idle timeout {age(snapshot['idle_timeout'])}",
        (f"   faults: {', '.join(snapshot['faults'])}" if snapshot["faults"] else "", "red"),
    )  # fmt: skip
    workers = sorted(snapshot["workers"], key=lambda row: str(row["worker"]))
    return live_view.view(head, workers, snapshot["decisions"], now, target)
