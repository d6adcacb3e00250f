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

from .environment import HubClient, Identity, ServerEnvironment, wait
from .server import Signals, Supervisor, become_subreaper, server_command
from .settings import (
    ConfigError,
    EnvironmentUnavailable,
    IdentityUnavailable,
    WorkerConfig,
    machine_environment,
)

log = logging.getLogger(__name__)

FIRST_RESTART = timedelta(seconds=1)
LONGEST_RESTART = timedelta(seconds=60)
# After a run of this length, the count of crashes restarts.
STABLE = timedelta(seconds=60)


class BootClient:
    """One machine's boot client."""

    def __init__(self, config: WorkerConfig, signals: Signals, supervisor: Supervisor) -> None:
        self._config = config
        self._signals = signals
        self._supervisor = supervisor
        self._identity = Identity(region=config.region, hub_name=config.hub_name)
        self._hub = HubClient(config.hub_api)

    def run(self) -> None:
        """Keep a server running until this process is asked to end."""
        crashes = 0
        while (environment := self._environment()) is not None:
            started = time.monotonic()
            code = self._run_server(environment)
            if code is None:
                return
            ran = timedelta(seconds=time.monotonic() - started)
            crashes = 1 if ran >= STABLE else crashes + 1
            pause = restart_pause(crashes)
            log.warning("The server ended by itself (%s); next start in %s", exit_reason(code), pause)
            self._signals.sleep(pause, self._supervisor.reap)

    def _run_server(self, environment: ServerEnvironment) -> int | None:
        command = server_command(
            environment,
            python=sys.executable,
            machine=machine_environment(),
            config=self._config,
            instance=self._identity.instance(),
            boot_pid=os.getpid(),
            as_root=os.geteuid() == 0,
        )
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
    path: Path = parser.parse_args(arguments).config
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
    try:
        BootClient(config, signals, supervisor).run()
    finally:
        supervisor.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
