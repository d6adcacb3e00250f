"""What spawners and handlers share, built once.

The hub's secrets, read from SSM's Parameter Store once.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hub.config.settings import SHARED_PASSWORD, Settings
from hub.drain.stop_request import StopRequests
from hub.drain.worker_client import Workers
from hub.errors import SettingsError
from hub.identity import Identities
from hub.login.options import secrets_of
from hub.pages.texts import Pages
from hub.records import BadRecords, Reader
from hub.spawn.batching import QUICK, Calls
from hub.spawn.instances import Homes, Instances
from hub.spawn.starting import Starter
from hub.spawn.startup import Startup
from hub.users.names import People, from_file
from hub.users.wanted import Wanted
from lifecycle_app.adapters.store import WorkerStore

THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The hub's own parts."""

    settings: Settings
    token_key: str
    """Workers' tokens are made with it."""
    store: WorkerStore
    wanted: Wanted
    calls: Calls
    starter: Starter
    startup: Startup
    homes: Homes
    reader: Reader
    stops: StopRequests
    workers: Workers
    identities: Identities
    pages: Pages
    now: Callable[[], datetime]


class WithParts:
    """A handler that is given the parts with its route."""

    parts: Parts

    def initialize(self, parts: Parts) -> None:
        """Tornado's way of handing over what a route is given."""
        self.parts = parts


def build(settings: Settings, token_key: str) -> Parts:
    """The real parts, on AWS as botocore's own variables tell it. Raises SettingsError for a bad users file."""
    session = boto3.Session(region_name=settings.region)
    calls = Calls(ThreadPoolExecutor(THREADS, thread_name_prefix="aws"))
    ec2 = session.client("ec2", config=QUICK)
    store = WorkerStore(settings.cluster, on_bad=BadRecords().name)
    known = from_file(settings.users_file) if settings.users_file else People()
    wanted = Wanted(store.wanted, calls, image=settings.image, known=known, every=settings.wanted_interval)
    wanted.read_at_start()
    starter = Starter(ec2, calls)
    instances = Instances(ec2, calls, settings)
    homes = Homes(instances)
    reader = Reader(store.changed_since, calls, interval=settings.read_interval)
    return Parts(
        settings=settings,
        token_key=token_key,
        store=store,
        wanted=wanted,
        calls=calls,
        starter=starter,
        startup=Startup(store.get, calls, starter, instances, homes, settings, _now, wanted.image_now),
        homes=homes,
        reader=reader,
        stops=StopRequests(session.client("events", config=QUICK), calls, settings.cluster),
        workers=Workers(),
        identities=Identities(session.client("sts", config=QUICK), calls, settings.hub_name, settings.role),
        pages=Pages(store, reader, calls),
        now=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


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
