"""The cluster's secrets in Parameter Store: made once, never printed, never in a template."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

# Each secret's name below /cloudjhub/<cluster>/ and what makes it. Cookie secrets are hex of 32 bytes, as JupyterHub
# wants them; JupyterHub refuses an admin's shared password of under 32 characters.
MAKERS: dict[str, Callable[[], str]] = {
    "lifecycle-token": lambda: secrets.token_hex(32),
    "hub/worker-token-key": lambda: secrets.token_hex(32),
    "hub/cookie-secret": lambda: secrets.token_hex(32),
    "hub/proxy-token": lambda: secrets.token_hex(32),
    "hub/user-password": lambda: secrets.token_urlsafe(12),
    "hub/admin-password": lambda: secrets.token_urlsafe(24),
}


def parameter(cluster: str, name: str) -> str:
    """The full parameter name of a secret."""
    return f"/cloudjhub/{cluster}/{name}"


def ensure(client: "SSMClient", cluster: str) -> None:
    """Make the secrets that do not exist yet; an existing one is never changed."""
    for name, make in MAKERS.items():
        try:
            client.put_parameter(
                Name=parameter(cluster, name), Value=make(), Type="SecureString", Overwrite=False
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise


def read(client: "SSMClient", cluster: str, name: str) -> str:
    """The value of one secret."""
    found = client.get_parameter(Name=parameter(cluster, name), WithDecryption=True)
    return found["Parameter"]["Value"]
