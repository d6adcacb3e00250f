"""Runs a command as the boot client does: as its child, below a subreaper that tells it its own pid."""

import os
import signal
import sys

from bootstrap.worker.server import Command, Signals, Supervisor, become_subreaper


def main() -> None:
    become_subreaper()
    # As on a machine, whoever started the tests with nohup: a closed terminal hangs up what runs in it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signals = Signals()
    signals.install()
    supervisor = Supervisor(signals)
    environment = {**os.environ, "CLOUDJHUB_BOOT_PID": str(os.getpid())}
    try:
        supervisor.run(Command(tuple(sys.argv[1:]), environment, os.getcwd()))
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
