"""Whether this machine's clock is right, by the time that AWS tells with each of its answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError

MOST_SKEW = timedelta(minutes=2)


class ClockWrong(BotoCoreError):
    """By this clock nobody can tell how long ago anything was."""

    fmt = "it is {theirs} by AWS's clock, and {ours} by this machine's"


def compare_clocks(client: Any, clock: Callable[[], datetime]) -> None:
    """From now on the client's calls raise ClockWrong where AWS tells another time than `clock`."""
    client.meta.events.register("after-call", partial(_compare, clock))


def _compare(clock: Callable[[], datetime], http_response: Any, **_: object) -> None:
    told = http_response.headers.get("date")
    try:
        theirs = parsedate_to_datetime(told or "")
    except ValueError:  # no time, or none that anybody understands
        return
    ours = clock()
    if theirs.tzinfo is not None and abs(theirs - ours) > MOST_SKEW:
        raise ClockWrong(theirs=theirs.isoformat(), ours=ours.isoformat())
