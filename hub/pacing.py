"""Keeps our own calls within EC2's request rates. Times are seconds of a monotonic clock."""

import random
from dataclasses import dataclass, field

# RunInstances and StartInstances: 5 at once, 2 a second (per account and region).
BURST = 5
RATE = 2.0
LONGEST_PAUSE = 8.0


@dataclass(slots=True)
class TokenBucket:
    """Lets `burst` calls go at once and then `rate` a second, in the order in which they asked."""

    burst: int = BURST
    rate: float = RATE
    _free_at: float = field(default=float("-inf"), init=False)

    def reserve(self, now: float) -> float:
        """Books the next call and tells how many seconds it has to wait."""
        earliest = now - (self.burst - 1) / self.rate
        turn = max(self._free_at, earliest)
        self._free_at = turn + 1 / self.rate
        return max(0.0, turn - now)


def pause(attempt: int) -> float:
    """Seconds before trying again: up to 1, 2, 4 and then 8, evenly spread so that callers do not meet again."""
    return random.uniform(0, min(LONGEST_PAUSE, 2.0**attempt))  # noqa: S311 -- not a secret
