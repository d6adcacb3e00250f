"""Builds the parts of the hub once, and reads its secrets from SSM's Parameter Store once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hub.clients.calls import QUICK, Calls
from hub.clients.lifecycle import BadRecords, KeepRequests, Reader, SettingsRequests, StopRequests
from hub.clients.policies import Budgets, Policies
from hub.clients.policy_changes import PolicyChanges
from hub.clients.workers import Workers
from hub.config.authenticators import secrets_of
from hub.config.settings import SHARED_PASSWORD, Settings
from hub.database import opening
from hub.errors import SettingsError
from hub.identity import Identities
from hub.keep.asking import Keeps
from hub.pages.texts import Pages
from hub.spawn.backups import Backups
from hub.spawn.instances import Homes, Instances
from hub.spawn.launcher import Launcher
from hub.spawn.parts import Parts
from hub.spawn.protocol import StartProtocol
from hub.users.lists import from_file
from hub.users.names import People
from hub.users.operator_settings import OperatorSettings
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import OPERATOR_TOKEN, utc_now

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub(Parts):
    """All parts of the hub: also those that only the authenticator and the handlers use."""

    operator: OperatorSettings
    pages: Pages
    keeps: Keeps
    policies: Policies
    changes: PolicyChanges


def build(settings: Settings, token_key: str) -> Hub:
    """The real parts, on AWS as configured by botocore's own variables. Raises SettingsError for a bad users file."""
    session = boto3.Session(region_name=settings.region)
    calls = Calls(ThreadPoolExecutor(THREADS, thread_name_prefix="aws"))
    ec2 = session.client("ec2", config=QUICK)
    store = WorkerStore(settings.cluster, on_bad=BadRecords().log)
    known = from_file(settings.users_file).people if settings.users_file else People()
    table = SettingsStore(settings.cluster)
    operator = OperatorSettings(
        table.of_hub,
        calls,
        image=settings.image,
        known=known,
        every=settings.wanted_interval,
        on_restore=opening.restarting(settings),
    )
    operator.read_at_start()
    events = session.client("events", config=QUICK)
    launcher = Launcher(ec2, calls)
    instances = Instances(ec2, calls, settings)
    homes = Homes(instances)
    backups = Backups(ec2, calls, settings)
    reader = Reader(store.changed_since, calls, interval=settings.read_interval)
    policies = Policies(table.policies, calls)
    budgets = Budgets(policies, reader, store.get, calls, utc_now)
    return Hub(
        settings=settings,
        token_key=token_key,
        store=store,
        operator=operator,
        calls=calls,
        launcher=launcher,
        protocol=StartProtocol(
            store.get, calls, launcher, instances, homes, settings, utc_now, operator.image_now, backups
        ),
        homes=homes,
        reader=reader,
        budgets=budgets,
        stops=StopRequests(events, calls, settings.cluster),
        workers=Workers(),
        identities=Identities(session.client("sts", config=QUICK), calls, settings.hub_name, settings.role),
        pages=Pages(store, reader, calls, budgets, utc_now, backups),
        keeps=Keeps(store.get, KeepRequests(events, calls, settings.cluster), calls, utc_now),
        policies=policies,
        changes=PolicyChanges(
            table.policy_records,
            table.policy_record,
            SettingsRequests(events, calls, settings.cluster),
            calls,
            utc_now,
        ),
        now=utc_now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The hub's secrets; none of them is part of the representation, so that none is logged."""

    lifecycle_token: str = field(repr=False)
    operator_token: str = field(repr=False)
    worker_token_key: str = field(repr=False)
    cookie_secret: bytes = field(repr=False)
    proxy_token: str = field(repr=False)
    user_password: str = field(default="", repr=False)
    admin_password: str = field(default="", repr=False)
    of_authenticator: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The chosen authenticator's, by their names below /cloudjhub/<cluster>/."""


def read_secrets(settings: Settings) -> Secrets:
    """The cluster's secrets. Raises SettingsError that names what is missing."""
    client = boto3.Session(region_name=settings.region).client("ssm", config=QUICK)
    return secrets_in(client, settings)


def secrets_in(ssm: "SSMClient", settings: Settings) -> Secrets:
    """The secrets that this Parameter Store holds. Raises SettingsError that names what is missing."""
    prefix = f"/cloudjhub/{settings.cluster}/"
    names = [
        "lifecycle-token",
        OPERATOR_TOKEN,
        "hub/worker-token-key",
        "hub/cookie-secret",
        "hub/proxy-token",
    ]
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
        operator_token=found[OPERATOR_TOKEN],
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
