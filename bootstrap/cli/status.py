"""`cloudjhub status`, `doctor`, `open` and `logs`: how a running cluster is."""

import json
import time
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from bootstrap.aws.site import Site
from bootstrap.cli.cluster import show_warnings
from bootstrap.cli.options import Duration, counted, file_option, json_option, site_of
from bootstrap.cli.terminal import echo, show
from bootstrap.config.choices import Https
from bootstrap.errors import Interrupted, NotBuilt, SettingsError, Unhealthy
from bootstrap.machines.address import public_url
from bootstrap.machines.tls import pair_of
from bootstrap.operations.audit import lines_with_stops
from bootstrap.operations.health.checkup import check
from bootstrap.operations.health.overview import Overview, overview, require_built
from bootstrap.operations.logs import AUDIT, Line, console, groups, news
from bootstrap.operations.workers.listing import chosen, listed_workers
from bootstrap.preflight import permissions
from bootstrap.preflight.login import origin_problems
from hub.audit.event import from_line, readable
from lifecycle_app.model.worker import State


@click.command()
@file_option
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show the cluster at a glance. Exit code 3: not built; 5: there are problems."""
    found = overview(site_of(file), datetime.now(UTC))
    if as_json:
        document = {**asdict(found), "healthy": not found.troubles, "troubles": found.troubles}
        echo(json.dumps(document, indent=2))
    else:
        show(_table(found))
    if found.troubles:
        raise Unhealthy("; ".join(found.troubles) + ": run `cloudjhub doctor`, which says how to fix each")


def _table(found: Overview) -> Table:
    hub = found.hub
    ready = sum(found.functions.values())
    words = {State.TERMINATED.value: "without a machine"}
    workers = ", ".join(
        f"{count} {words.get(state, state)}" for state, count in sorted(found.workers.items())
    )
    policy = ", ".join(f"{name} {value}" for name, value in found.policy.items())
    stacks = ", ".join(f"{name} {state or 'missing'}" for name, state in found.stacks.items())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in (
        ("cluster", found.cluster),
        ("hub", f"{hub.url} {hub.trouble or f'answers, JupyterHub {hub.version}'}"),
        ("manager", found.manager or "missing"),
        ("image", found.image or "missing"),
        ("functions", f"{ready} of {len(found.functions)}"),
        ("dead-letter queue", f"{found.dead_letters} events"),
        ("workers", workers or "no user has logged in yet"),
        ("this month", _cost(found.dollars)),
        ("budgets", found.budgets or "none"),
        ("idle policy", policy),
        ("stacks", stacks),
        ("dashboard", found.dashboard),
    ):
        table.add_row(name, value)
    return table


def _cost(dollars: float | None) -> str:
    """Of the workers' running time; `report` has the rest."""
    return (
        "unknown: no prices are known for this region"
        if dollars is None
        else f"${dollars:.2f} for the workers' running time"
    )


@click.command()
@file_option
@json_option
def doctor(file: Path, as_json: bool) -> None:
    """Check the whole cluster and say how to fix each problem. Exit code 3: not built; 5: there are problems."""
    site = site_of(file)
    if not permissions.credential_problems(site):
        require_built(site)
    found = check(site, datetime.now(UTC))
    if as_json:
        echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        show_warnings(origin_problems(site.settings))
        for one in found:
            echo(f"{'!' if one.wrong else '✓'} {one.topic}")
            for line in one.wrong:
                echo(f"    {line}")
    count = sum(len(one.wrong) for one in found)
    if count:
        raise Unhealthy(f"{counted(count, 'problem')}: fix what is listed above")


@click.command("open")
@file_option
@click.option("--print", "only_print", is_flag=True, help="Print the address without opening it.")
def open_(file: Path, only_print: bool) -> None:
    """Open the hub in the browser. Prints its address where there is no browser."""
    site = site_of(file)
    url = public_url(site.settings, site.place())
    pair = pair_of(site) if site.settings.manager.https is Https.SELF_SIGNED else None
    if pair:
        echo(
            "The hub has a self-signed certificate: continue in the browser only if it shows the SHA-256 fingerprint"
            f"\n  {in_pairs(pair.fingerprint)}",
            err=True,
        )
    if only_print or not webbrowser.open(url):
        echo(url)


def in_pairs(fingerprint: str) -> str:
    """As browsers show it: AB:CD:…"""
    digits = fingerprint.upper()
    return ":".join(digits[start : start + 2] for start in range(0, len(digits), 2))


WORKER = "worker"
POLL_EVERY = 2.0
OLDEST = timedelta(days=3653)
"""CloudWatch keeps nothing for longer."""
OVERLAP = timedelta(seconds=30)
"""CloudWatch shows lines some seconds late, and not in order."""


@click.command()
@click.argument("part", required=False)
@click.argument("name", required=False)
@click.option("--since", type=Duration(), default="1h", show_default=True, help="How far back: 10m, 1h, 2d.")
@click.option("--follow", is_flag=True, help="Keep showing new lines until Ctrl-C.")
@file_option
@json_option
def logs(
    part: str | None, name: str | None, since: timedelta, follow: bool, file: Path, as_json: bool
) -> None:
    """Show the logs of manager, functions and workers.

    PART is manager, lifecycle (all functions) or a function like sweep; without PART, all logs are shown. PART audit is
    the audit log: logins, sign-ups, tokens, acts of administrators and operators, stops.

    `logs worker NAME` shows the console of a worker's machine.
    """
    if (part == WORKER) != (name is not None):
        raise SettingsError(
            "a worker needs a name, and other parts have none: run `logs worker NAME`, or `logs PART`"
        )
    site = site_of(file)
    if name is not None:
        _show_console(site, name)
        return
    start = datetime.now(UTC) - min(since, OLDEST)
    wanted = groups(site.cluster, part)
    try:
        _show(site, wanted, start, follow=follow, as_json=as_json)
    except KeyboardInterrupt as interrupt:
        raise Interrupted("interrupted") from interrupt


def _show(site: Site, wanted: Mapping[str, str], start: datetime, *, follow: bool, as_json: bool) -> None:
    seen: set[str] = set()
    while True:
        found = news(lines_with_stops(site, wanted, start), seen)
        for line in found:
            echo(in_json(line) if as_json else in_words(line))
        if not follow:
            break
        start = max(start, datetime.now(UTC) - OVERLAP)
        time.sleep(POLL_EVERY)
    if not seen:
        echo("nothing was logged in this time", err=True)


def in_words(line: Line) -> str:
    """In the operator's time zone."""
    said = readable(line.text) if line.part == AUDIT else line.text
    return f"{line.at.astimezone():%Y-%m-%d %H:%M:%S} {line.part}: {said}"


def in_json(line: Line) -> str:
    """One object a line; the audit log's own objects are the message."""
    message: object = line.text
    if line.part == AUDIT:
        with suppress(ValueError):
            message = from_line(line.text)
    return json.dumps({"at": line.at.isoformat(), "part": line.part, "message": message})


def _show_console(site: Site, name: str) -> None:
    for machine in chosen(listed_workers(site, datetime.now(UTC)), [name], all_workers=False):
        if not machine.instance_id:
            raise NotBuilt(
                f"the machine of {name} is terminated and has no console: the next login launches a new one"
            )
        text = console(site, machine.instance_id)
        echo(text or f"{machine.instance_id} has no console output yet")
