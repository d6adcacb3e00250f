"""`cloudjhub workers`: the users' machines."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from bootstrap.cli.audit import audit, audit_workers
from bootstrap.cli.history import history
from bootstrap.cli.options import counted, dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.prepare import prepare
from bootstrap.cli.progress import reporting
from bootstrap.cli.terminal import echo, local_time, show
from bootstrap.cli.watch import watch
from bootstrap.cluster.users import removed_users
from bootstrap.errors import Refused
from bootstrap.operations import budgets
from bootstrap.operations.audit import Act
from bootstrap.operations.workers import renewal
from bootstrap.operations.workers.listing import ListedWorker, chosen, listed_workers, store_of
from bootstrap.operations.workers.stopping import ask_to_stop, moment, operator_of, running
from bootstrap.operations.workers.stopping import keep as keep_worker
from bootstrap.operations.workers.stopping import stop as stop_machines
from bootstrap.operations.workers.termination import terminate as terminate_machines
from lifecycle_app.contract import user_scope, utc_now
from lifecycle_app.model.budget import Standing
from lifecycle_app.model.messages import Time, length, text

names_argument = click.argument("names", metavar="[NAME]...", nargs=-1)
ORPHAN = "its user was removed: `cloudjhub workers terminate {key} --with-home` deletes what is kept"
COLUMNS = ("worker", "state", "idle", "last activity", "type", "image", "$ this month", "")


@click.group()
def workers() -> None:
    """The users' machines: list, watch, prepare, explain, stop, keep."""


workers.add_command(prepare)
workers.add_command(history)
workers.add_command(watch)


@workers.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the workers: state, idle time, evidence, cost. The cost is this month's."""
    now = utc_now()
    site = site_of(file)
    listed = orphans_noted(listed_workers(site, now, with_costs=True), removed_users(site))
    found = budgets_noted(listed, budgets.read(site, now))
    if as_json:
        echo(json.dumps([as_document(one, now) for one in found], indent=2))
    elif not found:
        echo("no user has logged in yet")
    else:
        show(_table(found, now))


@workers.command()
@names_argument
@click.option("--all", "all_workers", is_flag=True, help="All workers of this cluster.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until they are stopped.")
@file_option
@dry_run_option
@yes_option
@json_option
def stop(
    names: tuple[str, ...], all_workers: bool, wait: bool, file: Path, dry_run: bool, yes: bool, as_json: bool
) -> None:  # fmt: skip
    """Stop workers, idle or not. Files are kept; running programs end."""
    site = site_of(file)
    wanted = running(chosen(listed_workers(site, utc_now()), names, all_workers=all_workers))
    if not _is_shown("stop", wanted, dry_run, as_json=as_json):
        if all_workers and not yes:
            click.confirm(f"Stop all {counted(len(wanted), 'worker')}?", abort=True, err=as_json)
        audit_workers(site, "worker.stop", wanted)
        if wait:
            with reporting() as reporter:
                stop_machines(site, wanted, utc_now, reporter.report_for("workers"))
                reporter.done("workers")
        else:
            ask_to_stop(site, wanted, utc_now())
    if as_json:
        echo(json.dumps(_rows(wanted), indent=2))


@workers.command()
@names_argument
@click.option("--all", "all_workers", is_flag=True, help="All workers of this cluster.")
@click.option(
    "--with-home", is_flag=True, help="Delete their home disks and backups too: the files are lost."
)
@file_option
@dry_run_option
@yes_option
@json_option
def terminate(
    names: tuple[str, ...], all_workers: bool, with_home: bool, file: Path, dry_run: bool, yes: bool, as_json: bool
) -> None:  # fmt: skip
    """Stop and terminate workers. The user's next login launches a new one with the same home disk."""
    site = site_of(file)
    found = chosen(listed_workers(site, utc_now()), names, all_workers=all_workers)
    wanted = [one for one in found if one.instance_id or (with_home and one.home_volume)]
    if not _is_shown("terminate", wanted, dry_run, with_home=with_home, as_json=as_json):
        if not yes:
            _confirm(site.cluster if all_workers else "", with_home=with_home, err=as_json)
        audit_workers(site, "worker.terminate-with-home" if with_home else "worker.terminate", wanted)
        with reporting() as reporter:
            terminate_machines(site, wanted, utc_now, reporter.report_for("workers"), with_home=with_home)
            reporter.done("workers")
    if as_json:
        echo(json.dumps(_rows(wanted), indent=2))


@workers.command()
@click.argument("name")
@click.option("--until", required=True, help="2h, a time like 2026-12-01T18:00, or none to end it.")
@file_option
@dry_run_option
@json_option
def keep(name: str, until: str, file: Path, dry_run: bool, as_json: bool) -> None:
    """Keep a worker running until a time, idle or not. Users and administrators can still stop it."""
    site = site_of(file)
    when = moment(until, utc_now())
    if not dry_run:
        keep_worker(store_of(site), name, when, operator_of(site), utc_now)
        audit(site, Act("worker.keep", name, when.isoformat() if when else "no longer"))
    outcome = f"is kept running until {local_time(when)}" if when else "is no longer kept running"
    if as_json:
        echo(json.dumps({"worker": name, "keep_until": _iso(when)}))
    else:
        echo(f"{'dry run: ' if dry_run else ''}{name} {outcome}")


