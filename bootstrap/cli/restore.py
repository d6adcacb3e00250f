"""`cloudjhub restore`: lists the backups of JupyterHub's database, and restores one."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from bootstrap.cli.audit import audit
from bootstrap.cli.options import (
    at_option,
    counted,
    dry_run_option,
    file_option,
    json_option,
    site_of,
    yes_option,
)
from bootstrap.cli.progress import alone, reporting
from bootstrap.cli.terminal import echo, show
from bootstrap.machines import hub_backups
from bootstrap.operations import backups
from bootstrap.operations.audit import Act
from hub.database.archive import REASONS, Backup
from lifecycle_app.contract import utc_now


@click.command()
@at_option
@file_option
@dry_run_option
@yes_option
@json_option
def restore(at: str, file: Path, dry_run: bool, yes: bool, as_json: bool) -> None:
    """List the backups of JupyterHub's database, or restore one.

    Users' files and machines stay as they are. Accounts, sessions and tokens are those of the backup.
    """
    site, now = site_of(file), utc_now()
    found = hub_backups.backups(site)
    if not at:
        _list(found, now, as_json=as_json)
        return
    backup = backups.chosen(found, at)
    if not as_json:
        echo(f"{'dry run: ' if dry_run else ''}{what_happens(site.cluster, backup, now)}")
    if not dry_run:
        if not yes:
            click.confirm("Continue?", abort=True, err=True)
        with alone(site), reporting() as reporter:
            backups.restore(site, backup, utc_now(), reporter.report_for("database"))
            reporter.done("database")
        audit(site, Act("database.restore", backup.key))
    if as_json:
        echo(json.dumps(as_document(backup)))
    elif not dry_run:
        echo("the database is restored, and the hub answers")


def what_happens(cluster: str, backup: Backup, now: datetime) -> str:
    """What a restore does, before it is confirmed."""
    return (
        f"JupyterHub's database of {cluster} is replaced by the backup of {backups.local_time(backup)} "
        f"({age(now - backup.at)} ago, {REASONS[backup.reason]}, {counted(backup.users, 'user')}).\n"
        "Accounts, passwords, sessions and tokens since then are lost; files and machines stay. The hub is away for "
        "some seconds.\nThe database of now is backed up first."
    )


def age(span: timedelta) -> str:
    """In minutes, hours or days, whichever leaves a small number that is not 0."""
    minutes = int(span.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if span < timedelta(days=2) else f"{span.days} days"


def as_document(backup: Backup) -> dict[str, Any]:
    """For scripts."""
    return {"at": backup.at.isoformat(), "why": backup.reason, "users": backup.users, "key": backup.key}


def _list(found: Sequence[Backup], now: datetime, *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps([as_document(one) for one in found], indent=2))
    elif not found:
        echo(backups.NONE_YET)
    else:
        show(_table(found, now))
        echo("\n`cloudjhub restore --at TIME` restores one")


def _table(found: Sequence[Backup], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("backup", "age", "users", "why"):
        table.add_column(column, no_wrap=True)
    for one in found:
        table.add_row(backups.local_time(one), age(now - one.at), str(one.users), REASONS[one.reason])
    return table
