"""Builds and removes a cluster, step by step; steps that do not need each other run at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Protocol

from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.access import Access, Secrets
from bootstrap.cluster.steps.data import Data, InitialSettings
from bootstrap.cluster.steps.image import BundleUpload, WorkerImage
from bootstrap.cluster.steps.lifecycle import Lifecycle
from bootstrap.cluster.steps.manager import ManagerMachine
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place
from bootstrap.cluster.steps.step import Change, Step
from bootstrap.errors import Held

Wave = Sequence[Step]
WAVES: Sequence[Wave] = (
    (NetworkStep(), Data()),
    (Place(),),
    (Access(), InitialSettings(), Secrets(), BundleUpload()),
    (WorkerImage(), Lifecycle(), ManagerMachine()),
)


class Reporter(Protocol):
    """Shows the operator the progress of each step."""

    def report_for(self, step: str) -> Report:
        """The step's report. It raises Interrupted once `interrupt` was called, so that the step ends in order."""
        ...

    def done(self, step: str) -> None:
        """The step is complete."""

    def failed(self, step: str, error: BaseException) -> None:
        """The step ended with this error."""

    def interrupt(self) -> None:
        """Make every step end at its next report."""


def steps() -> Iterator[Step]:
    """All steps, in the order in which they are built."""
    for wave in WAVES:
        yield from wave


def changes(site: Site) -> dict[str, list[Change]]:
    """What `build` would do, by step; steps that it would leave alone are not in it."""
    found = {step.name: step.changes(site) for step in steps()}
    return {name: list(of_step) for name, of_step in found.items() if of_step}


def removals(site: Site) -> dict[str, list[Change]]:
    """What `remove` would do, by step, in its order."""
    found = {step.name: step.removals(site) for step in reversed(list(steps()))}
    return {name: list(of_step) for name, of_step in found.items() if of_step}


def build(site: Site, reporter: Reporter) -> bool:
    """Bring everything to what the settings say; whether anything had to be changed."""
    changed: list[str] = []

    def apply(step: Step, report: Report) -> None:
        if step.changes(site):
            changed.append(step.name)
            step.apply(site, report)

    for wave in WAVES:
        together(wave, apply, reporter)
    return bool(changed)


def remove(site: Site, reporter: Reporter) -> None:
    """Remove what the steps built, the last part first. What something foreign holds is left for the next time, when
    all else is removed: then Held is raised.
    """
    held: Held | None = None
    for wave in reversed(WAVES):
        try:
            together(wave, lambda step, report: step.remove(site, report), reporter)
        except Held as error:
            held = held or error
    if held:
        raise held


def together(wave: Wave, do: Callable[[Step, Report], None], reporter: Reporter) -> None:
    """One wave, all its steps at once. A step that fails lets the others end, and then its error is raised."""

    def run(step: Step) -> None:
        try:
            do(step, reporter.report_for(step.name))
        except BaseException as error:
            reporter.failed(step.name, error)
            raise
        reporter.done(step.name)

    with ThreadPoolExecutor(len(wave)) as pool, _interruptible(reporter):
        running = [pool.submit(run, step) for step in wave]
        wait(running)
    for future in running:
        future.result()


@contextmanager
def _interruptible(reporter: Reporter) -> Iterator[None]:
    """Ctrl-C asks the steps to end; each does so at its next report."""
    try:
        yield
    except KeyboardInterrupt:
        reporter.interrupt()
        raise
