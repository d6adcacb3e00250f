"""The command `cloudjhub local tour`."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bootstrap.cli.options import site_of
from bootstrap.cli.terminal import echo
from bootstrap.errors import PortInUse, SettingsError
from bootstrap.local import cluster, detached, environment, localhost, status
from bootstrap.local.settings import LocalSettings, free_network, is_free
from bootstrap.local.tour.steps import IDLE_TIMEOUT, guide
from bootstrap.local.tour.visitor import Visitor

PORTS = range(8000, 8100)
INTRODUCTION = """\
What cloudJHub does, in five steps and less than five minutes. Everything here is real but AWS, which is emulated on
this machine. Ctrl-C ends the tour and leaves nothing."""
END = """
That was it. Next: `cloudjhub local up` to try it yourself, `cloudjhub init` for a cluster on AWS."""


def run(state_dir: Path) -> None:
    """The tour, in the local cloud that runs in this directory, or in one of its own. Raises StepFailed, PortInUse."""
    localhost.resolve()
    echo(INTRODUCTION)
    with _cloud(state_dir.resolve()) as (settings, is_own):
        if not settings.with_cluster:
            raise SettingsError(
                f"the local cloud in {state_dir} has no cluster: name another with --state-dir"
            )
        visitor = Visitor(site_of(cluster.write(settings)), settings, echo)
        try:
            guide(visitor, echo)
        finally:
            if not is_own:
                with _uninterrupted():
                    visitor.leave()
    echo(END)


@contextmanager
def _cloud(state_dir: Path) -> Iterator[tuple[LocalSettings, bool]]:
    """The one that runs in this directory; else a new one, in a temporary directory that is removed. Is it new?"""
    running = status.running_settings(state_dir)
    if running is not None:
        environment.adopt(running)
        yield running, False
        return
    own = Path(tempfile.mkdtemp(prefix="cloudjhub-tour-"))
    settings = LocalSettings(
        state_dir=own, port=_free_port(), network=free_network(), idle_timeout=timedelta(seconds=IDLE_TIMEOUT)
    )
    environment.adopt(settings)
    echo("\nNo local cloud runs: starting one, which takes up to half a minute")
    try:
        detached.start(settings)
        started = status.running_settings(own)  # with the network that it found free when it started
        assert started is not None
        environment.adopt(started)
        yield started, True
    finally:
        with _uninterrupted():
            detached.end(own)
            shutil.rmtree(own, ignore_errors=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C changes nothing: cleaning up takes some seconds, and would leave things behind."""
    echo("\ncleaning up: some seconds", dim=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _free_port() -> int:
    for port in PORTS:
        if is_free("127.0.0.1", port):
            return port
    raise PortInUse(f"no port from {PORTS.start} to {PORTS.stop - 1} is free: end a program that uses one")
