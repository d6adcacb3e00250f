"""`cloudjhub down`: remove everything that `up` built."""

import json
from pathlib import Path

import click

from bootstrap.aws.site import Site
from bootstrap.cli.lock import alone
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of
from bootstrap.cli.plan import changes_document, show_changes
from bootstrap.cli.progress import reporting
from bootstrap.cluster import building, inventory
from bootstrap.errors import LeftOver, SettingsError
from bootstrap.operations import removal


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
