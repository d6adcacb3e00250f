"""What AWS's errors mean for the operator, wherever a command meets them: one line that names the mend. Pure."""

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.errors import BootstrapError, NotBuilt, Refused
from bootstrap.preflight.credentials import EXPIRED, UNKNOWN, refused, unasked

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
BUSY = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown")
SIGNATURES = ("SignatureDoesNotMatch", "InvalidSignatureException")
NO_TABLE = "ResourceNotFoundException"
TABLE_CALLS = ("Query", "Scan", "GetItem", "PutItem", "UpdateItem", "BatchGetItem", "BatchWriteItem")


def meaning(error: Exception, region: str = "that region") -> BootstrapError:
    """The error as the operator is told of it; that of AWS may be a cause of it."""
    for one in _causes(error):
        if isinstance(one, ClientError) and (known := _of_client(one, region)):
            return known
        if isinstance(one, BotoCoreError):
            return BootstrapError(unasked(one, region).line)
    return BootstrapError(" ".join(str(error).split()))


def _of_client(error: ClientError, region: str) -> BootstrapError | None:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in (*EXPIRED, *UNKNOWN, *SIGNATURES) or "Signature expired" in message:
        return BootstrapError(refused(code, message, region, is_known_elsewhere=False).line)
    if code in DENIED:
        return Refused(
            f"your AWS user may not call {error.operation_name} ({code}): `cloudjhub doctor` lists what is missing"
        )
    if code in BUSY:
        return BootstrapError(
            f"AWS takes no more calls of {error.operation_name} at this moment ({code}): run the command again, and "
            "it goes on from there"
        )
    if code == NO_TABLE and error.operation_name in TABLE_CALLS:
        return NotBuilt(
            "a table of the cluster does not exist: run `cloudjhub up`; `cloudjhub doctor` says what else is missing"
        )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
