"""The boot client: gets the server's environment from the hub and keeps the server running.

    python -m bootstrap.worker.boot --config /etc/cloudjhub/worker.json

Runs as the notebook's user, with HOME set. Its log goes to standard output, which is the machine's console.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from lifecycle_app.contract import Problem

from .environment import HubClient, Identity, ServerEnvironment, wait
from .profile import extra_without, furnish, is_suspected, note_start, set_aside
from .server import Signals, Supervisor, become_subreaper, server_command
from .settings import (
    ConfigError,
    EnvironmentUnavailable,
    IdentityUnavailable,
    WorkerConfig,
    machine_environment,
    runtime_directory,
)
from .space import Extra, extra_for, is_full

log = logging.getLogger(__name__)

FIRST_RESTART = timedelta(seconds=1)
LONGEST_RESTART = timedelta(seconds=60)
# After a run of this length, the count of crashes restarts.
STABLE = timedelta(seconds=60)
SHORTEST_REPORT, LONGEST_REPORT = timedelta(seconds=5), timedelta(seconds=15)
"""Between two reports of a problem: while none is accepted, and after one."""


class BootClient:
    """One machine's boot client."""

    def __init__(self, config: WorkerConfig, signals: Signals, supervisor: Supervisor, runtime: Path) -> None:
        self._config = config
        self._signals = signals
        self._supervisor = supervisor
        self._runtime = runtime
        self._identity = Identity(region=config.region, hub_name=config.hub_name)
        self._hub = HubClient(config.hub_api)

    def run(self) -> None:
        """Keep a server running until this process is asked to end."""
        crashes = 0
        while (environment := self._environment()) is not None:
            started = time.monotonic()
            code = self._run_server(environment, is_suspected(crashes))
            if code is None:
                return
            ran = timedelta(seconds=time.monotonic() - started)
            crashes = 1 if ran >= STABLE else crashes + 1
            pause = restart_pause(crashes)
            log.warning("The server ended by itself (%s); next start in %s", exit_reason(code), pause)
            self._signals.sleep(pause, self._supervisor.reap)

    def report(self, problem: Problem) -> None:
        """Report a problem in place of running a server, again and again: each login that waits must learn of it."""
        attempt = 0
        while not self._signals.stopping:
            attempt += 1
            try:
                self._hub.report(self._identity.proof(), problem)
                attempt, pause = 0, LONGEST_REPORT
            except (IdentityUnavailable, EnvironmentUnavailable) as failure:
                # Not more often: a machine that is busy does not count as hung, and would not be stopped.
                pause = max(wait(attempt, failure), SHORTEST_REPORT)
                log.info("The problem %s is not reported yet: %s", problem, failure)
            self._signals.sleep(pause, self._supervisor.reap)

    def _run_server(self, environment: ServerEnvironment, without_settings: bool) -> int | None:
        machine = machine_environment()
        home = Path(machine["HOME"])
        furnish(home)
        if environment.set_aside and not set_aside(home, environment.set_aside):
            without_settings = True
        if full := is_full(home):
            log.warning("The home is full: files that are deleted do not go to the trash")
        command = server_command(
            environment,
            python=sys.executable,
            machine=machine,
            config=self._config,
            instance=self._identity.instance(),
            boot_pid=os.getpid(),
            as_root=os.geteuid() == 0,
            extra=extra_for(home, self._runtime, full=full)
            + (extra_without(self._runtime) if without_settings else Extra()),
        )
        if without_settings:
            log.warning("Starting the server without its user's settings of Jupyter and IPython")
        note_start(home, without_settings=without_settings)
        log.info("Worker %s: starting the server", self._identity.instance().instance_id)
        return self._supervisor.run(command)

    def _environment(self) -> ServerEnvironment | None:
        """Request the environment until the hub gives it; None if this process is asked to end."""
        attempt = 0
        while not self._signals.stopping:
            attempt += 1
            try:
                worker = self._identity.instance().instance_id
                log.info("Worker %s: requesting the environment from %s", worker, self._config.hub_api)
                return self._hub.environment(self._identity.proof())
            except (IdentityUnavailable, EnvironmentUnavailable) as failure:
                pause = wait(attempt, failure)
                level = logging.ERROR if getattr(failure, "refused", False) else logging.INFO
                log.log(level, "No environment yet: %s; next try in %.1f s", failure, pause.total_seconds())
            self._signals.sleep(pause, self._supervisor.reap)
        return None


def restart_pause(crashes: int) -> timedelta:
    """How long to wait before the start after the first, second, … crash in a row."""
    return min(FIRST_RESTART * (1 << min(crashes - 1, 16)), LONGEST_RESTART)


def exit_reason(code: int) -> str:
    """How a process ended, from subprocess's return code."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the boot client; 0 after it was asked to end, 2 if its configuration cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m bootstrap.worker.boot", description="Boot client of a worker"
    )
    parser.add_argument(
        "--config", type=Path, required=True, help="launch file, e.g. /etc/cloudjhub/worker.json"
    )
    parser.add_argument(
        "--problem", type=Problem, choices=list(Problem), help="report this instead of running a server"
    )
    given = parser.parse_args(arguments)
    path: Path = given.config
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s boot: %(message)s"
    )
    try:
        config = WorkerConfig.from_file(path)
    except ConfigError as error:
        log.error("%s", error)
        return 2
    become_subreaper()
    signals = Signals()
    signals.install()
    supervisor = Supervisor(signals)
    with runtime_directory() as runtime:
        try:
            client = BootClient(config, signals, supervisor, runtime)
            if given.problem:
                client.report(given.problem)
            else:
                client.run()
        finally:
            supervisor.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
