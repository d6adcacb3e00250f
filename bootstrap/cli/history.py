"""`cloudjhub workers history`: what happened to a machine, and why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bootstrap.cli.options import file_option, json_option, site_of
from bootstrap.cli.terminal import echo
from bootstrap.errors import SettingsError
from bootstrap.operations.workers.listing import advice, store_of
from lifecycle_app.model.history import Entry, sentence
from lifecycle_app.model.messages import Time, joined

MOST = 1000


@click.command()
@click.argument("name")
@click.option(
    "--last",
    type=click.IntRange(1, MOST),
    default=30,
    show_default=True,
    help="How many entries: the newest.",
)
@click.option("--evidence", is_flag=True, help="With what each decision was based on.")
@file_option
@json_option
def history(name: str, last: int, evidence: bool, file: Path, as_json: bool) -> None:
    """Show what happened to a worker, and why."""
    store = store_of(site_of(file))
    found = store.history(name, last)[::-1]
    if not found:
        known = sorted(worker.key for worker in store.all_workers())
        if name not in known:
            raise SettingsError(f"unknown worker {name!r}: {advice(name, known)}")
    if as_json:
        echo(json.dumps([as_document(entry) for entry in found], indent=2))
    else:
        echo("\n".join(lines(found, evidence=evidence)) or f"nothing has happened to {name} yet")


def lines(found: Sequence[Entry], *, evidence: bool) -> list[str]:
    """A line for each entry, in the operator's time zone, and with `evidence` one for each value below it."""
    shown = []
    for entry in found:
        shown.append(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}  {joined(sentence(entry), _in_local_time)}")
        if evidence:
            shown += [f"    {name}: {json.dumps(value)}" for name, value in sorted(entry.evidence.items())]
    return shown


def _in_local_time(time: Time) -> str:
    at = f"{time.at.astimezone():%Y-%m-%d %H:%M}"
    return at if time.is_clock else f"at {at}"


def as_document(entry: Entry) -> dict[str, Any]:
    """One entry for scripts: time as ISO 8601, cost in US dollars, null where there is none or no price is known."""
    return {
        "at": entry.at.isoformat(),
        "kind": str(entry.kind),
        "reason": entry.reason,
        "text": joined(sentence(entry)),
        "instance_id": entry.instance_id,
        "seconds": entry.seconds,
        "cost": entry.cost,
        "evidence": dict(entry.evidence),
    }
