"""`cloudjhub homes`: the users' home disks."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from bootstrap.cli.audit import audit
from bootstrap.cli.options import at_option, dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.progress import reporting
from bootstrap.cli.terminal import echo, local_time, show
from bootstrap.operations import home_backups, home_move, home_restore
from bootstrap.operations import homes as operations
from bootstrap.operations.audit import Act
from bootstrap.operations.home_backups import Backup
from bootstrap.operations.workers.listing import listed_workers
from lifecycle_app.contract import utc_now


@click.group()
def homes() -> None:
    """The users' home disks: list, grow, back up, restore, move to another name."""


@homes.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the home disks, their sizes and latest backups."""
    site = site_of(file)
    found = operations.homes(site, listed_workers(site, utc_now()))
    if as_json:
        echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("worker", "volume", "GB", "state", "latest backup"):
        table.add_column(column)
    for one in found:
        latest = local_time(datetime.fromisoformat(one.latest_backup)) if one.latest_backup else "none"
        table.add_row(one.key, one.volume, str(one.size), one.state, latest)
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
@click.argument("name")
@file_option
@dry_run_option
@json_option
def backup(name: str, file: Path, dry_run: bool, as_json: bool) -> None:
    """Back up a home disk now, beside its daily backups. It is kept until the home is deleted.

    It has what is on the disk at this moment: of a machine that runs, what programs have not written yet is missing.
    """
    site = site_of(file)
    home = operations.home_of(site, listed_workers(site, utc_now()), name)
    made = "" if dry_run else home_backups.make(site, home.volume)
    if made:
        audit(site, Act("home.backup", name, f"{home.volume}: {made}"))
    if as_json:
        echo(json.dumps({"worker": name, "volume": home.volume, "snapshot": made or None}))
    else:
        said = f"the backup {made} of the home of {name} ({home.volume}) is being made; it can be restored in minutes"
        echo(said if made else f"dry run: backs up the home of {name} ({home.volume})")


@homes.command()
@click.argument("name")
@at_option
@file_option
@dry_run_option
@yes_option
@json_option
def restore(name: str, at: str, file: Path, dry_run: bool, yes: bool, as_json: bool) -> None:
    """List the backups of a home, or restore one. The machine must be stopped; it is terminated.

    The disk that the home is on now is kept: its volume is named, and tagged with that of the restored home.
    """
    site = site_of(file)
    if not at:
        _list_backups(home_restore.backups_of(site, name, utc_now()), as_json=as_json)
        return
    planned = home_restore.plan(site, name, at, utc_now())
    if not as_json:
        echo(f"{'dry run: ' if dry_run else ''}{what_happens(planned)}")
    new = ""
    if not dry_run:
        if not yes:
            click.confirm("Continue?", abort=True, err=True)
        with reporting() as reporter:
            new = home_restore.carry_out(site, planned, utc_now, reporter.report_for("homes"))
            reporter.done("homes")
        audit(site, Act("home.restore", name, f"{planned.old} to {new}, of {planned.backup.snapshot}"))
    if as_json:
        shown = {
            "worker": name,
            "at": planned.backup.at.isoformat(),
            "volume": new or None,
            "kept": planned.old,
        }
        echo(json.dumps({**shown, "snapshot": planned.backup.snapshot}))
    elif new:
        echo(f"{name} finds these files at the next login, on {new}; {_kept(planned)}")


def what_happens(planned: home_restore.Restore) -> str:
    """What a restore does, before it is confirmed. Pure."""
    key, backup = planned.worker.key, planned.backup
    when = f"the backup of {local_time(backup.at)} ({backup.snapshot})"
    if planned.restored:
        return f"the home of {key} has been restored from {when}; completes the tags of {planned.old}"
    machine = f"; terminates its machine {planned.worker.instance_id}" if planned.worker.instance_id else ""
    lost = "What was written since then is not in it"
    return f"restores the home of {key} from {when}{machine}. {lost}; {_kept(planned)}"


def _kept(planned: home_restore.Restore) -> str:
    if not planned.is_there:
        return f"its disk {planned.old} is gone"
    return f"the disk that it was on, {planned.old}, is kept, and costs money until you delete it"


def _list_backups(found: Sequence[Backup], *, as_json: bool) -> None:
    if as_json:
        rows = [{"at": one.at.isoformat(), "snapshot": one.snapshot, "volume": one.volume} for one in found]
        echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("backup of", "snapshot", "of volume", "GB"):
        table.add_column(column)
    for one in found:
        table.add_row(local_time(one.at), one.snapshot, one.volume, str(one.size))
    show(table)
    echo("\n`--at latest`, `--at DAY` or `--at TIME` restores one")


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
