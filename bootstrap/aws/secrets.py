"""The cluster's secrets in Parameter Store: created once, never printed, never in a template."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.tags import listed
from lifecycle_app.contract import OPERATOR_TOKEN, TAG_CLUSTER

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

# Each secret's name below /cloudjhub/<cluster>/ and what makes it. Cookie secrets are hex of 32 bytes, as JupyterHub
# wants them; JupyterHub refuses an admin's shared password of under 32 characters.
MAKERS: dict[str, Callable[[], str]] = {
    "lifecycle-token": lambda: secrets.token_hex(32),
    OPERATOR_TOKEN: lambda: secrets.token_hex(32),
    "hub/worker-token-key": lambda: secrets.token_hex(32),
    "hub/cookie-secret": lambda: secrets.token_hex(32),
    "hub/proxy-token": lambda: secrets.token_hex(32),
    "hub/sign-up-key": lambda: secrets.token_hex(32),
    "hub/user-password": lambda: secrets.token_urlsafe(12),
    "hub/admin-password": lambda: secrets.token_urlsafe(24),
}
NO_TAGS: Mapping[str, str] = MappingProxyType({})
AT_ONCE = 10
"""Parameter Store takes no more names in a call."""


def parameter(cluster: str, name: str) -> str:
    """The full parameter name of a secret."""
    return f"/cloudjhub/{cluster}/{name}"


def ensure(client: "SSMClient", cluster: str, tags: Mapping[str, str] = NO_TAGS, key: str = "") -> None:
    """Make the secrets that do not exist yet; an existing one is never changed."""
    for name, make in MAKERS.items():
        create(client, cluster, name, make(), tags, key)


def create(
    client: "SSMClient",
    cluster: str,
    name: str,
    value: str,
    tags: Mapping[str, str] = NO_TAGS,
    key: str = "",
) -> bool:
    """Store a secret, unless there is one of this name; whether it was stored. `tags`: beside the cluster's own; `key`:
    the KMS key (an ARN), "" for AWS's own.
    """
    made_with: Any = listed({**tags, TAG_CLUSTER: cluster})
    try:
        client.put_parameter(**_stored(cluster, name, value, key), Overwrite=False, Tags=made_with)
    except ClientError as error:
        if code_of(error) != "ParameterAlreadyExists":
            raise
        return False
    return True


def put(
    client: "SSMClient",
    cluster: str,
    name: str,
    value: str,
    tags: Mapping[str, str] = NO_TAGS,
    key: str = "",
) -> None:
    """Store a secret in the place of the one that may be there, which keeps its tags. As `create`."""
    if not create(client, cluster, name, value, tags, key):
        client.put_parameter(**_stored(cluster, name, value, key), Overwrite=True)


def _stored(cluster: str, name: str, value: str, key: str) -> Any:
    """What each PutParameter says. Without the key, a new value would go back to AWS's own."""
    return {
        "Name": parameter(cluster, name),
        "Value": value,
        "Type": "SecureString",
        # Certificates with their chains may be longer than the 4 KB that are free of charge.
        "Tier": "Intelligent-Tiering",
        **({"KeyId": key} if key else {}),
    }


def read(client: "SSMClient", cluster: str, name: str) -> str:
    """The value of one secret."""
    found = client.get_parameter(Name=parameter(cluster, name), WithDecryption=True)
    return found["Parameter"]["Value"]


def read_if_there(client: "SSMClient", cluster: str, names: Iterable[str]) -> dict[str, str]:
    """The values of those of up to ten secrets that exist, by name."""
    full = {parameter(cluster, name): name for name in names}
    answer = client.get_parameters(Names=list(full), WithDecryption=True)
    return {full[one["Name"]]: one["Value"] for one in answer["Parameters"]}


def versions(client: "SSMClient", cluster: str, names: Iterable[str]) -> dict[str, int]:
    """How often each of those secrets that exist was set; reads no value."""
    full = {parameter(cluster, name): name for name in names}
    found = [
        one
        for start in range(0, len(full), AT_ONCE)
        for one in client.get_parameters(Names=list(full)[start : start + AT_ONCE], WithDecryption=False)[
            "Parameters"
        ]
    ]
    return {full[one["Name"]]: one["Version"] for one in found}


def rotated(client: "SSMClient", cluster: str, names: Iterable[str]) -> dict[str, int]:
    """The versions of those of these secrets that were replaced since they were made."""
    return {name: version for name, version in versions(client, cluster, names).items() if version > 1}


def names(client: "SSMClient", cluster: str) -> list[str]:
    """The full names of all of the cluster's parameters; reads no value."""
    return [parameter(cluster, name) for name in dates(client, cluster)]


def dates(client: "SSMClient", cluster: str) -> dict[str, datetime]:
    """When each of the cluster's parameters was last set, by name in order; reads no value."""
    prefix = parameter(cluster, "")
    pages = client.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [prefix.rstrip("/")]}]
    )
    found = {one["Name"]: one["LastModifiedDate"] for page in pages for one in page["Parameters"]}
    return {name.removeprefix(prefix): found[name] for name in sorted(found)}


def remove(client: "SSMClient", cluster: str) -> None:
    """Remove all of the cluster's parameters."""
    found = names(client, cluster)
    for start in range(0, len(found), AT_ONCE):
        client.delete_parameters(Names=found[start : start + AT_ONCE])
