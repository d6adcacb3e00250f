"""`cloudjhub announce`: what all users read on the hub's pages."""

import json
from pathlib import Path

import click

from bootstrap.aws.errors import built
from bootstrap.cli.audit import audit
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of
from bootstrap.cli.terminal import echo, local_time
from bootstrap.errors import SettingsError
from bootstrap.operations.audit import Act
from bootstrap.operations.workers.stopping import moment
from hub.config.announcement import Announcement, Level, announcement, parse, to_json
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.contract import utc_now


@click.command()
@click.argument("text", required=False)
@click.option(
    "--level",
    type=click.Choice([*map(str, Level)]),
    default=str(Level.INFO),
    show_default=True,
    help="How it looks.",
)
@click.option("--until", default="", help="2h, or a time like 2026-12-01T18:00. Without it, until --clear.")
@click.option("--clear", is_flag=True, help="End the announcement.")
@file_option
@dry_run_option
@json_option
def announce(
    text: str | None, level: str, until: str, clear: bool, file: Path, dry_run: bool, as_json: bool
) -> None:
    """Show a text to all users on the hub's pages, within a minute.

    Without a text, it prints the announcement that is shown now.
    """
    if clear and text:
        raise SettingsError("say a text or --clear: not both")
    site = site_of(file)
    store = SettingsStore(site.cluster, site.aws.region)
    said = None if clear else _wanted(text, level, until) if text else _current(store, site.cluster)
    if (text or clear) and not dry_run:
        with built(site.cluster):
            store.put_announcement(to_json(said) if said else None)
        audit(site, Act("announcement.set" if said else "announcement.clear", "", said.text if said else ""))
    if as_json:
        echo(to_json(said) if said else json.dumps(None))
    else:
        echo(f"{'dry run: ' if dry_run else ''}{_shown(said)}")


def _wanted(text: str, level: str, until: str) -> Announcement:
    end = moment(until, utc_now(), "--until") if until else None
    try:
        return announcement(text, level, end)
    except ValueError as error:
        raise SettingsError(f"{error}: shorten the text, or correct it") from error


def _current(store: SettingsStore, cluster: str) -> Announcement | None:
    with built(cluster):
        document = store.announcement()
    try:
        return parse(document) if document else None
    except ValueError as error:
        raise SettingsError(
            f"the announcement in the settings table cannot be used ({error}): run `cloudjhub announce --clear`"
        ) from error


def _shown(said: Announcement | None) -> str:
    if said is None:
        return "no announcement"
    over = " (over)" if said.is_over(utc_now()) else ""
    end = f", until {local_time(said.until)}{over}" if said.until else ""
    return f"{said.level}{end}: {said.text}"
