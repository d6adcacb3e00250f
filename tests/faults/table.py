"""What a row of the faults' tables is, and what resulted from it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scene import Scene
from tests.lifecycle.examples import BOB


@dataclass(frozen=True)
class Found:
    """What resulted from a fault."""

    wrong_stops: tuple[str, ...]
    are_others_seen_to: bool
    """Was every other worker decided about as if there were no fault?"""
    told: str
    """All that was recorded or logged."""


@dataclass(frozen=True)
class Fault:
    """One fault: `words` report it afterwards, in the record, the history or the log."""

    name: str
    run: Callable[[], Found]
    words: str


def found(scene: Scene, *, others: bool | None = None) -> Found:
    """The results in a scene where Bob's idle worker should have been stopped, unless `others` says otherwise."""
    seen_to = BOB in scene.wire.stops if others is None else others
    return Found(tuple(scene.wrong_stops), seen_to, scene.recorded_about("alice"))
