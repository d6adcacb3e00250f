"""Running a change: no other command changes the cluster at the same time, and each step's progress is shown.

On a terminal each step is a line that changes in place; elsewhere every report is a line of its own.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cli.terminal import SafeConsole
from bootstrap.errors import Interrupted, Refused


class StepReporter:
    """A `bootstrap.cluster.building.Reporter` for people. Called from several threads."""

    def __init__(self, progress: Progress | None, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._interrupted = threading.Event()
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def report_for(self, step: str) -> Report:
        """The function with which the step reports. It raises Interrupted once `interrupt` was called."""
        if self._progress:
            with self._lock:
                self._tasks[step] = self._progress.add_task(step, total=None, message="checking")

        def report(message: str) -> None:
            if self._interrupted.is_set():
                raise Interrupted(f"{step} was interrupted: run the same command again to continue")
            self._show(step, message)

        return report

    def done(self, step: str) -> None:
        """The step is complete."""
        if self._progress:
            self._progress.update(self._task(step), total=1, completed=1, message="[green]ready[/green]")

    def failed(self, step: str, error: BaseException) -> None:
        """The step has failed; its error is shown after the other steps have ended."""
        # What Ctrl-C ended is not a failure: the programs that a step runs get the signal too.
        self._show(step, "interrupted" if self._interrupted.is_set() else f"failed: {error}")

    def interrupt(self) -> None:
        """Make every step raise at its next report."""
        self._interrupted.set()
        self._console.print("stopping after the current calls; this may take a moment", markup=False)

    def _show(self, step: str, message: str) -> None:
        if self._progress:
            self._progress.update(self._task(step), message=message)
        else:
            self._console.print(f"{step}: {message}", markup=False, highlight=False, soft_wrap=True)

    def _task(self, step: str) -> TaskID:
        with self._lock:
            return self._tasks[step]


@contextmanager
def reporting() -> Iterator[StepReporter]:
    """A reporter on standard error: standard output is what the command prints. Raises Interrupted at Ctrl-C."""
    try:
        with _reporter() as reporter:
            yield reporter
    except KeyboardInterrupt as interrupt:
        raise Interrupted("interrupted: run the same command again to continue") from interrupt


@contextmanager
def _reporter() -> Iterator[StepReporter]:
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield StepReporter(None, console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield StepReporter(progress, console)


LOCK = "changing.lock"


@contextmanager
def alone(site: Site) -> Iterator[None]:
    """Change the cluster while no other command of this directory does. The lock ends with the process.

    Raises Refused at once if another command holds it.

    Operators on different machines can still collide: AWS decides call by call, and the next `up` completes the rest.
    """
    site.directory.mkdir(parents=True, exist_ok=True)
    with (site.directory / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise Refused(
                f"another command is changing {site.cluster} (process {lock.read().strip()}): "
                "wait until it ends, then run this one again"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
