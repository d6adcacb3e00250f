"""`cloudjhub verify`: which of the assumptions about AWS hold, and a report of it."""

import json
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from bootstrap import preflight
from bootstrap.aws.site import Site
from bootstrap.cli.cluster import refuse, show_warnings
from bootstrap.cli.completion import PROGRAM
from bootstrap.cli.options import file_option, site_of, yes_option
from bootstrap.cli.progress import alone, reporting
from bootstrap.cli.terminal import echo
from bootstrap.config.reading import read_settings
from bootstrap.errors import Interrupted, LeftOver, Refuted, SettingsError, StepFailed
from bootstrap.operations.health.overview import require_built
from bootstrap.operations.verify import reading, report, throwaway
from bootstrap.operations.verify.checks import is_aws, observe
from bootstrap.operations.verify.scene import Scene
from bootstrap.operations.verify.stages import Stages
from bootstrap.operations.verify.verdict import Verdict
from bootstrap.operations.verify.walk import INTERRUPTED, Walked, by_an_emulator, walk
from lifecycle_app.contract import utc_now

FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.option(
    "--cluster", "name", default="", metavar="NAME", help="Only look at this cluster, which --file has."
)
@click.option(
    "--region", default="", help="Where to build a cluster of its own, walk through it and remove it."
)
@click.option(
    "--like",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A cluster.yaml whose network, tags, roles and manager that cluster has.",
)
@click.option(
    "--limit", type=click.FloatRange(min=0), default=1.0, show_default=True, metavar="DOLLARS",
    help="The walk ends before it can cost more.",
)  # fmt: skip
@click.option("--json", "json_file", type=FILE, help="Write the report as JSON into this file.")
@click.option("--report", "report_file", type=FILE, help="Write the report as Markdown into this file.")
@file_option
@yes_option
def verify(
    name: str,
    region: str,
    like: Path | None,
    limit: float,
    json_file: Path | None,
    report_file: Path | None,
    file: Path,
    yes: bool,
) -> None:
    """Observe what cloudJHub assumes about AWS, and write a report.

    With --cluster only by calls that change nothing. With --region it builds the cluster verify-throwaway, uses it for
    about an hour and removes it, whatever happens. The report names no account and no user. Exit code 6: an assumption
    does not hold.
    """
    if bool(name) == bool(region):
        raise SettingsError(
            "say --cluster NAME, to look at a cluster, or --region REGION, to build one: not both"
        )
    began = utc_now()
    if name:
        site = _site_named(name, file)
        walked = Walked(observed=list(observe(Scene(site, began))))
    else:
        site = throwaway.site_in(file.resolve().parent, region, read_settings(like) if like else None)
        walked = _walked(site, limit, yes=yes)
    on_aws = is_aws(reading.of_site(site))
    if not on_aws:
        walked.observed = [by_an_emulator(one) for one in report.strongest(walked.observed).values()]
    document = report.document(_run(site, walked, began, on_aws=on_aws))
    _deliver(document, json_file, report_file)
    _judge(walked, document)


def _site_named(name: str, file: Path) -> Site:
    site = site_of(file)
    if site.cluster != name:
        raise SettingsError(
            f"{file} describes the cluster {site.cluster}, not {name}: name its file with --file"
        )
    require_built(site)
    return site


def _walked(site: Site, limit: float, *, yes: bool) -> Walked:
    """Asks, removes what an earlier run left, and walks."""
    time = throwaway.may_take(site.settings, limit)
    with alone(site):
        stages = Stages(site, utc_now, reporting, lambda line: echo(line, err=True))
        if left := throwaway.leftover(site):
            for line in left:
                echo(f"left by an earlier run: {line}", err=True)
            _ask("Remove that first? Not while another `cloudjhub verify` runs in this account.", yes=yes)
            list(stages.down())
        problems = preflight.check(site)
        refuse(problems, as_json=False)
        show_warnings(problems)
        _ask(_question(site, time, limit), yes=yes)
        walked = walk(stages.all(), ("down", stages.down), utc_now() + time, utc_now, stages.report)
        walked.steps += stages.steps
    return walked


def _question(site: Site, time: timedelta, limit: float) -> str:
    price, takes = throwaway.dollars(site.settings, throwaway.TAKES), throwaway.TAKES
    return (
        f"This builds the cluster {site.cluster} in {site.aws.region}, uses it and removes it: about "
        f"{takes / timedelta(minutes=1):.0f} minutes, less than ${price:.2f}. It ends by itself after "
        f"{time / timedelta(minutes=1):.0f} minutes, before it can cost ${limit:.2f}. Continue?"
    )


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def _run(site: Site, walked: Walked, began: datetime, *, on_aws: bool) -> report.Run:
    return report.Run(
        cluster=site.cluster,
        region=site.aws.region,
        version=version(PROGRAM),
        began=began,
        ended=utc_now(),
        on_aws=on_aws,
        observed=walked.observed,
        steps=walked.steps,
        failed=walked.failed,
    )


def _deliver(document: dict[str, Any], json_file: Path | None, report_file: Path | None) -> None:
    """Writes the files, and prints what was seen."""
    if json_file:
        json_file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if report_file:
        report_file.write_text(report.markdown(document), encoding="utf-8")
    if not document["on_aws"]:
        echo("note: an emulator was asked, not AWS: this says nothing about AWS", err=True)
    for row in document["assumptions"]:
        if row["evidence"] is not None or row["verdict"] != str(Verdict.NOT_OBSERVED):
            echo(f"{row['verdict']:<12}  {row['id']}: {row['message']}")
    echo("\n" + ", ".join(f"{document['counts'].get(str(one), 0)} {one}" for one in Verdict))


def _judge(walked: Walked, document: dict[str, Any]) -> None:
    """Raises what the exit code is made of: what is left first, because it costs money."""
    if walked.left:
        raise LeftOver(walked.failed)
    if walked.failed == INTERRUPTED:
        raise Interrupted("interrupted: everything that was built is removed")
    if walked.failed:
        raise StepFailed(f"the walk ended early, and everything is removed: {walked.failed}")
    wrong = [row["id"] for row in document["assumptions"] if row["verdict"] == str(Verdict.REFUTED)]
    if wrong:
        raise Refuted(
            f"not as assumed: {', '.join(wrong)}: please open an issue with the report "
            "(--report FILE), which names no account"
        )
