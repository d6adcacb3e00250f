"""The command line: `python -m bootstrap`, installed as `cloudjhub`. A command is imported when it is used: its imports
take a second, and the list of commands should appear at once.
"""

import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from bootstrap.cli.completion import PROGRAM, VARIABLE
from bootstrap.errors import BootstrapError, Interrupted, Refused, SettingsError

COMMANDS = {
    "init": ("bootstrap.cli.new_cluster.init:init", "Write the settings of a new cluster."),
    "plan": ("bootstrap.cli.cluster:plan", "Show what `up` would change, and what that costs a month."),
    "up": ("bootstrap.cli.cluster:up", "Build or change the cluster to match its settings."),
    "status": ("bootstrap.cli.status:status", "Show the cluster at a glance."),
    "report": ("bootstrap.cli.report:report", "Show what a month cost, by user, group or day."),
    "doctor": ("bootstrap.cli.status:doctor", "Check the whole cluster and say how to fix each problem."),
    "open": ("bootstrap.cli.status:open_", "Open the hub in the browser."),
    "users": ("bootstrap.cli.users:users", "The users: add, remove, list, sign-up codes."),
    "import": (
        "bootstrap.cli.importing.command:import_",
        "Take over users from TLJH, z2jh or another JupyterHub.",
    ),
    "groups": ("bootstrap.cli.groups:groups", "The groups of users, and their teachers."),
    "announce": (
        "bootstrap.cli.announce:announce",
        "Show a text to all users on the hub's pages, within a minute.",
    ),
    "secrets": ("bootstrap.cli.settings:secrets", "Set, replace and list the cluster's secrets."),
    "settings": (
        "bootstrap.cli.settings:settings",
        "The idle policy of the cluster, of groups and of users.",
    ),
    "workers": (
        "bootstrap.cli.workers:workers",
        "The users' machines: list, watch, prepare, explain, stop, keep.",
    ),
    "homes": (
        "bootstrap.cli.homes:homes",
        "The users' home disks: list, grow, back up, restore, move to another name.",
    ),
    "image": ("bootstrap.cli.image:image", "The workers' image: build, list."),
    "logs": ("bootstrap.cli.status:logs", "Show the logs of manager, functions and workers."),
    "restore": (
        "bootstrap.cli.restore:restore",
        "List the backups of JupyterHub's database, or restore one.",
    ),
    "verify": (
        "bootstrap.cli.verify:verify",
        "Observe what cloudJHub assumes about AWS, and write a report.",
    ),
    "down": ("bootstrap.cli.cluster:down", "Remove the cluster and list what is left."),
    "local": ("bootstrap.local.cli:local", "The whole system on this machine."),
    "completion": ("bootstrap.cli.completion:completion", "Print the completion script for a shell."),
}
"""Each command with where it is and with the line that lists it, in the order in which a newcomer needs them."""


class Commands(click.Group):
    """Lists the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        fit = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return fit + click.Command.shell_complete(self, ctx, incomplete)

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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cloudjhub", prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """JupyterHub on AWS: an instance for every user, started at login, stopped when idle."""


def main() -> None:
    """Run the command line; an error becomes one line and an exit code."""
    try:
        cli(prog_name=PROGRAM, complete_var=VARIABLE)
    except SystemExit:  # click's way to end, before anything is imported for errors
        raise
    except BootstrapError as error:
        _end(error)
    except _errors_of_libraries() as error:
        from bootstrap.aws.errors import meaning

        _end(meaning(error))


def _errors_of_libraries() -> tuple[type[Exception], ...]:
    """What an operator reads as one line too. Called when an error is raised, as botocore takes a while to import."""
    from botocore.exceptions import BotoCoreError, ClientError

    from hub.errors import HubPartError
    from lifecycle_app.errors import LifecycleError

    return ClientError, BotoCoreError, HubPartError, LifecycleError


def _end(error: BootstrapError) -> None:
    from bootstrap.cli.terminal import echo

    echo(f"cloudjhub: {error}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
