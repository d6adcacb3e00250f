"""`cloudjhub import users`: users, administrators and groups of TLJH, z2jh, the earlier cloudJHub or any JupyterHub."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from bootstrap.cli.importing.finds import Imported
from bootstrap.cli.importing.sources import read
from bootstrap.cli.options import counted, dry_run_option, file_option, json_option, site_of, yes_option
from bootstrap.cli.terminal import echo
from bootstrap.cli.users import add_people
from bootstrap.cluster import users as kept
from bootstrap.errors import SettingsError

MOST_REFUSED = 20
"""Refused names that an error lists."""
GROUPS_HEADING = """\
# Groups of the earlier hub, for `hub.config` in cluster.yaml: this file, or these lines in yours. The hub adds members
# at each start and removes none: change groups here, or on its page Admin and then remove these lines.
"""


@click.group("import")
def import_() -> None:
    """Take over users from TLJH, z2jh or another JupyterHub."""


@import_.command()
@click.argument(
    "sources",
    metavar="FILE_OR_DIRECTORY...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--skip-refused", is_flag=True, help="Leave out names that cannot be used here, instead of ending."
)
@click.option(
    "--groups-to",
    "groups_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the groups into this new file, for `hub.config` in cluster.yaml.",
)
@file_option
@dry_run_option
@yes_option
@json_option
def users(
    sources: tuple[Path, ...], skip_refused: bool, groups_file: Path | None, file: Path, dry_run: bool, yes: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Add the users of another hub, with its administrators.

    Reads config.yaml (TLJH, z2jh), jupyterhub.sqlite, jupyterhub_config.py, the answer of /hub/api/users, userlist and
    class lists. Shows what it found and asks before it adds users. Those who are users already stay, and become
    administrators if they were there.
    """
    found, files = read(sources)
    _refuse(found, skip_refused=skip_refused)
    if groups_file is not None and groups_file.exists():
        raise SettingsError(f"{groups_file} already exists: name a new file, and merge the two by hand")
    for line in overview(found, files, has_file=groups_file is not None):
        echo(line, err=as_json)
    site = site_of(file)
    if not (yes or dry_run):
        click.confirm(f"Add {counted(len(found.users), 'user')} to {site.cluster}?", abort=True, err=True)
    _write_groups(found.groups, groups_file, dry_run=dry_run)
    plain, admins = found.people.users - found.people.admins, found.people.admins
    changes = [kept.adding(sorted(plain), admin=None), kept.adding(sorted(admins), admin=True)]
    add_people(site, changes, found.people.users, dry_run=dry_run, yes=yes, as_json=as_json)


def _refuse(found: Imported, *, skip_refused: bool) -> None:
    """Raises SettingsError for names that cannot be used, or where there is no user."""
    if found.refused and not skip_refused:
        shown, more = found.refused[:MOST_REFUSED], len(found.refused) - MOST_REFUSED
        rest = [f"and {more} more"] if more > 0 else []
        raise SettingsError(
            "no user was added; correct these, or leave them out with --skip-refused:\n  "
            + "\n  ".join([*shown, *rest])
        )
    if not found.users:
        notes = f": {'; '.join(found.notes)}" if found.notes else ""
        raise SettingsError(f"no users were found{notes}: name another file, for example jupyterhub.sqlite")


def overview(found: Imported, files: Sequence[Path], *, has_file: bool) -> list[str]:
    """Lines that say what would be imported. Pure."""
    admins = len(found.people.admins)
    lines = [
        f"{counted(len(found.users), 'user')}, {counted(admins, 'administrator')} and"
        f" {counted(len(found.groups), 'group')} in {', '.join(map(str, files))}"
    ]
    lines += [f"  {name}{'  admin' if is_admin else ''}" for name, is_admin in found.users.items()]
    lines += [f"  group {group}: {', '.join(names)}" for group, names in found.groups.items()]
    lines += [f"left out: {line}" for line in found.refused]
    lines += [f"note: {note}" for note in found.notes]
    if found.groups and not has_file:
        lines.append(
            "note: groups are JupyterHub's: write them into a file for `hub.config` with --groups-to FILE"
        )
    return lines


def groups_text(groups: Mapping[str, Iterable[str]]) -> str:
    """Lines of jupyterhub_config.py with these groups; valid Python whatever the names are. Pure."""
    lines = [f"    {group!r}: {{'users': {list(names)!r}}},\n" for group, names in groups.items()]
    return f"{GROUPS_HEADING}c.JupyterHub.load_groups = {{\n{''.join(lines)}}}\n"


def _write_groups(groups: Mapping[str, Iterable[str]], file: Path | None, *, dry_run: bool) -> None:
    if file is None or not groups:
        return
    if dry_run:
        echo(f"dry run: would write {counted(len(list(groups)), 'group')} into {file}", err=True)
        return
    try:
        file.write_text(groups_text(groups), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}: name another file") from error
    echo(f"wrote {file}: name it at `hub.config` in cluster.yaml, then run `cloudjhub up`", err=True)
