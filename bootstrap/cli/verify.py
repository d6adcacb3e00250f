"""`cloudjhub verify`: which of the assumptions about AWS hold, and a report of it."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from bootstrap.cli.completion import PROGRAM
from bootstrap.cli.options import file_option, site_of
from bootstrap.cli.terminal import echo
from bootstrap.errors import Refuted, SettingsError
from bootstrap.operations.health.overview import require_built
from bootstrap.operations.verify import reading, report
from bootstrap.operations.verify.checks import is_aws, observe
from bootstrap.operations.verify.scene import Scene
from bootstrap.operations.verify.verdict import Verdict
from lifecycle_app.contract import utc_now

FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.option(
    "--cluster", "name", required=True, metavar="NAME", help="The cluster that cluster.yaml describes."
)
@click.option("--json", "json_file", type=FILE, help="Write the report as JSON into this file.")
@click.option("--report", "report_file", type=FILE, help="Write the report as Markdown into this file.")
@file_option
def verify(name: str, json_file: Path | None, report_file: Path | None, file: Path) -> None:
    """Observe what cloudJHub assumes about AWS, and write a report.

    Only reads. The report names no account and no user. Exit code 6: an assumption does not hold.
    """
    site = site_of(file)
    if site.cluster != name:
        raise SettingsError(
            f"{file} describes the cluster {site.cluster}, not {name}: name its file with --file"
        )
    require_built(site)
    began = utc_now()
    seen = list(observe(Scene(site, began)))
    run = report.Run(
        cluster=site.cluster,
        region=site.aws.region,
        version=version(PROGRAM),
        began=began,
        ended=utc_now(),
        on_aws=is_aws(reading.of_site(site)),
        observed=seen,
    )
    _deliver(report.document(run), json_file, report_file)


def _deliver(document: dict[str, Any], json_file: Path | None, report_file: Path | None) -> None:
    """Writes and summarises the report. Raises Refuted where something is."""
    if json_file:
        json_file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if report_file:
        report_file.write_text(report.markdown(document), encoding="utf-8")
    if not document["on_aws"]:
        echo("note: an emulator was asked, not AWS: this says nothing about AWS", err=True)
    rows = document["assumptions"]
    for row in rows:
        if row["evidence"] is not None or row["verdict"] != str(Verdict.NOT_OBSERVED):
            echo(f"{row['verdict']:<12}  {row['id']}: {row['message']}")
    echo("\n" + ", ".join(f"{document['counts'].get(str(one), 0)} {one}" for one in Verdict))
    wrong = [row["id"] for row in rows if row["verdict"] == str(Verdict.REFUTED)]
    if wrong:
        raise Refuted(
            f"not as assumed: {', '.join(wrong)}: please open an issue with the report "
            "(--report FILE), which names no account"
        )
