"""What commands print: colours only where they are wanted."""

import click
import pytest
from click.testing import CliRunner

from bootstrap.cli.terminal import echo


@click.command()
def told() -> None:
    echo("stopped", fg="red")


@pytest.mark.parametrize(("no_color", "shown"), [("", "\x1b[31mstopped\x1b[0m\n"), ("1", "stopped\n")])
def test_no_color_in_the_environment_means_none(no_color: str, shown: str) -> None:
    assert CliRunner().invoke(told, color=True, env={"NO_COLOR": no_color}).output == shown
