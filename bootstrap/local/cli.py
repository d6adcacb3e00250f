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

from bootstrap.aws.waiting import polls
from bootstrap.cli.options import Command, Duration, NameValue, json_option
from bootstrap.cli.terminal import SafeConsole, echo
from bootstrap.config.values import duration_text
from bootstrap.errors import NotRunning, SettingsError, StepFailed
from bootstrap.local import environment, processes, programs, status, view
from bootstrap.local.settings import REPORT_PERIOD, LocalSettings, free_network, saved_addresses
from bootstrap.local.status import FUNCTIONS, files, function_log_lines
from bootstrap.local.supervisor import (
    ENDS_WITHIN,
    Supervisor,
    refuse_second,
    running_file,
    running_supervisor,
)

DEFAULT_STATE_DIR = Path(".local")
DEFAULT_PORT = 8000
READY_WITHIN = 180.0

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
@click.option("--detach", is_flag=True, help="Return when it is ready; stop it with `down`.")
@json_option
def up(
    state_dir: Path, port: int | None, idle_timeout: timedelta, policy: tuple[tuple[str, str], ...],
    boot_time: timedelta, stop_time: timedelta, empty: bool, detach: bool, as_json: bool,
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
        _start_detached(settings)
        echo(status.ready_text(settings, as_json=as_json))
    else:
        _run(settings, as_json=as_json)


def _whole_periods(idle_timeout: timedelta) -> timedelta:
    """CloudWatch counts idleness in whole report periods."""
    if idle_timeout < REPORT_PERIOD or idle_timeout % REPORT_PERIOD:
        raise SettingsError(
            f"--idle-timeout {idle_timeout.total_seconds():.0f}s: give a multiple of {REPORT_PERIOD.seconds} s"
        )
    return idle_timeout


def _run(settings: LocalSettings, *, as_json: bool) -> None:
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


def _start_detached(settings: LocalSettings) -> None:
    refuse_second(settings.state_dir)
    options = ["--state-dir", str(settings.state_dir), "--port", str(settings.port)]
    options += ["--idle-timeout", duration_text(settings.idle_timeout)]
    options += ["--boot-time", duration_text(settings.boot_time)]
    options += ["--stop-time", duration_text(settings.stop_time)]
    options += [] if settings.with_cluster else ["--empty"]
    for name, value in settings.policy:
        options += ["--policy", f"{name}={value}"]
    log = settings.state_dir / "up.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bootstrap", "local", "up", *options]
    started = processes.start("supervisor", command, os.environ, log, settings.state_dir)
    try:
        _await_ready(settings.state_dir, started, log)
    except BaseException:  # Ctrl-C too: whoever stops waiting does not want it to keep starting
        started.end(grace=ENDS_WITHIN)
        raise


def _await_ready(state_dir: Path, started: processes.Part, log: Path) -> None:
    for _ in polls(READY_WITHIN, every=0.1):
        if status.is_ready(state_dir):
            return
        if not started.is_running:
            raise StepFailed(
                processes.tail(log).rpartition("cloudjhub: ")[2] or f"it did not start, see {log}"
            )
    raise StepFailed(f"it was not ready within {READY_WITHIN:.0f} s, see {log}")


@local.command()
@state_dir_option
def down(state_dir: Path) -> None:
    """Stop it, or clean up after a crash. The users' files are kept."""
    state_dir = state_dir.resolve()
    supervisor = running_supervisor(state_dir)
    in_order = supervisor is not None and processes.end_within(supervisor, ENDS_WITHIN)
    left = processes.end_leftovers(state_dir)
    running_file(state_dir).unlink(missing_ok=True)
    if supervisor is not None and not in_order:
        echo(
            f"the local cloud in {state_dir} did not stop within {ENDS_WITHIN:.0f} s and was killed; its files are kept"
        )
    elif supervisor is not None:
        echo(f"the local cloud in {state_dir} has stopped; its files are kept")
    elif left:
        echo(f"ended {left} processes left by a crash")
    else:
        echo(f"no local cloud runs in {state_dir}")


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
