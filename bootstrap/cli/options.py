"""What the commands' options have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.reading import read_settings

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_FILE = Path("cluster.yaml")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
file_option = click.option(
    "--file", "-f", "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_FILE,
    envvar="CLOUDJHUB_FILE",
    show_default=True,
    show_envvar=True,
    help="The cluster's settings.",
)  # fmt: skip


def site_of(file: Path) -> Site:
    """The cluster that a settings file describes. Raises SettingsError."""
    settings = read_settings(file)
    directory = file.resolve().parent / ".cloudjhub" / settings.cluster
    return Site(settings=settings, aws=Aws(settings.region), directory=directory)
