"""The options that commands have in common, and how durations and names with values are written in them."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from bootstrap.aws.keys import without_alias
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.reading import read_settings
from bootstrap.config.values import duration

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_FILE = Path("cluster.yaml")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be done without doing it.")
at_option = click.option(
    "--at", default="", help="latest, a day (its last backup), or a time (the newest one until then)."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
from_option = click.option(
    "--from",
    "source",
    type=click.File("rb"),
    help="Also the users in this list or CSV file; - reads standard input.",
)
column_option = click.option("--column", default="", help="The heading of its column with the user names.")
file_option = click.option(
    "--file", "-f", "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_FILE,
    envvar="CLOUDJHUB_FILE",
    show_default=True,
    show_envvar=True,
    help="The cluster's settings.",
)  # fmt: skip


_FRACTION = re.compile(r"([0-9]{1,6}\.[0-9]{1,3})s?")


class Duration(click.ParamType[Any]):
    """Seconds, or 90s, 15m, 1h, 2d, 1h30m. `fine` takes fractions of a second too, like 0.5, but not 0."""

    name = "duration"

    def __init__(self, *, fine: bool = False) -> None:
        self.fine = fine

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration; click asks again or ends with a usage error for anything else."""
        if isinstance(value, timedelta):
            return value
        try:
            match = _FRACTION.fullmatch(str(value)) if self.fine else None
            found = timedelta(seconds=float(match[1])) if match else duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self.fine and not found:
            self.fail(f"{value!r} is too short: write at least 1s", param, ctx)
        return found


class NameValue(click.ParamType[Any]):
    """NAME=VALUE; `example` is shown where it is written otherwise."""

    name = "NAME=VALUE"

    def __init__(self, example: str) -> None:
        self.example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name and value, without spaces around them."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"\s*([\w-]+)\s*=(.*)", str(value), re.DOTALL)
        if match is None:
            self.fail(f"{value!r}: write NAME=VALUE, like {self.example}", param, ctx)
        return match[1], match[2].strip()


def counted(number: int, noun: str) -> str:
    """Like "1 user" or "2 users"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def site_of(file: Path) -> Site:
    """The cluster that a settings file describes; `kms_key` is the key itself, where the file names an alias of it.
    Raises SettingsError.
    """
    settings = read_settings(file)
    directory = file.resolve().parent / ".cloudjhub" / settings.cluster
    aws = Aws(settings.region)
    return Site(settings=without_alias(settings, aws), aws=aws, directory=directory)
