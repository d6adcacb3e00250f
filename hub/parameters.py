"""The hub's secrets, read from SSM's Parameter Store once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hub.authenticators.options import secrets_of
from hub.calls import QUICK
from hub.errors import SettingsError
from hub.settings import SHARED_PASSWORD, Settings

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Never logged: none of them is part of its representation."""

    lifecycle_token: str = field(repr=False)
    worker_token_key: str = field(repr=False)
    cookie_secret: bytes = field(repr=False)
    proxy_token: str = field(repr=False)
    user_password: str = field(default="", repr=False)
    admin_password: str = field(default="", repr=False)
    of_authenticator: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the chosen authenticator needs, by its name below /cloudjhub/<cluster>/."""


def read_secrets(settings: Settings) -> Secrets:
    """The cluster's secrets. Raises SettingsError that names what is missing."""
    client = boto3.Session(region_name=settings.region).client("ssm", config=QUICK)
    return secrets_in(client, settings)


def secrets_in(ssm: "SSMClient", settings: Settings) -> Secrets:
    """The secrets that this Parameter Store holds. Raises SettingsError that names what is missing."""
    prefix = f"/cloudjhub/{settings.cluster}/"
    names = ["lifecycle-token", "hub/worker-token-key", "hub/cookie-secret", "hub/proxy-token"]
    if settings.authenticator == SHARED_PASSWORD:
        names += ["hub/user-password", "hub/admin-password"]
    own = secrets_of(settings.authenticator, settings.authenticator_options)
    names += own
    try:
        answer = ssm.get_parameters(Names=[prefix + name for name in names], WithDecryption=True)
    except (ClientError, BotoCoreError) as error:
        raise SettingsError(f"the hub's secrets cannot be read from SSM: {error}") from error
    found = {one["Name"].removeprefix(prefix): one["Value"] for one in answer["Parameters"]}
    missing = [prefix + name for name in names if not found.get(name)]
    if missing:
        raise SettingsError(f"SSM has no parameter {', '.join(missing)}: create the cluster's secrets first")
    return Secrets(
        lifecycle_token=found["lifecycle-token"],
        worker_token_key=found["hub/worker-token-key"],
        cookie_secret=_from_hex(found["hub/cookie-secret"], prefix + "hub/cookie-secret"),
        proxy_token=found["hub/proxy-token"],
        user_password=found.get("hub/user-password", ""),
        admin_password=found.get("hub/admin-password", ""),
        of_authenticator={name: found[name] for name in own},
    )


def _from_hex(text: str, name: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError as error:
        raise SettingsError(
            f"SSM parameter {name} is not hexadecimal: put 64 hexadecimal digits there"
        ) from error
    if len(secret) < 32:
        raise SettingsError(f"SSM parameter {name} is too short: put 64 hexadecimal digits there")
    return secret
