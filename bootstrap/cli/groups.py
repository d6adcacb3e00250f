"""`cloudjhub groups`: who looks after the machines of a group. Who belongs to a group is the login provider's to say,
or an administrator's on JupyterHub's own page of groups.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from bootstrap.aws.site import Site
from bootstrap.cli.audit import audit
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of
from bootstrap.cli.terminal import echo, show
from bootstrap.cli.users import is_open
from bootstrap.cluster import users as kept
from bootstrap.operations.audit import Act
from bootstrap.operations.workers.listing import store_of
from hub.users.names import People
from lifecycle_app.model.worker import Worker

group_argument = click.argument("group", metavar="GROUP")
teachers_argument = click.argument("names", metavar="NAME...", nargs=-1, required=True)


@click.group()
def groups() -> None:
    """The groups of users, and their teachers. The hub reads changes within a minute."""


@groups.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the groups that have a teacher or a machine."""
    site = site_of(file)
    found = rows(kept.read_people(site), store_of(site).all_workers())
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        show(_table(found))
    else:
        echo("no group has a teacher or a machine yet")


@groups.command("add-teacher")
@group_argument
@teachers_argument
@file_option
@dry_run_option
@json_option
def add_teacher(group: str, names: tuple[str, ...], file: Path, dry_run: bool, as_json: bool) -> None:
    """Let users see, start, stop and open the machines of a group."""
    _change(site_of(file), group, names, is_teacher=True, dry_run=dry_run, as_json=as_json)


@groups.command("remove-teacher")
@group_argument
@teachers_argument
@file_option
@dry_run_option
@json_option
def remove_teacher(group: str, names: tuple[str, ...], file: Path, dry_run: bool, as_json: bool) -> None:
    """Take that from users again. They stay users."""
    _change(site_of(file), group, names, is_teacher=False, dry_run=dry_run, as_json=as_json)


def rows(people: People, workers: Iterable[Worker]) -> list[dict[str, Any]]:
    """A row for each group, by name. Pure."""
    machines: dict[str, int] = {group: 0 for groups in people.teaches.values() for group in groups}
    for worker in workers:
        for group in worker.groups:
            machines[group] = machines.get(group, 0) + worker.owns_resources
    return [
        {
            "name": group,
            "teachers": sorted(_teachers(people, group)),
            "machines": count,
        }
        for group, count in sorted(machines.items())
    ]


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("group", "teachers", "machines"):
        table.add_column(column)
    for row in found:
        table.add_row(row["name"], ", ".join(row["teachers"]), str(row["machines"]))
    return table


def _change(
    site: Site, group: str, names: tuple[str, ...], *, is_teacher: bool, dry_run: bool, as_json: bool
) -> None:
    change = kept.teaching(group, names, is_teacher=is_teacher, is_open=is_open(site))
    before, after = kept.change_people(site, change, dry_run=dry_run)
    changed = sorted(_teachers(before, group) ^ _teachers(after, group))
    if changed and not dry_run:
        action = "teacher.add" if is_teacher else "teacher.remove"
        audit(site, *(Act(action, name, group) for name in changed))
    if as_json:
        echo(json.dumps({"group": group, "teachers": sorted(_teachers(after, group)), "changed": changed}))
        return
    said = "{} is a teacher of {} now" if is_teacher else "{} is no longer a teacher of {}"
    for line in [said.format(name, group) for name in changed] or ["nothing to change"]:
        echo(f"dry run: {line}" if dry_run else line)
    if is_teacher and changed and not any(group in one.groups for one in store_of(site).all_workers()):
        echo(f"note: no machine's user is in a group {group!r} yet: check that the name is right", err=True)


def _teachers(people: People, group: str) -> frozenset[str]:
    return frozenset(name for name, groups in people.teaches.items() if group in groups)
