"""`cloudjhub image`: the workers' image."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cli.options import dry_run_option, file_option, json_option, site_of
from bootstrap.cli.progress import alone, reporting
from bootstrap.cli.terminal import echo, show
from bootstrap.cluster.steps.image import use
from bootstrap.errors import SettingsError
from bootstrap.machines.image import building, images
from bootstrap.machines.image.images import WorkerImage
from bootstrap.operations.workers import renewal
from bootstrap.operations.workers.listing import store_of
from bootstrap.operations.workers.renewal import Aged
from lifecycle_app.contract import utc_now

COLUMNS = ("image", "made", "state", "workers", "holds")


@click.group()
def image() -> None:
    """The workers' image: build, list."""


@image.command()
@click.option("--force", is_flag=True, help="Build it even if nothing has changed, for newer packages.")
@file_option
@dry_run_option
@json_option
def build(force: bool, file: Path, dry_run: bool, as_json: bool) -> None:
    """Build the image if it is not up to date. New workers get it at once, stopped ones at their next start."""
    site = site_of(file)
    if site.settings.workers.image:
        raise SettingsError("workers.image names your own AMI: remove it to have one built")
    made_of = building.wanted(site)
    found = images.of_content(site.aws, site.cluster, made_of.content)
    if dry_run:
        is_built = force or found is None or found.state == "pending"
        _show(None if is_built or found is None else found.image, [], as_json=as_json, is_built=is_built)
        return
    with alone(site), reporting() as reporter:
        report = reporter.report_for("image")
        ready = None if force or found is None or found.state == "pending" else found.image
        built = ready or building.build(site, made_of, utc_now(), report, again=force)
        done = _take(site, built, report)
        reporter.done("image")
    _show(built, done, as_json=as_json, is_built=ready is None)


@image.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """The images, newest first, and how many workers have each."""
    site = site_of(file)
    found, used = images.images(site.aws, site.cluster), images.used_by_workers(site.aws, site.cluster)
    chosen = images.current(site.aws, site.cluster)
    if as_json:
        rows = [as_document(one, used, chosen) for one in found]
        echo(json.dumps(rows, indent=2))
    elif not found:
        echo("no image yet: run `cloudjhub image build`")
    else:
        show(_table(found, used, chosen))


def as_document(one: WorkerImage, used: Mapping[str, int], chosen: str | None) -> dict[str, Any]:
    """An image for scripts."""
    return {
        "image": one.image,
        "state": one.state,
        "created": one.created.isoformat(),
        "versions": one.versions,
        "workers": used.get(one.image, 0),
        "current": one.image == chosen,
    }


def _take(site: Site, built: str, report: Report) -> list[Aged]:
    use(site, built, report)
    return renewal.renew(site, store_of(site), utc_now, report)


def _show(built: str | None, done: Sequence[Aged], *, as_json: bool, is_built: bool) -> None:
    if as_json:
        workers = {one.key: {"instance": one.instance_id, "becomes": one.verdict.name} for one in done}
        echo(json.dumps({"image": built, "built": is_built, "workers": workers}, indent=2))
    elif built is None:
        echo("the image would be built, in about ten minutes")
    else:
        echo(f"{built} is {'built' if is_built else 'up to date'}")
        if done:
            echo(renewal.summary(done))


def _table(found: Sequence[WorkerImage], used: Mapping[str, int], chosen: str | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "image")
    for one in found:
        holds = ", ".join(f"{name} {version}" for name, version in sorted(one.versions.items()))
        state = "in use" if one.image == chosen else one.state
        table.add_row(one.image, f"{one.created:%Y-%m-%d %H:%M}", state, str(used.get(one.image, 0)), holds)
    return table
