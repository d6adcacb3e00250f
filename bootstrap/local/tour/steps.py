"""The steps of the tour: each is explained, then done, then summed up. What is done is the visit's to know."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill
from typing import Protocol

CELL_TAKES = 45
"""Seconds: longer than the idle timeout of the tour's user, so that a machine that was judged by output would stop."""
IDLE_TIMEOUT = 30
"""Seconds; the shortest that local reports of ten seconds make sense for."""
WIDTH = 100
"""Characters of a line of text."""
FILE, TEXT = "kept.txt", "written before the machine stopped"


class Visit(Protocol):
    """What a visitor can do in a local cloud, and see of it. Each waits until it is done, and returns what was seen."""

    def log_in(self) -> str:
        """Log in, start the machine, and write FILE with TEXT into the home."""

    def compute_in_silence(self) -> str:
        """Run a cell that prints nothing for CELL_TAKES seconds, with the browser closed."""

    def await_stop(self) -> str:
        """Wait until the idle machine is stopped; why it was."""

    def come_back(self) -> str:
        """Start the machine again and read FILE."""

    def work_without_hub(self) -> str:
        """Run a cell while the hub is down."""

    def await_hub(self) -> str:
        """Wait until the hub answers again."""

    def fail_to_start(self) -> str:
        """Stop the machine and try to start it again; what the user is shown."""

    def fault(self, name: str, *, on: bool) -> None:
        """Switch a fault of the emulated AWS."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its title, what happens and what to watch, and what does it."""

    title: str
    about: str
    act: Callable[[Visit], Iterator[str]]


def _login(visit: Visit) -> Iterator[str]:
    yield visit.log_in()


def _silent_cell(visit: Visit) -> Iterator[str]:
    yield visit.compute_in_silence()


def _idle_stop(visit: Visit) -> Iterator[str]:
    yield visit.await_stop()
    yield visit.come_back()


def _killed_hub(visit: Visit) -> Iterator[str]:
    with fault(visit, "hub-down"):
        yield visit.work_without_hub()
    yield visit.await_hub()


def _capacity(visit: Visit) -> Iterator[str]:
    with fault(visit, "capacity"):
        yield visit.fail_to_start()


@contextmanager
def fault(visit: Visit, name: str) -> Iterator[None]:
    """The fault, which is off again afterwards, whatever happens: at Ctrl-C too."""
    try:
        visit.fault(name, on=True)
        yield
    finally:
        visit.fault(name, on=False)


STEPS = (
    Step(
        "A login",
        "The user `tour` logs in. The hub launches an EC2 instance with a home disk, hands it its environment once the"
        " instance has proved which one it is, and opens JupyterLab there. On AWS this takes about a minute.",
        _login,
    ),
    Step(
        "A cell that works in silence",
        f"A cell computes for {CELL_TAKES} seconds and prints nothing, and the browser is closed. The machine of this"
        f" user is stopped after {IDLE_TIMEOUT} seconds without use (an hour, unless you set it otherwise). A rule that"
        " looks at traffic would stop it in the middle.",
        _silent_cell,
    ),
    Step(
        "An idle machine is stopped",
        "The cell is done and no one is there. The machine reports that it is quiet, an alarm or the sweep asks a"
        " function to decide, the hub agrees that no login is under way, and the function stops the instance. Then the"
        " user comes back.",
        _idle_stop,
    ),
    Step(
        "The hub is killed",
        "JupyterHub's process is killed and stays down. The proxy and the machines go on, so a cell still runs. Then"
        " the hub may start again, and finds everything as it is.",
        _killed_hub,
    ),
    Step(
        "AWS has no machine",
        "The machine is stopped, and EC2 answers the next start with InsufficientInstanceCapacity, as it does on a bad"
        " day. This is what the user reads:",
        _capacity,
    ),
)
"""In this order: each begins where the one before has ended."""


def guide(visit: Visit, say: Callable[[str], None], steps: Sequence[Step] = STEPS) -> None:
    """Take the visitor through the steps."""
    for number, step in enumerate(steps, start=1):
        say(f"\n{number}/{len(steps)}  {step.title}")
        say(fill(step.about, WIDTH))
        for seen in step.act(visit):
            say(f"  -> {seen}")
