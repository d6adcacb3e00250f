"""`cloudjhub plan`: what `up` would do, what would stand in its way, and what the cluster will cost."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bootstrap import costs, preflight
from bootstrap.aws.site import Site
from bootstrap.cli.options import file_option, json_option, site_of
from bootstrap.cluster import building
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.errors import Refused
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
