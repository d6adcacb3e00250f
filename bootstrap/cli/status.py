"""`cloudjhub status`: the cluster at a glance."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bootstrap.cli.options import file_option, json_option, site_of
from bootstrap.errors import Unhealthy
from bootstrap.operations.health.overview import Overview, overview


@click.command()
@file_option
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show the cluster at a glance. Exit code 3: not built; 5: something does not work."""
    found = overview(site_of(file), datetime.now(UTC))
    if as_json:
        document = {**asdict(found), "healthy": not found.troubles, "troubles": found.troubles}
        click.echo(json.dumps(document, indent=2))
    else:
        Console(markup=False, highlight=False).print(_table(found))
    if found.troubles:
        raise Unhealthy("; ".join(found.troubles) + ": run `cloudjhub doctor`, which names the mends")


def _table(found: Overview) -> Table:
    hub = found.hub
    ready = sum(found.functions.values())
    workers = ", ".join(f"{count} {state}" for state, count in sorted(found.workers.items()))
    policy = ", ".join(f"{name} {words}" for name, words in found.policy.items())
    stacks = ", ".join(f"{name} {words or 'missing'}" for name, words in found.stacks.items())
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, words in (
        ("cluster", found.cluster),
        ("hub", f"{hub.url} {hub.trouble or f'answers, JupyterHub {hub.version}'}"),
        ("manager", found.manager or "missing"),
        ("image", found.image or "missing"),
        ("functions", f"{ready} of {len(found.functions)}"),
        ("dead letters", str(found.dead_letters)),
        ("workers", workers or "nobody has logged in yet"),
        ("this month", f"${found.dollars:.2f} for the workers' running time"),
        ("idle policy", policy),
        ("stacks", stacks),
    ):
        table.add_row(name, words)
    return table
