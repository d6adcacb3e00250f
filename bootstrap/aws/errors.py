"""What an error of AWS means for the operator: one line that says what to do. Pure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from bootstrap.errors import BootstrapError, NotBuilt, Refused
from lifecycle_app.adapters.aws import code_of as code_of
from lifecycle_app.errors import NoTable

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
BUSY = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown")
SIGNATURES = ("SignatureDoesNotMatch", "InvalidSignatureException")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId")
NO_TABLE = "ResourceNotFoundException"
TABLE_CALLS = ("Query", "Scan", "GetItem", "PutItem", "UpdateItem", "BatchGetItem", "BatchWriteItem")
MISSING = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404")
"""Parts of the codes by which the services say that what a call names does not exist."""
T = TypeVar("T")
LOG_IN = "run `aws sso login` or `aws configure`, or set AWS_PROFILE"


def message_of(error: ClientError) -> str:
    """AWS's own message; "" where it gives none."""
    return str(error.response["Error"].get("Message", ""))


def is_missing(error: ClientError) -> bool:
    """Does AWS say that what the call names does not exist? CloudFormation says it in the message alone."""
    return any(part in code_of(error) for part in MISSING) or "does not exist" in message_of(error)


@contextmanager
def ignore_missing() -> Iterator[None]:
    """Ends the block where what a call names does not exist."""
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise


def if_exists(call: Callable[[], T]) -> T | None:
    """The call's answer; None where what it names does not exist."""
    with ignore_missing():
        return call()
    return None


@contextmanager
def built(cluster: str) -> Iterator[None]:
    """Raises NotBuilt where a store of the lifecycle app finds no table."""
    try:
        yield
    except NoTable as error:
        raise NotBuilt(f"the cluster {cluster} has no tables: run `cloudjhub up` first") from error


def meaning(error: Exception, region: str = "that region") -> BootstrapError:
    """The error to show to the operator; `error` may have been raised from one of AWS's."""
    for one in _causes(error):
        if isinstance(one, ClientError) and (known := _of_client(one, region)):
            return known
        if isinstance(one, BotoCoreError):
            return BootstrapError(unreachable(one, region))
    return BootstrapError(" ".join(str(error).split()))


def refused_credentials(code: str, message: str, region: str, *, is_known_elsewhere: bool) -> str:
    """Why AWS does not accept the caller's credentials."""
    if code in EXPIRED:
        return f"the AWS credentials have expired: {LOG_IN}, then run the command again"
    if is_known_elsewhere:
        return (
            f"the region {region} is not enabled for this account: enable it in the console under Account, "
            "AWS Regions, or set another `region`"
        )
    if code in UNKNOWN:
        return f"AWS does not know these credentials ({code}): {LOG_IN}"
    if "Signature expired" in message or "not yet current" in message:
        return "this machine's clock is wrong, so AWS refuses its signatures: set the clock"
    if code in SIGNATURES:
        return f"the AWS secret access key does not belong to its key id: {LOG_IN}"
    return f"AWS does not accept the credentials: {code}: {message}: {LOG_IN}"


def unreachable(error: BotoCoreError, region: str) -> str:
    """Why a call did not reach AWS."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return f"there are no AWS credentials: {LOG_IN}"
    if isinstance(error, SSOError | TokenRetrievalError | CredentialRetrievalError):
        return f"the AWS credentials have expired: {LOG_IN}, then run the command again"
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"AWS cannot be reached in {region}: check this machine's network"
    return f"the call did not reach AWS: {error}: {LOG_IN}"


def _of_client(error: ClientError, region: str) -> BootstrapError | None:
    code, message = code_of(error), message_of(error)
    if code in (*EXPIRED, *UNKNOWN, *SIGNATURES) or "Signature expired" in message:
        return BootstrapError(refused_credentials(code, message, region, is_known_elsewhere=False))
    if code in DENIED:
        return Refused(
            f"your AWS user may not call {error.operation_name} ({code}): `cloudjhub doctor` lists what is missing"
        )
    if code in BUSY:
        return BootstrapError(
            f"AWS is throttling {error.operation_name} ({code}): run the command again, and it continues from there"
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
