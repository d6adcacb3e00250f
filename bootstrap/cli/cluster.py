"""`cloudjhub plan`, `up` and `down`: what changes a whole cluster, shown before it is done."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bootstrap import costs, preflight
from bootstrap.aws.site import Site
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.progress import alone, reporting
from bootstrap.cluster import building, inventory
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.errors import LeftOver, Refused, SettingsError
from bootstrap.machines.address import public_url
from bootstrap.operations import removal
from bootstrap.preflight import Problem

SIGNS = {Kind.CREATE: "+", Kind.CHANGE: "~", Kind.REPLACE: "±", Kind.REMOVE: "-"}
Changes = Mapping[str, Sequence[Change]]


@click.command()
@file_option
@json_option
def plan(file: Path, as_json: bool) -> None:
    """Show what `up` would change, and what that costs a month."""
    site = site_of(file)
    problems = preflight.check(site)
    refuse(problems, as_json=as_json)
    changes = building.changes(site)
    if as_json:
        click.echo(json.dumps(as_document(site, problems, changes), indent=2))
        return
    show_warnings(problems)
    show_changes(changes)
    click.echo("\n" + costs.render(costs.monthly(site.settings), site.settings.region))


def refuse(problems: Sequence[Problem], *, as_json: bool) -> None:
    """Refused where something stands in the way, each of them a line of its own."""
    in_the_way = [problem.line for problem in problems if problem.refuses]
    if in_the_way and as_json:
        click.echo(json.dumps({"problems": in_the_way}, indent=2))
    if in_the_way:
        raise Refused("nothing was changed:\n" + "\n".join(f"  {line}" for line in in_the_way))


def show_warnings(problems: Sequence[Problem]) -> None:
    for problem in problems:
        if not problem.refuses:
            click.echo(f"note: {problem.line}", err=True)


def show_changes(
    changes: Changes, none: str = "nothing to change: the cluster is as its settings say"
) -> None:
    """A line for each change, by step; `none` where there is no change."""
    if not changes:
        click.echo(none)
    for step, of_step in changes.items():
        click.echo(click.style(step, bold=True))
        for change in of_step:
            detail = f": {change.detail}" if change.detail else ""
            click.echo(f"  {SIGNS[change.kind]} {change.kind} {change.what}{detail}")


def as_document(site: Site, problems: Sequence[Problem], changes: Changes) -> dict[str, Any]:
    """The plan for scripts: dollars a month by item, changes by step."""
    return {
        "cluster": site.cluster,
        "notes": [problem.line for problem in problems if not problem.refuses],
        "changes": changes_document(changes),
        "monthly_cost": costs.as_json(costs.monthly(site.settings)),
    }


def changes_document(changes: Changes) -> dict[str, list[dict[str, str]]]:
    """Changes for scripts, by step."""
    return {
        step: [{"kind": str(one.kind), "what": one.what, "detail": one.detail} for one in of_step]
        for step, of_step in changes.items()
    }


@click.command()
@file_option
@yes_option
@dry_run_option
@json_option
def up(file: Path, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the cluster to what its settings say. Run it again after any interruption."""
    site = site_of(file)
    problems = preflight.check(site)
    refuse(problems, as_json=as_json)
    changes = building.changes(site)
    if dry_run and as_json:
        click.echo(json.dumps(as_document(site, problems, changes), indent=2))
        return
    if not as_json:
        show_warnings(problems)
        show_changes(changes)
    if dry_run:
        return
    if changes and not yes:
        click.confirm("go on?", abort=True, err=True)
    if changes:
        with alone(site), reporting() as reporter:
            building.build(site, reporter)
    told = ready(site)
    click.echo(json.dumps({**told, "changed": sorted(changes)}) if as_json else _text(told))


def ready(site: Site) -> dict[str, Any]:
    """The cluster that stands: its hub's URL, its region."""
    return {
        "cluster": site.cluster,
        "region": site.aws.region,
        "url": public_url(site.settings, site.place()),
    }


def _text(told: dict[str, Any]) -> str:
    return f"""
{told["cluster"]} is ready:  {told["url"]}

  cloudjhub open           opens it in the browser
  cloudjhub users add ...  lets people in
  cloudjhub status         who works, what it costs
"""


@click.command()
@file_option
@dry_run_option
@json_option
@click.option(
    "--with-homes", is_flag=True, help="Delete the users' home disks too: their files are gone for ever."
)
@click.option("--confirm", "confirmed", default="", help="The cluster's name, instead of being asked for it.")
def down(file: Path, dry_run: bool, as_json: bool, with_homes: bool, confirmed: str) -> None:
    """Remove the cluster, and say what is left. Home disks are kept unless told otherwise."""
    site = site_of(file)
    removals = removal.removals(site, with_homes=with_homes)
    if dry_run and as_json:
        click.echo(json.dumps({"removals": changes_document(removals)}, indent=2))
        return
    if not as_json:
        show_changes(removals, f"there is nothing of {site.cluster} to remove in {site.aws.region}")
    if dry_run:
        return
    if removals:
        _confirm(site, confirmed, with_homes=with_homes)
        with alone(site), reporting() as reporter:
            removal.remove_workers(site, reporter.report_for("workers"), with_homes=with_homes)
            reporter.done("workers")
            building.remove(site, reporter)
    _account(site, as_json=as_json, was_there=bool(removals))


def _confirm(site: Site, confirmed: str, *, with_homes: bool) -> None:
    """The cluster's name, typed: a habit of pressing y must not remove a class."""
    lost = "its records and the files of all its users" if with_homes else "its records; home disks are kept"
    given = confirmed or click.prompt(
        f"this removes {site.cluster}, {lost}. Type its name to go on", err=True
    )
    if given != site.cluster:
        raise SettingsError(f"{given!r} is not the name of the cluster: nothing was removed")


def _account(site: Site, *, as_json: bool, was_there: bool) -> None:
    """Say what there still is, by tag and by name. LeftOver where something should be gone."""
    found = inventory.of_cluster(site)
    kept, left = inventory.homes(found), inventory.without_homes(found)
    if as_json:
        click.echo(
            json.dumps({"kept": [str(one) for one in kept], "left": [str(one) for one in left]}, indent=2)
        )
    for one in kept if not as_json else ():
        click.echo(f"kept: {one}")
    if left:
        raise LeftOver(
            f"still there: {', '.join(map(str, left))}: run `cloudjhub down` again, and delete in AWS's console what "
            "stays even then"
        )
    if was_there and not as_json:
        click.echo(f"{site.cluster} is removed")
