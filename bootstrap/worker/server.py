"""The single-user server: its command line, and the process that supervises it.

As child subreaper that process inherits whatever detaches itself (nohup, setsid, tmux) instead of init, so that all of
the user's processes are found below it: to be observed while they run, and to be ended when the machine goes down.
"""

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

import psutil

from .environment import Instance, ServerEnvironment
from .settings import ReporterSettings, WorkerConfig
from .space import Extra
from .work import is_connection_file

JUPYTER_CONFIG = Path(__file__).parent / "jupyter"
REPORTER_EXTENSION = "bootstrap.worker.activity"
LAB_EXTENSIONS = Path(__file__).parent / "labextensions"
"""Ours, of JupyterLab and Notebook 7; built of bootstrap/labextension by `make setup`."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, and with which environment. The environment has the server's token and is never logged."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def __repr__(self) -> str:
        return f"Command({' '.join(self.arguments)!r} in {self.directory!r})"


def server_command(
    given: ServerEnvironment,
    *,
    python: str,
    machine: Mapping[str, str],
    config: WorkerConfig,
    instance: Instance,
    boot_pid: int,
    as_root: bool,
    extra: Extra,
) -> Command:
    """The server's command. The machine's own values (paths, its address) take precedence over the hub's."""
    reporter = ReporterSettings(
        cluster=config.cluster,
        instance_id=instance.instance_id,
        report_period=config.report_period,
        boot_pid=boot_pid,
    )
    home = machine["HOME"]
    prefix = given.variables.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    environment = {
        "JUPYTERHUB_ROOT_DIR": home,
        # JupyterLab's settings for every user: it must not ask whether it may fetch news from the internet.
        "JUPYTER_CONFIG_PATH": str(JUPYTER_CONFIG),
        **given.variables,
        **machine,
        **extra.environment,
        # Programs of packages that the user has installed: last, so that none replaces one of the image.
        "PATH": f"{machine['PATH']}:{home}/.local/bin",
        **reporter.to_environment(),
        "AWS_DEFAULT_REGION": config.region,
        # jupyterhub-singleuser listens on this address.
        "JUPYTERHUB_SERVICE_URL": f"http://{instance.address}:{config.port}{prefix}",
    }
    arguments = (*server_arguments(python, as_root=as_root), *extra.arguments, *given.arguments)
    return Command(arguments, environment, extra.directory or home)


def server_arguments(python: str, *, as_root: bool) -> Sequence[str]:
    """The server's own arguments, without any that the hub adds."""
    return (
        python,
        "-P",  # the user's home is the working directory: no file in it may replace a module of the server
        "-s",  # nor may a package that the user has installed; kernels are started without this and see those
        "-m",
        "jupyterhub.singleuser",
        f"--ServerApp.jpserver_extensions={REPORTER_EXTENSION}=True",
        f"--LabServerApp.extra_labextensions_path={LAB_EXTENSIONS}",
        # A worker needs no internet.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        # The image runs this as the notebook's user. The server must also start where it is run as root.
        *(["--allow-root"] if as_root else []),
    )


log = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

SERVER_GRACE = timedelta(seconds=10)
OTHERS_GRACE = timedelta(seconds=5)
KILL_GRACE = timedelta(seconds=2)
# How often to check for ended orphans in case a SIGCHLD was missed.
HEARTBEAT = timedelta(seconds=5)


def become_subreaper() -> None:
    """Make this process the parent of orphans among its descendants. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


class Signals:
    """Signals that wake the main thread: a request to end, or a child that has ended."""

    def __init__(self) -> None:
        self.stopping = False
        # A handler runs between any two steps of the main thread. Only this queue may be used there: setting an Event
        # would deadlock if the main thread holds its lock at that moment.
        self._received: SimpleQueue[int] = SimpleQueue()

    def install(self) -> None:
        """Take over SIGTERM, SIGINT and SIGCHLD of this process."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGCHLD, self._child)

    def wait(self, at_most: timedelta) -> None:
        """Return at the next signal, or after this time."""
        try:
            numbers = [self._received.get(timeout=max(0.0, at_most.total_seconds()))]
        except Empty:
            return
        numbers += [self._received.get() for _ in range(self._received.qsize())]
        for number in numbers:
            if number != signal.SIGCHLD:
                log.info("Received %s: ending", signal.Signals(number).name)

    def sleep(self, duration: timedelta, idle: Callable[[], object]) -> None:
        """Sleep until asked to end; call ``idle`` whenever a child has ended."""
        end = time.monotonic() + duration.total_seconds()
        while not self.stopping and (left := end - time.monotonic()) > 0:
            self.wait(timedelta(seconds=left))
            idle()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self._received.put(number)

    def _child(self, number: int, _frame: FrameType | None) -> None:
        self._received.put(number)


class Supervisor:
    """Runs one server at a time."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, command: Command) -> int | None:
        """Run a server until it ends by itself; its exit code, or None if this process was asked to end."""
        self._server = subprocess.Popen(
            command.arguments, env=dict(command.environment), cwd=command.directory, stdin=subprocess.DEVNULL
        )
        while not self._signals.stopping:
            self.reap()
            if self._server.returncode is not None:
                signal_all(orphaned_kernels(), signal.SIGKILL)
                return self._server.returncode
            self._signals.wait(HEARTBEAT)
        return None

    def reap(self) -> None:
        """Wait for every child that has ended, so that no orphan remains as a zombie."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if self._server is not None and ended.si_pid == self._server.pid:
                self._server.poll()
            else:
                os.waitpid(ended.si_pid, 0)

    def end(self) -> None:
        """End the server, which ends its kernels and terminals, and then everything else, within a bounded time."""
        server = self._server
        if server is not None and server.returncode is None:
            server.terminate()
            self._until(lambda: server.returncode is not None, SERVER_GRACE)
        for number, grace in ((signal.SIGTERM, OTHERS_GRACE), (signal.SIGKILL, KILL_GRACE)):
            left = psutil.Process().children(recursive=True)
            if not left:
                return
            log.info("Ending %d more processes with %s", len(left), number.name)
            signal_all(left, number)
            self._until(lambda: not psutil.Process().children(recursive=True), grace)

    def _until(self, done: Callable[[], bool], at_most: timedelta) -> None:
        end = time.monotonic() + at_most.total_seconds()
        self.reap()
        while not done() and (left := end - time.monotonic()) > 0:
            self._signals.wait(timedelta(seconds=min(left, 0.2)))
            self.reap()


def orphaned_kernels() -> list[psutil.Process]:
    """Kernels of a server that has ended: nothing can connect to them any more.

    Other orphans are kept: their user detached them so that they outlive the server.
    """
    kernels = []
    for child in psutil.Process().children():
        try:
            if any(is_connection_file(argument) for argument in child.cmdline()):
                kernels.append(child)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return kernels


def signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to processes; some may have ended already."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
