"""The command line: `python -m bootstrap`, installed as `cloudjhub`."""

import sys
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from click.shell_completion import get_completion_class

from bootstrap.aws.errors import meaning
from bootstrap.cli.cluster import down, plan, up
from bootstrap.cli.groups import groups
from bootstrap.cli.image import image
from bootstrap.cli.new_cluster.init import init
from bootstrap.cli.report import report
from bootstrap.cli.settings import secrets, settings
from bootstrap.cli.status import doctor, logs, open_, status
from bootstrap.cli.terminal import echo
from bootstrap.cli.users import users
from bootstrap.cli.workers import workers
from bootstrap.errors import BootstrapError, Interrupted, Refused, SettingsError
from bootstrap.local.cli import local
from hub.errors import HubPartError
from lifecycle_app.errors import LifecycleError

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
    echo(found(context.find_root().command, {}, PROGRAM, VARIABLE).source())


COMMANDS = (
    *(
        init,
        plan,
        up,
        status,
        report,
        doctor,
        open_,
        users,
        groups,
        secrets,
        settings,
        workers,
        image,
        logs,
        down,
    ),
    *(local, completion),
)


class InOrder(click.Group):
    """Lists its commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Raises Interrupted at Ctrl-C, which click would report as a failure, and says why a question ended."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interrupted("interrupted") from interrupt
        except click.Abort as abort:
            raise _unanswered(abort) from abort


def _unanswered(abort: click.Abort) -> BootstrapError:
    """What ended a question; click keeps it as the context of its one exception for all."""
    match abort.__context__:
        case KeyboardInterrupt():
            return Interrupted("interrupted: nothing was changed")
        case EOFError():
            return SettingsError(
                "Not a terminal, nothing was changed: pass --yes (for `down` --confirm NAME)"
            )
        case _:
            return Refused("nothing was changed")


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cloudjhub", prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """JupyterHub on AWS: an instance for every user, started at login, stopped when idle."""


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line; an error becomes one line and an exit code."""
    try:
        cli(prog_name=PROGRAM, complete_var=VARIABLE)
    except BootstrapError as error:
        _end(error)
    except (ClientError, BotoCoreError, HubPartError, LifecycleError) as error:
        _end(meaning(error))


def _end(error: BootstrapError) -> None:
    echo(f"cloudjhub: {error}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
