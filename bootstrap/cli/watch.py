"""`cloudjhub workers watch`: the live view of a cluster."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bootstrap.aws.errors import built
from bootstrap.cli.live_view import decision_row, fitting, view, worker_row
from bootstrap.cli.options import Duration, file_option, json_option, site_of
from bootstrap.cli.terminal import console, echo
from bootstrap.errors import SettingsError
from bootstrap.operations.workers.listing import store_of
from bootstrap.operations.workers.watching import Watched, counts
from lifecycle_app.contract import utc_now
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.printable import printable

LONGEST_PROBLEM = 300
MOST_OFTEN, LEAST_OFTEN = timedelta(seconds=2), timedelta(minutes=10)


@click.command()
@click.option(
    "--every",
    type=Duration(),
    default="5s",
    show_default=True,
    help="How often to read what is new: from 2s to 10m.",
)
@file_option
@json_option
def watch(every: timedelta, file: Path, as_json: bool) -> None:
    """Show live which workers run, when each may stop, and why.

    Ctrl-C ends it. Reads the records alone, and of them only what has changed. Without a terminal, and with --json, it
    prints once.
    """
    if not MOST_OFTEN <= every <= LEAST_OFTEN:
        raise SettingsError(f"--every {every.total_seconds():.0f}s: give a time from 2s to 10m")
    site = site_of(file)
    watched = Watched(store_of(site))
    with built(site.cluster):
        watched.read(utc_now())
    target = console()
    if as_json:
        echo(json.dumps(as_document(watched), indent=2))
    elif not target.is_terminal:
        target.print(shown(site.cluster, watched, utc_now(), target))
    else:
        follow(site.cluster, watched, target, utc_now, lambda: time.sleep(every.total_seconds()))


def follow(
    cluster: str, watched: Watched, target: Console, now: Callable[[], datetime], pause: Callable[[], None]
) -> None:
    """Shows what was read, and after each pause what is new; ends with KeyboardInterrupt. A failed read is shown, and
    the view stays as it was.
    """
    with Live(console=target, auto_refresh=False) as live:
        problem = ""
        while True:
            live.update(shown(cluster, watched, now(), target, problem), refresh=True)
            pause()
            try:
                watched.read(now())
                problem = ""
            except (StoreUnavailable, ClientError, BotoCoreError) as error:
                problem = f"cannot be read at the moment, trying again: {error}"


def shown(
    cluster: str, watched: Watched, now: datetime, target: Console, problem: str = ""
) -> RenderableType:
    """The view of a cluster: on a terminal no more than fits."""
    found = watched.workers
    states = (
        ", ".join(f"{count} {state}" for state, count in counts(found).items()) or "no user has logged in yet"
    )
    title = Text.assemble((f"cloudJHub {cluster}", "bold"), f"   {states}")
    head: RenderableType = title
    if problem:
        head = Group(title, Text(printable(problem)[:LONGEST_PROBLEM], style="red"))
    rows = [worker_row(worker) for worker in found], [decision_row(entry) for entry in watched.decisions]
    draw = fitting if target.is_terminal else view
    return draw(head, *rows, now, target)


def as_document(watched: Watched) -> dict[str, Any]:
    """What the view shows, for scripts: times as ISO 8601."""
    return {
        "workers": [worker_row(worker) for worker in watched.workers],
        "decisions": [decision_row(entry) for entry in watched.decisions],
    }
