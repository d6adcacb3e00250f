"""`cloudjhub init`: writes cluster.yaml and the users file, from answers, flags or cloudJHub's files."""

import getpass
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import boto3
import click

from bootstrap.cli.new_cluster import migration
from bootstrap.cli.new_cluster.questions import (
    Answers,
    Question,
    get,
    option_questions,
    option_value,
    put,
    questions,
)
from bootstrap.cli.options import NameValue, counted, file_option, yes_option
from bootstrap.cli.terminal import echo
from bootstrap.cluster import users as kept
from bootstrap.config.document import WrongSetting
from bootstrap.config.reading import settings_in
from bootstrap.config.settings import ClusterSettings, field_at
from bootstrap.config.writing import text
from bootstrap.errors import SettingsError
from bootstrap.preflight.login import origin_problems
from hub.users.names import People

NO_DOMAIN = "-"

# A flag for each key that init asks for, and for others that people set at the beginning.
FLAGS: Mapping[str, str] = {
    "cluster": "--cluster", "region": "--region", "owner": "--owner", "users": "--users", "hours": "--hours",
    "network.name": "--network", "network.egress": "--egress", "network.vpc": "--vpc",
    "network.manager_subnet": "--manager-subnet", "network.worker_subnets": "--worker-subnet",
    "workers.types": "--type", "workers.disk": "--disk", "workers.home_disk": "--home-disk", "workers.base": "--base",
    "workers.image": "--image", "manager.type": "--manager-type", "manager.base": "--manager-base",
    "manager.domain": "--domain", "manager.https": "--https", "manager.email": "--email",
    "manager.certificate": "--certificate", "manager.key": "--key", "login.authenticator": "--authenticator",
    "login.trusted_users": "--trusted-users", "policy.idle_timeout": "--idle-timeout",
}  # fmt: skip
LISTS = ("network.worker_subnets", "workers.types")


def _flagged(command: Any) -> Any:
    """The command with an option for each of the flags, named by its key and described as in cluster.yaml."""
    for key, flag in reversed(list(FLAGS.items())):
        field = field_at(key.split("."))
        kind, about = (field.annotation, field.description or "") if field else (str, "")
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            value: Any = click.Choice([one.value for one in kind])
        else:
            value = kind if kind in (int, float) else str
        described = f"{key}: {about}{'; may be repeated' * (key in LISTS)}."
        parameter = key.replace(".", "__")
        if kind is bool:
            command = click.option(flag, parameter, is_flag=True, default=None, help=described)(command)
            continue
        command = click.option(flag, parameter, type=value, multiple=key in LISTS, help=described)(command)
    return command


@click.command()
@file_option
@_flagged
@click.option(
    "--option",
    "options",
    multiple=True,
    type=NameValue("client_id=abc"),
    help="An option of the authenticator, NAME=VALUE; separate several values by ; and repeat it for more options.",
)
@click.option("--admin", "admins", multiple=True, help="A user who administers the hub; may be repeated.")
@click.option("--user", "names", multiple=True, help="Another user; may be repeated.")
@click.option(
    "--from-cloudjhub",
    "old",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Import the settings and users of the earlier cloudJHub, from its checkout or its manager's /etc/jupyterhub.",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@yes_option
def init(
    file: Path, options: tuple[tuple[str, str], ...], admins: tuple[str, ...], names: tuple[str, ...],
    old: Path | None, force: bool, yes: bool, **flags: Any,
) -> None:  # fmt: skip
    """Write the settings of a new cluster. Asks for what the flags do not give; --yes uses the defaults."""
    _refuse_overwriting(file, force)
    flagged: Answers = {}
    for key in FLAGS:
        value = flags[key.replace(".", "__")]
        if value not in (None, ()):
            put(flagged, key, list(value) if key in LISTS else value)
    moved = _migrated(old, flagged)
    answers = _merged(moved.answers, flagged)
    _complete(answers, file, yes=yes)
    _give_options(answers, options, yes=yes)
    settings = _accepted(answers, file)
    people = _people(moved.people, admins, names, settings.owner, yes=yes)
    _refuse_overwriting(settings.login.users_file, force)
    _write(settings.login.users_file, kept.users_file_text(people))
    _write(file, text(settings, file.parent))
    _report(file, settings, people, moved.notes)


def _refuse_overwriting(file: Path, force: bool) -> None:
    if file.exists() and not force:
        raise SettingsError(
            f"{file} already exists: edit it, name another with --file, or overwrite it with --force"
        )
    if not file.parent.is_dir():
        raise SettingsError(f"{file.parent} is not a directory: create it first")


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written: {error.strerror}: name another with --file"
        ) from error


