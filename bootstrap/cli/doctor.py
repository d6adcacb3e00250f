"""`cloudjhub doctor`: everything that could be wrong with a running cluster, each with the mend."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from bootstrap.cli.options import file_option, json_option, site_of
from bootstrap.errors import Unhealthy
from bootstrap.operations.health.checkup import check
from bootstrap.operations.health.overview import require_built
from bootstrap.preflight import credentials


@click.command()
@file_option
@json_option
def doctor(file: Path, as_json: bool) -> None:
    """Look for what is wrong, and name the mend of each. Exit code 3: not built; 5: something is wrong."""
    site = site_of(file)
    if not credentials.credential_problems(site):
        require_built(site)
    found = check(site, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            click.echo(f"{'!' if one.wrong else '✓'} {one.topic}")
            for line in one.wrong:
                click.echo(f"    {line}")
    count = sum(len(one.wrong) for one in found)
    if count:
        raise Unhealthy(
            f"{count} {'thing is' if count == 1 else 'things are'} wrong: mend what is told above"
        )
