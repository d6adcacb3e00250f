"""AWS's errors as our own."""

from __future__ import annotations

from collections.abc import Iterator
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
