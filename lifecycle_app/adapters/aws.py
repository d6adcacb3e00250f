"""AWS's errors as ours, and a check of this machine's clock by the time in AWS's answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lifecycle_app.errors import CloudError


def code_of(error: ClientError) -> str:
    """AWS's error code, such as AccessDenied."""
    return str(error.response["Error"]["Code"])


@contextmanager
def aws_errors(operation: str) -> Iterator[None]:
    """Turns botocore's errors into CloudError."""
    try:
        yield
    except ClientError as error:
        raise CloudError(operation, code_of(error), error.response["Error"]["Message"]) from error
    except (BotoCoreError, ResponseParserError) as error:  # the latter is not one of the former
        raise CloudError(operation, "NoAnswer", str(error)) from error


def split_refused(instance_ids: Sequence[str], refusal: str) -> tuple[Sequence[str], Sequence[str]]:
    """The instances of a refused call in two parts to try separately: those that EC2 names in its refusal, and the
    others; two halves where it names none, or all.
    """
    named = set(re.findall(r"i-[0-9a-f]+", refusal)) & set(instance_ids)
    if named and len(named) < len(instance_ids):
        return [one for one in instance_ids if one in named], [
            one for one in instance_ids if one not in named
        ]
    middle = len(instance_ids) // 2
    return instance_ids[:middle], instance_ids[middle:]


MOST_SKEW = timedelta(minutes=2)


class ClockWrong(BotoCoreError):
    """This machine's clock is wrong, so that it cannot be known how long ago anything was."""

    fmt = "it is {theirs} by AWS's clock, and {ours} by this machine's"


def compare_clocks(client: Any, clock: Callable[[], datetime]) -> None:
    """From now on the client's calls raise ClockWrong if the time in AWS's answer differs from `clock`."""
    client.meta.events.register("after-call", partial(_compare, clock))


def _compare(clock: Callable[[], datetime], http_response: Any, **_: object) -> None:
    date = http_response.headers.get("date")
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:  # no time, or not one that can be read
        return
    ours = clock()
    if theirs.tzinfo is not None and abs(theirs - ours) > MOST_SKEW:
        raise ClockWrong(theirs=theirs.isoformat(), ours=ours.isoformat())
