"""The help that an operator reads on a terminal of 80 columns."""

from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from bootstrap.__main__ import COMMANDS, cli


def groups(group: click.Group, path: str) -> Iterator[tuple[str, click.Group]]:
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from groups(command, f"{path} {name}")


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.output == f"cloudjhub {version('cloudjhub')}\n"


@pytest.mark.parametrize(("path", "group"), [*groups(cli, "cloudjhub")])
def test_no_commands_help_is_cut(path: str, group: click.Group) -> None:
    context = click.Context(group, info_name=path, terminal_width=80)
    _, _, listed = group.get_help(context).partition("Commands:")
    assert listed.split()
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_as_it_describes_itself(name: str) -> None:
    """The list is made without importing the commands."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1] == command.get_short_help_str(limit=80)
