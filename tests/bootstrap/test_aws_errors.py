"""What the operator is told when AWS says no."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from bootstrap.aws.errors import meaning
from lifecycle_app.errors import StoreUnavailable


def said(code: str, operation: str = "DescribeStacks", message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "words", "exit_code"),
    [
        (said("ExpiredToken"), "the AWS credentials have expired: run `aws sso login`", 1),
        (said("RequestExpired"), "the AWS credentials have expired", 1),
        (said("InvalidClientTokenId"), "AWS does not know these credentials", 1),
        (said("X", message="Signature expired: 20260101 is now earlier"), "this machine's clock is wrong", 1),
        (NoCredentialsError(), "there are no AWS credentials", 1),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached in that region", 1),
        (said("UnauthorizedOperation", "RunInstances"), "may not call RunInstances", 4),
        (said("RequestLimitExceeded", "RunInstances"), "AWS is throttling RunInstances", 1),
        (said("ResourceNotFoundException", "Query"), "a table of the cluster does not exist", 3),
        (said("ResourceNotFoundException", "GetFunction", "Function\nnot found"), "Function not found", 1),
    ],
)
def test_an_error_of_aws_is_one_line_with_its_fix(error: Exception, words: str, exit_code: int) -> None:
    told = meaning(error)
    assert words in str(told)
    assert "\n" not in str(told)
    assert told.exit_code == exit_code


def test_an_error_of_aws_is_found_below_what_the_records_say_of_it() -> None:
    error = StoreUnavailable("changed workers: Failed to query items: An error …")
    error.__cause__ = RuntimeError("Failed to query items")
    error.__cause__.__cause__ = said("ExpiredTokenException", "Query")
    assert str(meaning(error)).startswith("the AWS credentials have expired")


def test_what_is_not_an_error_of_aws_keeps_its_words() -> None:
    assert str(meaning(StoreUnavailable("the record of alice\nis odd"))) == "the record of alice is odd"
