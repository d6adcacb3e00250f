"""The order of a walk: its stages one after another within a time, then everything is removed, whatever happened."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import requests
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.errors import meaning
from bootstrap.aws.waiting import Report
from bootstrap.errors import BootstrapError, Interrupted, StepFailed
from bootstrap.operations.verify.verdict import Judged, Observation, Verdict, not_observed
from lifecycle_app.errors import LifecycleError

Stage = tuple[str, Callable[[], Iterable[Observation]]]
Clock = Callable[[], datetime]
ERRORS = (BootstrapError, LifecycleError, ClientError, BotoCoreError, requests.RequestException)
INTERRUPTED = "interrupted"
REMOVALS = 3
"""How often the removal is tried: what AWS has just ended can hold something else for some minutes."""
LEFT = "run `cloudjhub verify` again, which removes what is left"


@dataclass(slots=True)
class Walked:
    """What a walk saw so far. `steps`: seconds of each; `failed`: why it ended early, "" if it did not."""

    observed: list[Observation] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    failed: str = ""
    left: bool = False
    """Is something not removed?"""


def walk(stages: Sequence[Stage], remove: Stage, ends: datetime, clock: Clock, report: Report) -> Walked:
    """Every stage until one fails, Ctrl-C is pressed or the time is over; then the removal, in any case."""
    walked = Walked()
    try:
        for stage in stages:
            if clock() >= ends:
                raise StepFailed("the time that the spending limit allows is over")
            _stage(walked, stage, clock, report)
    except (KeyboardInterrupt, Interrupted):
        walked.failed = INTERRUPTED
        report("removing what was built; this takes some minutes")
    except ERRORS as error:
        walked.failed = str(meaning(error))
    finally:
        _removal(walked, remove, clock, report)
    return walked


def _removal(walked: Walked, remove: Stage, clock: Clock, report: Report) -> None:
    """A second Ctrl-C, in here, ends it: then something is left."""
    for attempt in range(1, REMOVALS + 1):
        try:
            walked.left = True
            _stage(walked, remove, clock, report)
            walked.left = False
        except (KeyboardInterrupt, Interrupted):
            walked.failed = _and(walked.failed, f"the removal was interrupted: {LEFT}")
        except ERRORS as error:
            if attempt < REMOVALS:
                report(f"removing again: {error}")
                continue
            walked.failed = _and(walked.failed, f"not removed: {meaning(error)}: {LEFT}")
        return


def _stage(walked: Walked, stage: Stage, clock: Clock, report: Report) -> None:
    """One stage, with its time, also where it fails."""
    name, do = stage
    report(name)
    with timed(walked.steps, name, clock):
        walked.observed += do()


@contextmanager
def timed(steps: list[tuple[str, float]], name: str, clock: Clock) -> Iterator[None]:
    """Notes how long the block took, however it ends."""
    began = clock()
    try:
        yield
    finally:
        steps.append((name, (clock() - began).total_seconds()))


def _and(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second


def by_an_emulator(one: Observation) -> Observation:
    """What an emulator did confirms nothing; what was refuted there is wrong there too."""
    if one.judged.verdict is not Verdict.CONFIRMED:
        return one
    told: Judged = not_observed(f"only AWS can show this; an emulator behaves so: {one.judged.message}")
    return Observation(one.id, told, one.evidence)
