"""`cloudjhub logs`: what the manager, the functions and the workers' consoles say."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from bootstrap.aws.site import Site
from bootstrap.cli.options import Duration, file_option, json_option, site_of
from bootstrap.errors import Interrupted, NotBuilt, SettingsError
from bootstrap.operations.logs import Line, console, groups, lines, news
from bootstrap.operations.workers.choosing import chosen
from bootstrap.operations.workers.listing import machines

WORKER = "worker"
LOOK_EVERY = 2.0
OLDEST = timedelta(days=3653)
"""CloudWatch keeps nothing for longer."""
OVERLAP = timedelta(seconds=30)
"""CloudWatch shows lines some seconds after their time, and not in order."""


@click.command()
@click.argument("part", required=False)
@click.argument("name", required=False)
@click.option("--since", type=Duration(), default="1h", show_default=True, help="How far back: 10m, 1h, 2d.")
@click.option("--follow", is_flag=True, help="Go on showing what is logged, until Ctrl-C.")
@file_option
@json_option
def logs(
    part: str | None, name: str | None, since: timedelta, follow: bool, file: Path, as_json: bool
) -> None:
    """What manager, functions and workers' machines say.

    PART is manager, lifecycle (all functions) or a function like sweep; without one, all of these are shown.

    `logs worker NAME` shows the console of a worker's machine.
    """
    if (part == WORKER) != (name is not None):
        raise SettingsError("say `logs worker NAME`, or the one part to show")
    site = site_of(file)
    if name is not None:
        _show_console(site, name)
        return
    start = datetime.now(UTC) - min(since, OLDEST)
    wanted = groups(site.cluster, part)
    try:
        _show(site, wanted, start, follow=follow, as_json=as_json)
    except KeyboardInterrupt as interrupt:
        raise Interrupted("no more is shown") from interrupt


def _show(site: Site, wanted: Mapping[str, str], start: datetime, *, follow: bool, as_json: bool) -> None:
    seen: set[str] = set()
    while True:
        found = news(lines(site, wanted, start), seen)
        for line in found:
            click.echo(in_json(line) if as_json else in_words(line))
        if not follow:
            break
        start = max(start, datetime.now(UTC) - OVERLAP)
        time.sleep(LOOK_EVERY)
    if not seen:
        click.echo("nothing was logged in that time", err=True)


def in_words(line: Line) -> str:
    """In the operator's own time."""
    return f"{line.at.astimezone():%Y-%m-%d %H:%M:%S} {line.part}: {line.text}"


def in_json(line: Line) -> str:
    """One object a line."""
    return json.dumps({"at": line.at.isoformat(), "part": line.part, "message": line.text})


def _show_console(site: Site, name: str) -> None:
    for machine in chosen(machines(site, datetime.now(UTC)), [name], everybody=False):
        if not machine.instance_id:
            raise NotBuilt(f"the machine of {name} is terminated: the next login launches a new one")
        text = console(site, machine.instance_id)
        click.echo(text or f"{machine.instance_id} has written nothing to its console yet")
