"""`cloudjhub completion`: shells complete commands and options. It imports click alone, for all commands import it."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "cloudjhub"
VARIABLE = "_CLOUDJHUB_COMPLETE"
"""Shells set it to ask for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    For bash, write `eval "$(cloudjhub completion bash)"` into ~/.bashrc.
    """
    found = get_completion_class(shell)
    if found is None:
        raise AssertionError(f"click completes in {shell}")
    from bootstrap.cli.terminal import echo

    echo(found(context.find_root().command, {}, PROGRAM, VARIABLE).source())
