"""A problem that prevents building a cluster, or that its operator should know before."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that says what is wrong and how to fix it."""

    line: str
    refuses: bool = True
    """It prevents `up`; False: it is only a warning."""


def warning(line: str) -> Problem:
    """A problem that does not prevent `up`."""
    return Problem(line, refuses=False)
