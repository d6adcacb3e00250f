"""`cloudjhub users`: who may log in."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.table import Table

from bootstrap.aws import secrets
from bootstrap.aws.instances import volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.cli.audit import audit
from bootstrap.cli.options import (
    column_option,
    dry_run_option,
    file_option,
    from_option,
    json_option,
    site_of,
    yes_option,
)
from bootstrap.cli.terminal import echo, show
from bootstrap.cluster import users as kept
from bootstrap.config.choices import Authenticator
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.operations.audit import Act
from bootstrap.operations.homes import left_homes
from bootstrap.operations.workers.listing import ListedWorker, listed_workers, store_of
from hub.config.authenticators import SIGN_UP_KEY, lets_others_in
from hub.users.names import People, sign_up_code
from lifecycle_app.contract import ROLE_WORKER, utc_now
from lifecycle_app.model.worker import State, Worker, split

names_argument = click.argument("names", metavar="[NAME]...", nargs=-1)


@click.group()
def users() -> None:
    """The users: add, remove, list, sign-up codes. The hub reads changes within a minute."""


@users.command()
@names_argument
@click.option("--admin/--no-admin", default=None, help="Make them administrators, or take the role away.")
@from_option
@column_option
@file_option
@dry_run_option
@yes_option
@json_option
def add(
    names: tuple[str, ...], admin: bool | None, source: BinaryIO | None, column: str, file: Path, dry_run: bool,
    yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add users. Those who are users already are kept as they are. A line that cannot be used adds no user at all.

    Asks before a name is given again whose former machine or home is kept.
    """
    listed = kept.listed_in(source, column)
    if not names and not listed.users:
        raise SettingsError("no user is named: write names after `users add`, or give a file with --from")
    for note in listed.notes:
        echo(note, err=True)
    plain, admins = listed.people.users - listed.people.admins, listed.people.admins
    changes = [
        kept.adding(sorted(plain), admin),
        kept.adding(sorted(admins), True if admin is None else admin),
    ]
    changes.append(kept.adding(names, admin))

    wanted = frozenset({*listed.users, *map(kept.accepted, names)})
    add_people(site_of(file), changes, wanted, dry_run=dry_run, yes=yes, as_json=as_json)


