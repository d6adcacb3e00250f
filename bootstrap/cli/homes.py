"""`cloudjhub homes`: the users' home disks."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from bootstrap.cli.audit import audit
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.progress import reporting
from bootstrap.cli.terminal import echo, show
from bootstrap.operations import home_move
from bootstrap.operations import homes as operations
from bootstrap.operations.audit import Act
from bootstrap.operations.workers.listing import listed_workers
from lifecycle_app.contract import utc_now


@click.group()
def homes() -> None:
    """The users' home disks: list, grow, move to another name."""


@homes.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the home disks: whose, which volume, its size."""
    site = site_of(file)
    found = operations.homes(site, listed_workers(site, utc_now()))
    if as_json:
        echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("worker", "volume", "GB", "state"):
        table.add_column(column)
    for one in found:
        table.add_row(one.key, one.volume, str(one.size), one.state)
    show(table)


@homes.command()
@click.argument("name")
@click.argument("size", type=int, metavar="GB")
@file_option
@dry_run_option
@json_option
def grow(name: str, size: int, file: Path, dry_run: bool, as_json: bool) -> None:
    """Grow a home disk, while its machine runs or not. No disk becomes smaller."""
    site = site_of(file)
    home = operations.home_of(site, listed_workers(site, utc_now()), name)
    if not dry_run:
        operations.grow(site, home, size)
        audit(site, Act("home.grow", name, f"{home.volume}: {home.size} GB to {size} GB"))
    if as_json:
        echo(json.dumps({"worker": name, "volume": home.volume, "was": home.size, "size": size}))
    else:
        echo(
            f"{'dry run: ' if dry_run else ''}the home of {name} grows from {home.size} to {size} GB;"
            " a running machine can use it within two minutes, another one at its next start"
        )


@homes.command()
@click.argument("old")
@click.argument("new")
@file_option
@dry_run_option
@yes_option
def move(old: str, new: str, file: Path, dry_run: bool, yes: bool) -> None:
    """Give the home of OLD, whose login name has changed, to NEW. OLD's machine must be stopped; it is terminated."""
    site = site_of(file)
    planned = home_move.plan(site, old, new, utc_now())
    machine = f", and terminates its machine {planned.old.instance_id}" if planned.old.instance_id else ""
    echo(f"{'dry run: ' if dry_run else ''}gives the home of {old} ({planned.volume}) to {new}{machine}")
    if dry_run:
        return
    if not yes:
        click.confirm("Continue?", abort=True)
    with reporting() as reporter:
        home_move.carry_out(site, planned, utc_now, reporter.report_for("homes"))
        reporter.done("homes")
    audit(site, Act("home.move", old, f"{planned.volume} to {new}"))
    echo(
        f"{new} finds these files at the next login; if {new} is not a user yet: `cloudjhub users add {new}`"
    )