def _migrated(old: Path | None, flagged: Answers) -> migration.Migration:
    if old is None:
        return migration.Migration()
    return migration.migrate(
        migration.find(old),
        vpc=get(flagged, "network.vpc") or "",
        manager_subnet=get(flagged, "network.manager_subnet") or "",
        worker_subnets=tuple(get(flagged, "network.worker_subnets") or ()),
    )


def _merged(under: Answers, over: Answers) -> Answers:
    """Both, where they differ `over`."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _complete(answers: Answers, file: Path, *, yes: bool) -> None:
    """Asks for what is not answered yet; with `yes`, uses the defaults."""
    for question in questions(_region(), getpass.getuser()):
        if get(answers, question.key) is None and question.is_asked(answers):
            given = question.default(answers) if yes else _ask(question, answers, file)
            put(answers, question.key, str(given).split() if question.is_list else given)
        if get(answers, "manager.domain") == NO_DOMAIN:
            put(answers, "manager.domain", "")


def _give_options(answers: Answers, given: tuple[tuple[str, str], ...], *, yes: bool) -> None:
    """Adds the authenticator's options; asks for those that are required."""
    authenticator = get(answers, "login.authenticator")
    for name, value in given:
        put(answers, f"login.options.{name}", option_value(authenticator, name, value))
    for question in option_questions(authenticator):
        if get(answers, question.key) is None and not yes:
            value = str(click.prompt(question.text))
            put(answers, question.key, value.split() if question.is_list else value)


def _ask(question: Question, answers: Answers, file: Path) -> Any:
    for line in question.hint(answers):
        echo(f"  {line}", dim=True)
    default = question.default(answers)

    def checked(given: Any) -> Any:
        value = _number(str(given)) if type(default) is int else given
        _check(question, value, file)
        return value

    shown = f"{question.text} ({', '.join(question.choices)})" if question.choices else question.text
    return click.prompt(shown, default=default, value_proc=checked)


def _check(question: Question, value: Any, file: Path) -> None:
    """Raises UsageError, which asks again, for what cluster.yaml would refuse."""
    trial: Answers = {
        "cluster": "trial",
        "region": "us-east-1",
        "owner": "trial",
        "login": {"trusted_users": True},
    }
    put(trial, question.key, str(value).split() if question.is_list else "" if value == NO_DOMAIN else value)
    if question.key == "manager.https":
        put(trial, "manager.domain", "hub.example.org")
    try:
        _settings(trial, file)
    except WrongSetting as error:
        if error.key == "login.options":  # which are asked for next
            return
        raise click.UsageError(error.message) from error


def _number(given: str) -> float | str:
    """A number, if it is one, else the text."""
    try:
        return int(given)
    except ValueError:
        pass
    try:
        return float(given)
    except ValueError:
        return given


def _accepted(answers: Answers, file: Path) -> ClusterSettings:
    """The settings. Raises SettingsError that names the flag: there is no file yet."""
    try:
        return _settings(answers, file)
    except WrongSetting as error:
        key = error.key.rstrip("0123456789").rstrip(".")  # of one in a list, the list's
        flag = "--option" if key.startswith("login.options") else FLAGS.get(key, key)
        raise SettingsError(f"{flag}: {error.message}" if flag else error.message) from error


def _settings(answers: Answers, file: Path) -> ClusterSettings:
    """The settings as they will be read: JSON is YAML."""
    return settings_in(json.dumps(answers).encode(), file)


def _people(
    found: People, admins: tuple[str, ...], names: tuple[str, ...], owner: str, *, yes: bool
) -> People:
    """The imported users and those named; asks for an administrator if there is none."""
    people = kept.adding(admins, admin=True)(kept.adding(names, admin=None)(found))
    if people.admins or yes:
        return people

    def accepted(given: str) -> str:
        try:
            return kept.accepted(given)
        except SettingsError as error:
            raise click.UsageError(str(error)) from error

    default = getpass.getuser() if " " in owner else owner.partition("@")[0]
    return people.with_user(
        click.prompt("Who administers the hub (user name)", default=default, value_proc=accepted), admin=True
    )


def _region() -> str:
    """The region that AWS's own tools would use here."""
    return boto3.Session().region_name or "us-east-1"


def _report(file: Path, settings: ClusterSettings, people: People, notes: list[str]) -> None:
    users = settings.login.users_file
    echo(f"wrote {file}, and {users} with {counted(len(people.users), 'user')}")
    for note in [*(problem.line for problem in origin_problems(settings)), *notes]:
        echo(f"note: {note}")
    if not people.admins:
        echo(f"note: no user is an administrator: write `admin` after a name in {users}")
    option = "" if file.name == "cluster.yaml" and file.parent == Path() else f" --file {file}"
    echo(f"next: cloudjhub plan{option}")