def add_people(
    site: Site,
    changes: Sequence[Callable[[People], People]],
    wanted: frozenset[str],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make the changes that add the wanted names, and print them. Asks about names whose former machine is kept."""

    def change(people: People) -> People:
        for one in changes:
            people = one(people)
        return people

    inherited = _inherited(site, wanted)
    for line in inherited:
        echo(line, err=True)
    if inherited and not (yes or dry_run):
        click.confirm("Add them anyway?", abort=True, err=True)
    before, after = _change(site, change, dry_run=dry_run, as_json=as_json)
    known = sorted(before.users & wanted)
    if known:
        echo(f"already users: {', '.join(known)}", err=True)
    if (
        after.users - before.users
        and site.settings.login.authenticator == Authenticator.NATIVE
        and not dry_run
    ):
        echo("new users sign up with their codes: see `cloudjhub users codes`", err=True)


@users.command()
@names_argument
@file_option
@dry_run_option
@json_option
def remove(names: tuple[str, ...], file: Path, dry_run: bool, as_json: bool) -> None:
    """Remove users: they are logged out and cannot log in again. Their machines, files and backups are kept."""
    if not names:
        raise SettingsError("no user is named: write names after `users remove`")
    site = site_of(file)
    change = kept.removing(names, lambda name: _may_be_elsewhere(site, name))
    before, after = _change(site, change, dry_run=dry_run, as_json=as_json)
    if not dry_run and after != before:
        echo("their machines, files and backups are kept: see `cloudjhub workers list`", err=True)


@users.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the users and the state of their machines."""
    site = site_of(file)
    found = rows(kept.read_people(site), store_of(site).all_workers())
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif not found:
        echo("no users yet: add some with `cloudjhub users add NAME`")
    else:
        show(_table(found))


@users.command()
@names_argument
@file_option
@json_option
def codes(names: tuple[str, ...], file: Path, as_json: bool) -> None:
    """Sign-up codes, with which users create their accounts. All users' codes if none are named."""
    site = site_of(file)
    if site.settings.login.authenticator != Authenticator.NATIVE:
        raise SettingsError(
            f"users log in with {site.settings.login.authenticator}: they need no sign-up codes"
        )
    people = kept.read_people(site)
    known = people.users
    wanted = sorted({kept.accepted(name) for name in names} or known)
    for name in wanted:
        if name not in known:
            raise SettingsError(f"{name} is not a user: run `cloudjhub users add` first")
    key = _sign_up_key(site)
    found = {name: sign_up_code(key, site.cluster, name, people.generation(name)) for name in wanted}
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for name, code in found.items():
        echo(f"{code}  {name}")


def _sign_up_key(site: Site) -> str:
    found = secrets.read_if_there(site.aws.client("ssm"), site.cluster, [SIGN_UP_KEY])
    if SIGN_UP_KEY not in found:
        raise NotBuilt(
            f"{site.cluster} has no key for sign-up codes in {site.aws.region} yet: run `cloudjhub up` first"
        )
    return found[SIGN_UP_KEY]


def _may_be_elsewhere(site: Site, name: str) -> bool:
    """Is it a name that is not in the list and may log in, or one that a machine belongs to?"""
    return is_open(site) or any(worker.user == name for worker in store_of(site).all_workers())


def is_open(site: Site) -> bool:
    """May users log in who are not in the list?"""
    login = site.settings.login
    return login.allow_all or lets_others_in(login.authenticator, login.options)


def _inherited(site: Site, wanted: Collection[str]) -> list[str]:
    """A line for each of these names that no user has now, and whose former machine or home is kept."""
    people = kept.read_people(site)
    new = frozenset(wanted) - people.users
    if not new:
        return []
    if is_open(site):
        # Whoever is not on the list may use the machine already; it is not a former user's.
        new &= people.removed
    listed = listed_workers(site, utc_now())
    found = kept_machines(listed, new)
    recorded = frozenset(one.home_volume for one in listed if one.home_volume)
    left, _ = left_homes(volumes_by_tags(site.aws, site.cluster, ROLE_WORKER), recorded)
    return [
        *(inheritance(name, machines) for name, machines in sorted(found.items())),
        *(left_inheritance(key, volumes) for key, volumes in sorted(left.items()) if split(key)[0] in new),
    ]


def kept_machines(workers: Iterable[ListedWorker], names: Collection[str]) -> dict[str, list[ListedWorker]]:
    """The workers of these users that still have a machine or a home disk. Pure."""
    found: dict[str, list[ListedWorker]] = defaultdict(list)
    for one in workers:
        if one.user in names and one.owns_resources:
            found[one.user].append(one)
    return dict(found)


def left_inheritance(key: str, volumes: Sequence[str]) -> str:
    """As inheritance, of a worker's disks that are in no record. Pure."""
    return (
        f"{key} was used before, and its files are kept on {', '.join(volumes)}. Whoever logs in as {split(key)[0]}"
        " gets them. If that is another person, delete them first in the console"
    )


def inheritance(name: str, machines: Sequence[ListedWorker]) -> str:
    """What the next user of a name gets, and how to prevent it. Pure."""
    keys = " ".join(one.key for one in machines)
    held = ", ".join(
        f"{one.key} ({one.state if one.instance_id else f'home disk {one.home_volume}'})" for one in machines
    )
    return (
        f"{name} was used before, and its files are kept: {held}. Whoever logs in as {name} gets them. If that is"
        f" another person, delete them first: `cloudjhub workers terminate {keys} --with-home`"
    )


def rows(people: People, workers: Iterable[Worker]) -> list[dict[str, Any]]:
    """A row for each user who is listed, was removed or has a machine, by name; `listed` says which of them are in the
    list.
    """
    of_user: dict[str, list[Worker]] = defaultdict(list)
    for worker in workers:
        if worker.state is not State.TERMINATED:
            of_user[worker.user].append(worker)
    return [
        {
            "name": name,
            "admin": name in people.admins,
            "listed": name in people.users,
            "removed": name in people.removed,
            "workers": [
                {"server": one.server, "state": one.state.value, "instance": one.instance_id}
                for one in sorted(of_user[name], key=lambda one: one.server)
            ],
        }
        for name in sorted(people.users | people.removed | set(of_user))
    ]


ACTIONS = {
    "added": "user.add",
    "administrators": "user.promote",
    "no_administrators": "user.demote",
    "removed": "user.remove",
}


def _change(
    site: Site, change: Callable[[People], People], *, dry_run: bool, as_json: bool
) -> tuple[People, People]:
    """The people before and after the change, which is shown."""
    before, after = kept.change_people(site, change, dry_run=dry_run)
    if not dry_run:
        made = changes(before, after)
        audit(site, *(Act(ACTIONS[kind], name) for kind, names in made.items() for name in names))
    _show_changes(before, after, dry_run=dry_run, as_json=as_json)
    return before, after


def changes(before: People, after: People) -> dict[str, list[str]]:
    """The names that changed, for scripts."""
    return {
        "added": sorted(after.users - before.users),
        "administrators": sorted(after.admins - before.admins),
        "no_administrators": sorted((before.admins - after.admins) & after.users),
        "removed": sorted(after.removed - before.removed),
    }


def _show_changes(before: People, after: People, *, dry_run: bool, as_json: bool) -> None:
    made = changes(before, after)
    if as_json:
        echo(json.dumps(made, indent=2, ensure_ascii=False))
        return
    prefix = "dry run: " if dry_run else ""
    texts = {
        "added": "added {}",
        "administrators": "{} is an administrator now",
        "no_administrators": "{} is no longer an administrator",
        "removed": "removed {}",
    }
    lines = [texts[kind].format(name) for kind, names in made.items() for name in names]
    for line in lines or ["nothing to change"]:
        echo(prefix + line)


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("user", "", "machines"):
        table.add_column(column)
    for row in found:
        table.add_row(row["name"], _role(row), ", ".join(map(_machine, row["workers"])))
    return table


def _role(row: dict[str, Any]) -> str:
    if row["removed"]:
        return "removed"
    if row["admin"]:
        return "admin"
    return "" if row["listed"] else "not in the list"


def _machine(worker: dict[str, Any]) -> str:
    return f"{worker['state']} ({worker['server']})" if worker["server"] else str(worker["state"])
