"""`cloudjhub report`: what a month cost, by user, group or day."""

import csv
import io
import json
from pathlib import Path

import click
from rich.table import Table

from bootstrap.cli.options import file_option, json_option, site_of
from bootstrap.cli.terminal import SafeConsole, echo
from bootstrap.costs import render_advice
from bootstrap.errors import SettingsError
from bootstrap.operations import budgets
from bootstrap.operations.report.period import month_named, month_of
from bootstrap.operations.report.reading import statement
from bootstrap.operations.report.statement import By, Statement, as_document
from bootstrap.operations.report.usage import Amount
from lifecycle_app.contract import utc_now
from lifecycle_app.printable import spreadsheet_cell

WIDTH = 80
UNPRICED = 2
"""Columns that are not dollars."""
COLUMNS = ("hours", "GB-months", "machines $", "disks $", "shared $", "total $")


@click.command()
@click.option("--month", default="", metavar="YYYY-MM", help="Which month, in UTC. Without it this one.")
@click.option(
    "--by",
    type=click.Choice([*map(str, By)]),
    default=str(By.USER),
    show_default=True,
    help="A row for each.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@file_option
@json_option
def report(month: str, by: str, as_csv: bool, file: Path, as_json: bool) -> None:
    """Show what a month cost, by user, group or day."""
    if as_csv and as_json:
        raise SettingsError("say --csv or --json: not both")
    now = utc_now()
    found = statement(site_of(file), month_named(month) if month else month_of(now), By(by), now)
    if as_json:
        echo(json.dumps(as_document(found), indent=2))
    elif as_csv:
        echo(spreadsheet(found))
    else:
        echo(text(found))


def spreadsheet(found: Statement) -> str:
    """CSV: a line for each row, without a total; what is not known is empty."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    document = as_document(found)
    writer.writerow(["owner", "name", *document["total"]])
    for row in document["rows"]:
        shown = spreadsheet_cell(row["name"] or "")
        writer.writerow(["" if value is None else value for value in {**row, "name": shown}.values()])
    return output.getvalue().rstrip("\n")


def text(found: Statement) -> str:
    """A table of at most 80 columns, what all share, and notes."""
    period = found.period
    until = "" if period.end == period.month.end else f", until {period.end:%d %b %H:%M} UTC"
    since = "" if period.begin == period.month.begin else f", from {period.begin:%d %b %H:%M}"
    lines = [f"{found.cluster}, {period.month.name}{since}{until}, by {found.by}", "", *_table(found)]
    if found.shared:
        lines += ["", *_shared(found)]
    if found.budgets:
        lines += ["", *_budgets(found)]
    if found.advice:
        lines += ["", render_advice(found.advice, found.whole)]
    return "\n".join([*lines, *([""] if found.notes else []), *found.notes])


def _table(found: Statement) -> list[str]:
    table = Table(box=None, pad_edge=False, show_footer=True, expand=False)
    columns = COLUMNS if found.prices else COLUMNS[:UNPRICED]
    table.add_column("", footer="total", overflow="fold")
    for column, value in zip(columns, _cells(found.total), strict=False):
        table.add_column(column, footer=value, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(row.label, *_cells(row.amount)[: len(columns)])
    return _lines(table)


def _shared(found: Statement) -> list[str]:
    table = Table(box=None, pad_edge=False)
    table.add_column("shared by all, by the formula of `plan`")
    table.add_column("$", justify="right")
    for item in found.shared:
        table.add_row(item.name, "?" if item.dollars is None else f"{item.dollars:.2f}")
    return _lines(table)


def _budgets(found: Statement) -> list[str]:
    table = Table(box=None, pad_edge=False)
    table.add_column("budgets, of running machines", overflow="fold")
    table.add_column("used")
    table.add_column("share", justify="right")
    for scope, one in sorted(found.budgets.items(), key=lambda pair: (-pair[1].share, pair[0])):
        table.add_row(*budgets.line(scope, one))
    return _lines(table)


def _lines(table: Table) -> list[str]:
    output = io.StringIO()
    console = SafeConsole(
        file=output, width=WIDTH, color_system=None, highlight=False, markup=False, emoji=False
    )
    console.print(table)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def _cells(amount: Amount) -> list[str]:
    """In the order of the columns; nothing where nothing was used."""
    more = " + ?" if amount.unknown_hours else ""
    figures = (
        (f"{amount.hours:.1f}", amount.hours, ""),
        (f"{amount.gb_months:.1f}", amount.gb_months, ""),
        (f"{amount.machines:.2f}", amount.hours, more),
        (f"{amount.disks:.2f}", amount.disks, ""),
        (f"{amount.shared:.2f}", amount.shared, ""),
        (f"{amount.total:.2f}", True, more),
    )
    return [f"{figure}{unknown}" if used else "" for figure, used, unknown in figures]
