"""The users of a cluster, in the scope `users` of its settings table, which the hub reads every minute."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import BinaryIO

from bootstrap.aws.errors import built
from bootstrap.aws.site import Site
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import Refused, SettingsError, StepFailed
from hub.errors import SettingsError as UsersFileWrong
from hub.users import lists
from hub.users import names as kept
from hub.users.lists import Listed
from hub.users.names import People
from hub.users.tables import LARGEST as LARGEST_LIST
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.errors import BadRecord, RecordConflict

TRIES = 10
"""Two operators at the same moment are many."""
LARGEST = 380_000
"""Bytes: DynamoDB's items have up to 400 KB."""


def first_people(settings: ClusterSettings) -> People:
    """The people in the users file; none if there is no file and all users may log in. Raises SettingsError."""
    file = settings.login.users_file
    if not file.exists():
        if settings.login.allow_all:
            return People()
        raise SettingsError(
            f"{file} does not exist: write the users into it, a line `name` or `name admin` for each,"
            " or set login.allow_all"
        )
    try:
        return lists.from_file(file).people
    except UsersFileWrong as error:
        raise SettingsError(str(error)) from error


def listed_in(source: BinaryIO | None, column: str = "") -> Listed:
    """The users in an open file, if there is one, from the column of that heading. Raises SettingsError that names the
    line.
    """
    if source is None:
        if column:
            raise SettingsError("--column is for a list: name its file with --from")
        return Listed()
    name = str(getattr(source, "name", "standard input"))
    try:
        return lists.listed(source.read(LARGEST_LIST + 1), name, column)
    except UsersFileWrong as error:
        raise SettingsError(str(error)) from error


def users_file_text(people: People) -> str:
    """What `first_people` reads."""
    heading = "# The users at the first `cloudjhub up`; from then on: cloudjhub users add, remove and list.\n"
    return heading + lists.text_of(people)


def accepted(name: str) -> str:
    """The name as it is kept, by the hub's rules. Raises SettingsError."""
    try:
        return kept.accepted(name)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def adding(given: Iterable[str], admin: bool | None) -> Callable[[People], People]:
    """The change that lets these in; `admin` None leaves their rights as they are."""
    added = [accepted(name) for name in given]

    def change(people: People) -> People:
        for name in added:
            people = people.with_user(name, admin=name in people.admins if admin is None else admin)
        return people

    return change


def removing(given: Iterable[str], is_known: Callable[[str], bool]) -> Callable[[People], People]:
    """The change that removes these. `is_known` is asked about names that are not in the list of users; the change
    raises SettingsError for those that it does not know.
    """
    removed = [accepted(name) for name in given]

    def change(people: People) -> People:
        for name in removed:
            if name not in people.users | people.removed and not is_known(name):
                raise _unknown(name, people, "no user was removed")
            people = people.without(name)
        return people

    return change


def teaching(
    group: str, given: Iterable[str], *, is_teacher: bool, is_open: bool
) -> Callable[[People], People]:
    """The change that makes these teachers of a group, or takes that from them. It raises SettingsError for names that
    are not in the list of users, unless others may log in too (`is_open`).
    """
    named = [accepted(name) for name in given]

    def change(people: People) -> People:
        for name in named:
            if is_teacher and not is_open and name not in people.users:
                raise _unknown(name, people, "no teacher was added")
            try:
                people = people.teaching(name, group, is_teacher=is_teacher)
            except ValueError as error:
                raise SettingsError(str(error)) from error
        return people

    return change


def _unknown(name: str, people: People, so: str) -> SettingsError:
    near = get_close_matches(name, people.users)
    fix = f"did you mean {' or '.join(near)}?" if near else "see `cloudjhub users list`"
    return SettingsError(f"unknown user {name!r}, {so}: {fix}")


def ensure_people(site: Site) -> None:
    """Write the people of the users file, unless the cluster has people already. Raises SettingsError, NotBuilt."""
    _, version = _read(site)
    if not version:
        _write(site, first_people(site.settings), version)


def read_people(site: Site) -> People:
    """The people as the hub sees them. Raises NotBuilt."""
    found, _ = _read(site)
    return found or first_people(site.settings)


def removed_users(site: Site) -> frozenset[str]:
    """The former users. Raises NotBuilt."""
    found, _ = _read(site)
    return found.removed if found else frozenset()


def changed(people: People, change: Callable[[People], People]) -> People:
    """The people after the change. Raises SettingsError if no administrator would be left where there was one."""
    after = change(people)
    try:
        kept.check_administrators(people.admins, after.admins)
    except ValueError as error:
        raise SettingsError(f"{error}, with `cloudjhub users add NAME --admin`") from error
    return after


def change_people(
    site: Site, change: Callable[[People], People], *, dry_run: bool = False
) -> tuple[People, People]:
    """The people before and after `change`, which is repeated if another operator wrote in between; with `dry_run` as
    they would be.

    Raises NotBuilt, Refused, SettingsError.
    """
    if dry_run:
        before = read_people(site)
        return before, changed(before, change)
    for _ in range(TRIES):
        found, version = _read(site)
        before = found or first_people(site.settings)
        after = changed(before, change)
        if after == found or _write(site, after, version):
            return before, after
    raise StepFailed("others keep changing the users at this moment: try again in a minute")


def _read(site: Site) -> tuple[People | None, int]:
    """The people and their record's version; None and 0 where there is no record."""
    try:
        with built(site.cluster):
            text, version = _store(site).users()
        return (None if text is None else kept.parse(text)), version
    except (BadRecord, ValueError) as error:
        raise Refused(
            f"the users in the settings table cannot be read ({error}): correct the item with scope `users`"
        ) from error


def _write(site: Site, people: People, version: int) -> bool:
    """Was it written? Not if another operator wrote since `version` was read."""
    text = kept.to_json(people)
    if len(text.encode()) > LARGEST:
        raise Refused("the names do not fit into one record: allow all users with login.allow_all instead")
    try:
        with built(site.cluster):
            _store(site).put_users(text, version)
    except RecordConflict:
        return False
    return True


def _store(site: Site) -> SettingsStore:
    return SettingsStore(site.cluster, site.aws.region)