@workers.command()
@file_option
@json_option
@dry_run_option
def renew(file: Path, as_json: bool, dry_run: bool) -> None:
    """Give stopped workers the current image at their next start. Home disks are kept."""
    site = site_of(file)
    if dry_run:
        done = renewal.aged(site, store_of(site))
    else:
        with reporting() as reporter:
            done = renewal.renew(site, store_of(site), utc_now, reporter.report_for("workers"))
            reporter.done("workers")
        audit(site, *(Act("worker.renew", one.key, f"{one.instance_id}: {one.verdict.name}") for one in done))
    if as_json:
        rows = {one.key: {"instance": one.instance_id, "becomes": one.verdict.name} for one in done}
        echo(json.dumps(rows, indent=2))
    else:
        echo(renewal.summary(done) or "every worker has the current image")


def _in_local_time(time: Time) -> str:
    return local_time(time.at) if time.is_clock else f"at {local_time(time.at)}"


def _rows(wanted: Sequence[ListedWorker]) -> list[dict[str, Any]]:
    """The workers that a command changes, for scripts."""
    return [
        {"worker": one.key, "instance_id": one.instance_id or None, "home_volume": one.home_volume}
        for one in wanted
    ]


def _is_shown(
    what: str,
    wanted: Sequence[ListedWorker],
    dry_run: bool,
    *,
    with_home: bool = False,
    as_json: bool = False,
) -> bool:
    """Prints what will be done; True if nothing is left to do."""
    if not wanted and not as_json:
        echo(f"nothing to {what}")
    for one in wanted if not as_json else ():
        home = _about_home(one, with_home=with_home) if what == "terminate" else ""
        machine = f"{one.key} ({one.instance_id or 'gone'}, {one.state})"
        echo(f"{'would ' if dry_run else ''}{what} {machine}{home}")
    return dry_run or not wanted


def _about_home(machine: ListedWorker, *, with_home: bool) -> str:
    if machine.home_volume is None:
        return ", with the files on its root disk" if machine.instance_id else ""
    if with_home:
        return f", and DELETE its home disk {machine.home_volume} with all its backups"
    return f"; its home disk {machine.home_volume} and its backups are kept"


def _confirm(cluster: str, *, with_home: bool, err: bool) -> None:
    """To terminate all workers, the cluster's name must be typed: `y` is too quick a habit."""
    if not cluster:
        click.confirm(
            "Continue, and delete the home disks and their backups?" if with_home else "Continue?",
            abort=True,
            err=err,
        )
        return
    typed = click.prompt(
        f"Type the cluster's name to continue{', and delete the home disks and their backups' if with_home else ''}",
        err=err,
    )
    if typed != cluster:
        raise Refused(f"{typed!r} is not the cluster's name, {cluster}: nothing was changed")


def orphans_noted(found: Sequence[ListedWorker], removed: Collection[str]) -> list[ListedWorker]:
    """With a note at those whose user was removed: they cost money until they are terminated. Pure."""
    return [
        replace(one, note="; ".join(filter(None, [one.note, ORPHAN.format(key=one.key)])))
        if one.user in removed and one.owns_resources
        else one
        for one in found
    ]


def budgets_noted(found: Sequence[ListedWorker], standings: Mapping[str, Standing]) -> list[ListedWorker]:
    """With a note at those whose user has used most of the month's budget. Pure."""
    notes = {scope: budgets.note(one) for scope, one in standings.items()}
    return [
        replace(one, note="; ".join(filter(None, [one.note, notes.get(user_scope(one.user), "")])))
        for one in found
    ]


def as_document(machine: ListedWorker, now: datetime) -> dict[str, Any]:
    """One worker for scripts: durations in seconds, times as ISO 8601, cost in US dollars."""
    idle = machine.idle(now)
    return {
        "worker": machine.key,
        "instance_id": machine.instance_id or None,
        "state": machine.state,
        "since": _iso(machine.since),
        "idle": None if idle is None else int(idle.total_seconds()),
        "last_activity": _iso(machine.last_activity),
        "evidence": text(machine.message),
        "instance_type": machine.instance_type,
        "image": machine.image,
        "home_volume": machine.home_volume,
        "keep_until": _iso(machine.keep_until),
        "keep_by": machine.keep_by or None,
        "cost_this_month": machine.cost,
        "note": machine.note,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _table(found: Sequence[ListedWorker], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column in ("worker", "image"))
    for one in found:
        idle = one.idle(now)
        kept = one.keep_until is not None and one.keep_until > now
        by = f" by {one.keep_by}" if one.keep_by else ""
        notes = [f"kept until {local_time(one.keep_until)}{by}"] if kept and one.keep_until else []
        table.add_row(
            one.key,
            one.condition,
            "" if idle is None else length(max(idle, timedelta(0))),
            text(one.message, _in_local_time),
            one.instance_type,
            one.image,
            "?" if one.cost is None else f"{one.cost:.2f}",
            "; ".join([*notes, one.note] if one.note else notes),
        )
    return table
