"""`cloudjhub up`: build the cluster, change what differs, or complete what was interrupted."""

import json
from pathlib import Path
from typing import Any

import click

from bootstrap import preflight
from bootstrap.aws.site import Site
from bootstrap.cli.lock import alone
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.plan import as_document, refuse, show_changes, show_warnings
from bootstrap.cli.progress import reporting
from bootstrap.cluster import building
from bootstrap.machines.address import public_url


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
