"""What a user sees while the server starts.

What a user can choose for a server: its instance type, among the allowed ones, when a new machine is made.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Where the bar stands after each real step; between them it does not pretend to move.
ASKED = 5
KNOWN = 25
BOOTING = 40
FETCHED = 70
ANSWERS = 95


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the progress page; `percent` of 100."""

    percent: int
    message: str


class Progress:
    """The steps of one start, for any number of readers."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._more = asyncio.Event()
        self._ended = False

    def tell(self, percent: int, message: str) -> None:
        """Adds a step. The same message twice is one step; the bar never goes back."""
        if self._steps and self._steps[-1].message == message:
            return
        furthest = self._steps[-1].percent if self._steps else 0
        self._steps.append(Step(max(percent, furthest), message))
        self._wake()

    def end(self) -> None:
        """No more steps will come."""
        self._ended = True
        self._wake()

    async def follow(self) -> AsyncIterator[Step]:
        """All steps from the first one, as they come, until the end."""
        seen = 0
        while True:
            more = self._more
            while seen < len(self._steps):
                seen += 1
                yield self._steps[seen - 1]
            if self._ended:
                return
            await more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


NAME = "instance_type"


def instance_type_in(options: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """The chosen type, or the default one. Raises ValueError with a sentence for the user."""
    unknown = sorted(str(name) for name in options if name != NAME)
    if unknown:
        raise ValueError(f"There is no option named {_said(unknown[0])}; there is {NAME}.")
    chosen = options.get(NAME, allowed[0])
    if isinstance(chosen, list) and len(chosen) == 1:  # a form's way of saying it
        chosen = chosen[0]
    if not isinstance(chosen, str) or chosen not in allowed:
        raise ValueError(
            f"There is no machine type {_said(chosen)} to choose; there are {', '.join(allowed)}."
        )
    return chosen


def _said(thing: object) -> str:
    """What was given, in a few words: it can be megabytes, or lists in lists."""
    return repr(thing)[:60] if isinstance(thing, str) else f"in a {type(thing).__name__}"


def form(allowed: Sequence[str], chosen: str) -> str:
    """The form's HTML; "" where there is nothing to choose, so that the server starts without asking."""
    if len(allowed) < 2:
        return ""
    lines = [
        f'<option value="{escape(one)}"{" selected" if one == chosen else ""}>{escape(one)}</option>'
        for one in allowed
    ]
    return (
        f'<label for="{NAME}">Machine type</label>'
        f'<select class="form-control" id="{NAME}" name="{NAME}">{"".join(lines)}</select>'
        "<p>Your machine keeps its type as long as it exists.</p>"
    )
