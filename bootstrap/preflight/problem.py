"""What stands in the way of a cluster, or should be known before it is built."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that says what is wrong and names the mend."""

    line: str
    refuses: bool = True
    """Nothing can be built like this; False: it can, but its operator should know."""


def warning(line: str) -> Problem:
    """A problem that stops nothing."""
    return Problem(line, refuses=False)
