"""The commands of `python -m bootstrap local`."""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import boto3
import click

from bootstrap.cli.options import Command, Duration, NameValue, json_option
from bootstrap.cli.terminal import SafeConsole, echo
from bootstrap.errors import NotRunning, SettingsError
from bootstrap.local import browser, detached, environment, processes, programs, status, view
from bootstrap.local.settings import REPORT_PERIOD, LocalSettings, free_network, saved_addresses
from bootstrap.local.status import FUNCTIONS, files, function_log_lines
from bootstrap.local.supervisor import (
    Supervisor,
)

DEFAULT_STATE_DIR = Path(".local")
DEFAULT_PORT = 8000

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_STATE_DIR,
    show_default=True,
    help="Where this local cloud keeps its files; each one running side by side needs its own.",
)


def duration_option(flag: str, default: str, about: str) -> Callable[[Command], Command]:
    """An option for a duration, fractions of a second included."""
    return click.option(flag, type=Duration(fine=True), default=default, show_default=True, help=about)


@click.group()
def local() -> None:
    """The whole system on this machine. AWS is emulated; hub and notebooks are real."""


@local.command()
@state_dir_option
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    help="The hub's port on 127.0.0.1 [default: 8000, or as before].",
)
@duration_option("--idle-timeout", "3m", "Stop a worker after this long.")
@click.option(
    "--policy",
    type=NameValue("busy_allowance=600"),
    multiple=True,
    help="Another setting of the idle policy, for example busy_allowance=600.",
)
@duration_option("--boot-time", "1s", "How long an instance is pending.")
@duration_option("--stop-time", "1s", "How long an instance is stopping.")
@click.option(
    "--empty",
    is_flag=True,
    help="An AWS account without a cluster, in which to try `cloudjhub init`, `plan` and `up`.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the hub in the browser.")
@click.option("--detach", is_flag=True, help="Return when it is ready; stop it with `down`.")
@json_option
def up(
    state_dir: Path, port: int | None, idle_timeout: timedelta, policy: tuple[tuple[str, str], ...],
    boot_time: timedelta, stop_time: timedelta, empty: bool, no_browser: bool, detach: bool, as_json: bool,
) -> None:  # fmt: skip
    """Start it and show its workers: start, idle time, last decision."""
    programs.check()
    state_dir = state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    known = saved_addresses(state_dir)
    settings = LocalSettings(
        state_dir=state_dir,
        port=port or known.get("port", DEFAULT_PORT),
        network=known.get("network") or free_network(),
        idle_timeout=_whole_periods(idle_timeout),
        policy=policy,
        boot_time=boot_time,
        stop_time=stop_time,
        with_cluster=not empty,
    )
    settings.policy_document()
    environment.adopt(settings)
    if detach:
        detached.start(settings)
        echo(status.ready_text(settings, as_json=as_json))
    else:
        is_seen = sys.stdout.isatty() and not (no_browser or as_json or empty)
        _run(settings, as_json=as_json, with_browser=is_seen and browser.may_open(os.environ))


def _whole_periods(idle_timeout: timedelta) -> timedelta:
    """CloudWatch counts idleness in whole report periods."""
    if idle_timeout < REPORT_PERIOD or idle_timeout % REPORT_PERIOD:
        raise SettingsError(
            f"--idle-timeout {idle_timeout.total_seconds():.0f}s: give a multiple of {REPORT_PERIOD.seconds} s"
        )
    return idle_timeout


def _run(settings: LocalSettings, *, as_json: bool, with_browser: bool) -> None:
    """Run in the foreground until Ctrl-C or SIGTERM, then end cleanly."""
    logging.basicConfig(filename=settings.state_dir / "supervisor.log", level=logging.INFO)
    quiet = as_json or not sys.stdout.isatty()
    supervisor = Supervisor(settings, SafeConsole(quiet=as_json))
    ended = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if ended.is_set():
            return
        ended.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    try:
        supervisor.up()
        echo(status.ready_text(settings, as_json=as_json))
        if with_browser:
            browser.show(settings.public_url)
        if quiet:
            supervisor.watch(ended)
        else:
            view.follow(settings, lambda: supervisor.watch(ended), ended)
    except KeyboardInterrupt:
        if not as_json:
            echo("\nstopping the local cloud; the users' files are kept")
    finally:
        ended.set()  # a signal from here on must not interrupt the ending
        supervisor.down()


@local.command()
@state_dir_option
def down(state_dir: Path) -> None:
    """Stop it, or clean up after a crash. The users' files are kept."""
    echo(detached.end(state_dir.resolve()))


@local.command()
@state_dir_option
def tour(state_dir: Path) -> None:
    """A guided tour of five minutes; leaves nothing.

    A login, a cell that works in silence, an idle stop, a killed hub, no capacity: each is explained while it happens,
    in the local cloud that runs in the directory, or in one of its own.
    """
    programs.check()
    from bootstrap.local.tour.command import run  # needs packages that are checked first

    run(state_dir)


@local.command("status")
@state_dir_option
@json_option
def show_status(state_dir: Path, as_json: bool) -> None:
    """Show the workers: start, idle time, last decision and its reason."""
    settings = _running_settings(state_dir)
    if as_json:
        echo(json.dumps(status.snapshot(settings), indent=2))
    else:
        view.show(settings)


@local.command()
@state_dir_option
@click.argument("part", default="")
@click.option("--lines", default=40, show_default=True, help="How many lines of each.")
def logs(state_dir: Path, part: str, lines: int) -> None:
    """The logs of a part, of an instance, or of all. PART: cloud, events, hub, proxy, lambda, i-..."""
    state_dir = state_dir.resolve()
    found = files(state_dir)
    if part and part not in {*found, FUNCTIONS}:
        raise SettingsError(f"there is no log of {part!r}; the logs are {', '.join([*found, FUNCTIONS])}")
    for name, log in found.items():
        if part in {"", name}:
            echo(f"== {name}: {log}", bold=True)
            echo(processes.tail(log, lines))
    # The emulator keeps the functions' logs only while it runs.
    if part == FUNCTIONS or (not part and status.is_ready(state_dir)):
        _running_settings(state_dir)
        echo(f"== {FUNCTIONS}", bold=True)
        echo("\n".join(function_log_lines(boto3.client("logs"), datetime.now(UTC), lines)))


@local.command()
@state_dir_option
@click.argument("name")
@click.argument("switch", type=click.Choice(["on", "off"]))
def fault(state_dir: Path, name: str, switch: str) -> None:
    """Switch the fault NAME on or off."""
    environment.set_fault(_running_settings(state_dir), name, on=switch == "on")
    echo(f"{name} is {switch}")


@local.command()
@state_dir_option
def env(state_dir: Path) -> None:
    """Print variables that lead AWS's tools here.

    For a shell: eval "$(cloudjhub local env)".
    """
    echo(status.exports(environment.operator(_running_settings(state_dir))))


def _running_settings(state_dir: Path) -> LocalSettings:
    state_dir = state_dir.resolve()
    settings = status.running_settings(state_dir)
    if settings is None:
        raise NotRunning(
            f"no local cloud runs in {state_dir}: start it with `cloudjhub local up`, or name its --state-dir"
        )
    environment.adopt(settings)
    return settings
