"""What a row of the faults' tables is, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scene import Scene
from tests.lifecycle.examples import BOB


@dataclass(frozen=True)
class Found:
    """What came of a fault."""

    wrong_stops: tuple[str, ...]
    are_others_seen_to: bool
    """Was everybody else decided about as if there were no fault?"""
    told: str
    """All that was recorded or logged."""


@dataclass(frozen=True)
class Fault:
    """One fault: `words` tell of it afterwards, in the record, the history or the log."""

    name: str
    run: Callable[[], Found]
    words: str


def found(scene: Scene, *, others: bool | None = None) -> Found:
    """What came of it in a scene where Bob's idle worker should have been stopped, unless `others` says otherwise."""
    seen_to = BOB in scene.wire.stops if others is None else others
    return Found(tuple(scene.wrong_stops), seen_to, scene.told_of("alice"))
