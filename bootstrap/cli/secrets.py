"""`cloudjhub secrets`: what only the operator can know. Values are never printed, and never on a command line."""

import json
import sys
from pathlib import Path

import click

from bootstrap.aws import secrets as kept
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of
from bootstrap.config.document import suggestion
from bootstrap.errors import SettingsError

SETTABLE = {
    "client-secret": "of the OAuth application at GitHub, Google or another provider",
    "ldap-password": "of the user that looks others up in the directory",
}
LONGEST = 4096


@click.group()
def secrets() -> None:
    """Secrets of the authenticator: set them, list their names."""


@secrets.command("set")
@click.argument("name", metavar="NAME")
@file_option
@dry_run_option
@json_option
def set_secret(name: str, file: Path, dry_run: bool, as_json: bool) -> None:
    """Set client-secret or ldap-password.

    Asked for without echo, or read from standard input. The hub reads it when it starts: `up` replaces the manager.
    """
    if name not in SETTABLE:
        raise SettingsError(f"there is no secret {name!r} to set: {suggestion(name, list(SETTABLE))}")
    site = site_of(file)
    value = _value(name)
    if not dry_run:
        kept.put(site.aws.client("ssm"), site.cluster, f"hub/{name}", value)
    if as_json:
        click.echo(json.dumps({"secret": name, "set": not dry_run}))
    else:
        click.echo(f"{'dry run: ' if dry_run else ''}{name} of {site.cluster} is set")
    if not dry_run:
        click.echo("it counts once the manager is replaced: run `cloudjhub up`", err=True)


@secrets.command("list")
@file_option
@json_option
def list_secrets(file: Path, as_json: bool) -> None:
    """The names of the secrets, and when each was last set."""
    site = site_of(file)
    dates = kept.dates(site.aws.client("ssm"), site.cluster)
    if as_json:
        click.echo(json.dumps({name: at.isoformat() for name, at in dates.items()}, indent=2))
        return
    for name, at in dates.items():
        click.echo(f"{at.astimezone():%Y-%m-%d %H:%M}  {name}")
    if not dates:
        click.echo(f"{site.cluster} has no secrets yet")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value = str(
            click.prompt(f"{name} ({SETTABLE[name]})", hide_input=True, default="", show_default=False)
        )
    else:
        value = sys.stdin.buffer.read(LONGEST + 2).decode(errors="replace")
    value = value.removesuffix("\n").removesuffix("\r")
    if not value or len(value) > LONGEST or not value.isprintable() or "\ufffd" in value:
        raise SettingsError(
            f"{name}: the value must be one line of up to {LONGEST} characters: give it again"
        )
    return value
