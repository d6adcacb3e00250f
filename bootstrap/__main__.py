"""The command line: `python -m bootstrap`, installed as `cloudjhub`."""

import sys

import click
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.errors import BootstrapError
from bootstrap.local.commands import local


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """JupyterHub on AWS: an instance for every user, started at login, stopped when idle."""


cli.add_command(local)


def main() -> None:
    """Run the command line; what is wrong becomes one line and exit code 1."""
    try:
        cli()
    except (BootstrapError, ClientError, BotoCoreError) as error:
        click.echo(f"cloudjhub: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
