"""AWS's errors as our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lifecycle_app.errors import CloudError


@contextmanager
def asking(operation: str) -> Iterator[None]:
    """Turns botocore's errors into CloudError."""
    try:
        yield
    except ClientError as error:
        described = error.response["Error"]
        raise CloudError(operation, described["Code"], described["Message"]) from error
    except (BotoCoreError, ResponseParserError) as error:  # the latter is none of the former
        raise CloudError(operation, "NoAnswer", str(error)) from error


def taken_apart(instance_ids: Sequence[str], refusal: str) -> tuple[Sequence[str], Sequence[str]]:
    """A call for several instances is refused for one of them: those that EC2 names in its refusal, and the others; two
    halves where it names none, or all.
    """
    named = set(re.findall(r"i-[0-9a-f]+", refusal)) & set(instance_ids)
    if named and len(named) < len(instance_ids):
        return [one for one in instance_ids if one in named], [
            one for one in instance_ids if one not in named
        ]
    middle = len(instance_ids) // 2
    return instance_ids[:middle], instance_ids[middle:]
