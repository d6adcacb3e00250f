"""Waiting for AWS: polling until a deadline, and calls that are repeated while AWS has not caught up."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of

Report = Callable[[str], None]
"""Takes a line that says what is going on now."""
T = TypeVar("T")

POLL_EVERY = 2.0
REPORT_EVERY = 10.0
SLOWER = 1.5


def polls(
    within: float, *, every: float | None = None, at_most_every: float | None = None
) -> Iterator[float]:
    """Seconds waited so far, once for each poll: the last time when `within` seconds are over.

    Polls come every `every` seconds (2 by default), or ever more rarely until they come every `at_most_every` seconds.
    """
    began, pause = time.monotonic(), POLL_EVERY if every is None else every
    while True:
        waited = time.monotonic() - began
        yield waited
        if waited > within:
            return
        time.sleep(pause)
        pause = min(pause * SLOWER, max(pause, at_most_every or pause))


def sparing(report: Report, every: float = REPORT_EVERY) -> Report:
    """Reports one line in `every` seconds, the first after that time, and drops the others."""
    last = time.monotonic()

    def sparingly(line: str) -> None:
        nonlocal last
        if time.monotonic() - last > every:
            report(line)
            last = time.monotonic()

    return sparingly


def repeated(call: Callable[[], T], codes: tuple[str, ...], within: float, message: str = "") -> T:
    """The call's answer, repeated while AWS refuses it with one of these codes and a text that contains `message`.

    Raises the last refusal after `within` seconds.
    """
    refusal: ClientError | None = None
    for _ in polls(within):
        try:
            return call()
        except ClientError as error:
            if code_of(error) not in codes or message not in str(error):
                raise
            refusal = error
    assert refusal is not None
    raise refusal
