"""What a user sees while the server starts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

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
