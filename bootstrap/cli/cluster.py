"""`cloudjhub plan`, `up` and `down`: what changes a whole cluster, shown before it is done."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bootstrap import costs, preflight
from bootstrap.aws.site import Site
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.progress import alone, reporting
from bootstrap.cli.terminal import echo
from bootstrap.cluster import building, inventory
from bootstrap.cluster.dns import records as dns
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
        echo(json.dumps(as_document(site, problems, changes), indent=2))
        return
    show_warnings(problems)
    show_changes(changes)
    show_costs(site)


def show_costs(site: Site) -> None:
    """The bill of a month, and what would save most of it."""
    items, region = costs.monthly(site.settings), site.settings.region
    echo("\n" + costs.render(items, region))
    if costs.prices_in(region) and (compared := costs.compared_egress(site.settings)):
        echo(compared)
    if costs.prices_in(region) and (advised := costs.expected_advice(site.settings)):
        echo("\n" + costs.render_advice(advised, costs.total(items)))


def refuse(problems: Sequence[Problem], *, as_json: bool) -> None:
    """Raises Refused if there are problems that prevent `up`, with a line for each."""
    blocking = [problem.line for problem in problems if problem.refuses]
    if blocking and as_json:
        echo(json.dumps({"problems": blocking}, indent=2))
    if blocking:
        raise Refused("nothing was changed:\n" + "\n".join(f"  {line}" for line in blocking))


def show_warnings(problems: Sequence[Problem]) -> None:
    """A line on standard error for each problem that does not prevent `up`."""
    for problem in problems:
        if not problem.refuses:
            echo(f"note: {problem.line}", err=True)


def show_changes(changes: Changes, none: str = "nothing to change: the cluster matches its settings") -> None:
    """A line for each change, by step; `none` where there is no change."""
    if not changes:
        echo(none)
    for step, of_step in changes.items():
        echo(step, bold=True)
        for change in of_step:
            detail = f": {change.detail}" if change.detail else ""
            echo(f"  {SIGNS[change.kind]} {change.kind} {change.what}{detail}")


def as_document(site: Site, problems: Sequence[Problem], changes: Changes) -> dict[str, Any]:
    """The plan for scripts: dollars a month by item, changes by step."""
    return {
        "cluster": site.cluster,
        "notes": [problem.line for problem in problems if not problem.refuses],
        "changes": changes_document(changes),
        "monthly_cost": costs.as_json(
            costs.monthly(site.settings), site.settings.region, costs.expected_advice(site.settings)
        ),
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
    """Build or change the cluster to match its settings. Run it again after any interruption."""
    site = site_of(file)
    problems = preflight.check(site)
    refuse(problems, as_json=as_json)
    changes = building.changes(site)
    if dry_run and as_json:
        echo(json.dumps(as_document(site, problems, changes), indent=2))
        return
    if not as_json:
        show_warnings(problems)
        show_changes(changes)
    if dry_run:
        return
    if changes and not yes:
        click.confirm(question(site), abort=True, err=True)
    if changes:
        with alone(site), reporting() as reporter:
            building.build(site, reporter)
    built = ready(site)
    echo(json.dumps({**built, "changed": sorted(changes)}) if as_json else _text(built))


def question(site: Site) -> str:
    """What `up` asks before it changes anything, with the price of a month."""
    settings = site.settings
    price = costs.render_total(costs.monthly(settings), settings.region)
    users = "1 user works" if settings.users == 1 else f"{settings.users} users work"
    return f"The cluster costs {price} a month if {users} {settings.hours:g} hours each. Continue?"


def ready(site: Site) -> dict[str, Any]:
    """The built cluster: its hub's URL, its region, and the DNS records that are the operator's to create."""
    return {
        "cluster": site.cluster,
        "region": site.aws.region,
        "url": public_url(site.settings, site.place()),
        "records_to_create": [str(one) for one in dns.to_create(site)],
    }


def _text(built: dict[str, Any]) -> str:
    records = "".join(f"  {one}\n" for one in built["records_to_create"])
    needed = f"\nIt needs these DNS records, which are yours to create:\n{records}" if records else ""
    return f"""
{built["cluster"]} is ready:  {built["url"]}
{needed}
  cloudjhub open           opens it in the browser
  cloudjhub users add ...  adds users
  cloudjhub status         shows running workers and costs
"""


@click.command()
@file_option
@dry_run_option
@json_option
@click.option(
    "--with-homes",
    is_flag=True,
    help="Delete the users' home disks and their backups too: the files are lost.",
)
@click.option(
    "--confirm", "confirmed", default="", help="The cluster's name, to answer the question in advance."
)
def down(file: Path, dry_run: bool, as_json: bool, with_homes: bool, confirmed: str) -> None:
    """Remove the cluster and list what is left. Home disks and their backups are kept without --with-homes."""
    site = site_of(file)
    removals = removal.removals(site, with_homes=with_homes)
    if dry_run and as_json:
        echo(json.dumps({"removals": changes_document(removals)}, indent=2))
        return
    if not as_json:
        show_changes(removals, f"nothing to remove: {site.cluster} has no resources in {site.aws.region}")
    if dry_run:
        return
    if removals:
        _confirm(site, confirmed, with_homes=with_homes)
        with alone(site), reporting() as reporter:
            removal.remove_workers(site, reporter.report_for("workers"), with_homes=with_homes)
            reporter.done("workers")
            building.remove(site, reporter)
    _report_rest(site, as_json=as_json, was_there=bool(removals))


def _confirm(site: Site, confirmed: str, *, with_homes: bool) -> None:
    """The cluster's name, typed: a habit of pressing y must not remove a class."""
    lost = (
        "its records, the files of all its users, and all backups of them"
        if with_homes
        else "its records; home disks and their backups are kept, and no new backups are made"
    )
    given = confirmed or click.prompt(
        f"This removes {site.cluster}, {lost}. Type its name to continue", err=True
    )
    if given != site.cluster:
        raise SettingsError(
            f"{given!r} is not the name of the cluster: nothing was removed, run the command again"
        )


def _listed_backups(found: Sequence[inventory.Found]) -> str:
    """Backups kept, by user. Pure."""
    each = ", ".join(
        f"{user} {count}" for user, count in sorted(Counter(one.home_of for one in found).items())
    )
    return (
        f"{len(found)} backup{'s' * (len(found) > 1)} of homes ({each}): nothing deletes them any more; "
        "`cloudjhub down --with-homes` does, with the home disks"
    )


def _report_rest(site: Site, *, as_json: bool, was_there: bool) -> None:
    """List what still exists, by tag and by name. Raises LeftOver where something should be gone."""
    found = inventory.of_cluster(site)
    kept, backups, left = inventory.homes(found), inventory.backups(found), inventory.without_homes(found)
    if as_json:
        all_kept = [str(one) for one in (*kept, *backups)]
        echo(json.dumps({"kept": all_kept, "left": [str(one) for one in left]}, indent=2))
    for one in kept if not as_json else ():
        echo(f"kept: {one}")
    if backups and not as_json:
        echo(f"kept: {_listed_backups(backups)}")
    if left:
        raise LeftOver(
            f"not removed: {', '.join(map(str, left))}: run `cloudjhub down` again, and delete in AWS's console what "
            "is left after that"
        )
    if was_there and not as_json:
        echo(f"{site.cluster} is removed")
