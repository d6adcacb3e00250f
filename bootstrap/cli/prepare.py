"""`cloudjhub workers prepare`: machines made before their users' first login."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from bootstrap.cli.options import (
    column_option,
    counted,
    dry_run_option,
    file_option,
    from_option,
    json_option,
    site_of,
    yes_option,
)
from bootstrap.cli.progress import reporting
from bootstrap.cli.terminal import echo
from bootstrap.cluster import users as kept
from bootstrap.costs import prices_in
from bootstrap.errors import Interrupted, StepFailed
from bootstrap.operations.workers import candidates
from bootstrap.operations.workers.candidates import Cost
from bootstrap.operations.workers.hub_launches import HubApi, prepare_all
from bootstrap.operations.workers.listing import listed_workers
from bootstrap.operations.workers.preparation import INTERRUPTED, Outcome, Prepared, Wanted
from lifecycle_app.contract import utc_now

AT_ONCE = 20
FAILED = (Outcome.RUNNING, Outcome.NOT_LAUNCHED)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@from_option
@column_option
@click.option("--all", "all_users", is_flag=True, help="All users in `cloudjhub users list`.")
@click.option("--instance-type", help="One of the cluster's types.  [default: its first]")
@click.option("--profile", help="One of the cluster's profiles, if it has such.  [default: its first]")
@click.option(
    "--at-once",
    type=click.IntRange(1, 500),
    default=AT_ONCE,
    show_default=True,
    help="How many boot at the same time; fewer if the vCPU quota is lower.",
)
@file_option
@dry_run_option
@yes_option
@json_option
def prepare(
    names: tuple[str, ...], source: BinaryIO | None, column: str, all_users: bool, instance_type: str | None,
    profile: str | None, at_once: int, file: Path, dry_run: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Create users' machines before their first login. Each boots once and is stopped; users who have one keep it."""
    site = site_of(file)
    listed = kept.listed_in(source, column)
    for note in listed.notes:
        echo(note, err=True)
    given = [*names, *listed.users]
    users = candidates.chosen(given, kept.read_people(site), site.settings.login, all_users=all_users)
    hub = HubApi(site)
    settings = hub.settings()
    choice = candidates.choice(settings, instance_type, profile)
    wanted, left = candidates.sorted_out(users, listed_workers(site, utc_now()))
    done = left
    if wanted:
        candidates.refuse_without_addresses(site, settings, wanted)
        together = candidates.at_once(site, choice.type, at_once)
        _show_plan(
            wanted,
            left,
            choice.type,
            candidates.cost(settings, choice, wanted, prices_in(site.aws.region)),
            dry_run=dry_run,
            as_json=as_json,
        )
        if site.settings.workers.root_lasts and not as_json:
            echo(
                f"note: a stopped machine is removed after {site.settings.workers.root_kept}, prepared ones too: "
                "prepare them within that time before the first login"
            )
        if not dry_run:
            if not yes:
                click.confirm(f"Prepare {counted(len(wanted), 'machine')}?", abort=True, err=as_json)
            with reporting() as reporter:
                report = reporter.report_for("workers")
                done = left + prepare_all(site, hub, choice.options, wanted, together, utc_now, report)
                reporter.done("workers")
    elif not as_json:
        echo("nothing to do: all of them have a machine" if left else "nothing to do: there are no users")
    if as_json:
        echo(json.dumps(_document(wanted if dry_run else (), done), indent=2, ensure_ascii=False))
    elif wanted and not dry_run:
        echo("\n".join(summary(done)))
    _raise_for(done)


def summary(done: Sequence[Prepared]) -> list[str]:
    """A line for all that are ready, and one for each that failed."""
    ready = sum(one.outcome is Outcome.STOPPED and not one.message for one in done)
    others = [one for one in done if one.outcome is not Outcome.HAS_ONE]
    lines = [f"{counted(ready, 'machine')} ready: first logins only start them"] if ready else []
    return lines + [_line(one) for one in others if one.outcome is not Outcome.STOPPED or one.message]


def _line(one: Prepared) -> str:
    machine = f" ({one.instance_id})" if one.instance_id else ""
    return f"{one.key}{machine}: {one.outcome}{f': {one.message}' if one.message else ''}"


def _show_plan(
    wanted: Sequence[Wanted], left: Sequence[Prepared], kind: str, cost: Cost, *, dry_run: bool, as_json: bool
) -> None:
    """Shows who gets a machine, who has one, and the cost."""
    if as_json:
        return
    would = "would prepare" if dry_run else "prepare"
    for one in left:
        echo(_line(one))
    for new in wanted:
        home = f", with the existing home disk {new.home_volume}" if new.home_volume else ""
        echo(f"{would} {new.key}: a {kind}{home}")
    boots = "an unknown price" if cost.boots is None else f"about ${cost.boots:.2f}"
    disks = "an unknown price" if cost.disks is None else f"${cost.disks:.2f}"
    echo(
        f"machines to prepare: {len(wanted)}; {boots} for booting them once, and {disks} a month for their "
        "disks, which first logins would cost too"
    )


def _document(wanted: Sequence[Wanted], done: Sequence[Prepared]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"worker": one.key, "instance_id": None, "outcome": "to prepare", "message": ""} for one in wanted
    ]
    return rows + [
        {
            "worker": one.key,
            "instance_id": one.instance_id or None,
            "outcome": one.outcome.name.lower().replace("_", " "),
            "message": one.message,
        }
        for one in done
    ]


def _raise_for(done: Sequence[Prepared]) -> None:
    """Raises Interrupted or StepFailed, with one line for all failures."""
    if any(one.message == INTERRUPTED for one in done):
        raise Interrupted("interrupted: run the same command again to continue")
    failed = [one for one in done if one.outcome in FAILED]
    if failed:
        reasons = "; ".join(dict.fromkeys(one.message for one in failed))
        raise StepFailed(
            f"not prepared: {counted(len(failed), 'machine')}: {reasons}: run the same command again to continue"
        )
