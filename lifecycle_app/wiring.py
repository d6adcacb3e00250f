"""Builds the adapters, once for each cold start."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from lifecycle_app.adapters.aws import aws_errors, compare_clocks
from lifecycle_app.adapters.cloudwatch import CloudWatch
from lifecycle_app.adapters.ec2 import Ec2, StopBatches
from lifecycle_app.adapters.hub_client import HubClient
from lifecycle_app.adapters.hub_session import session
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.adapters.volumes import Volumes
from lifecycle_app.concurrency import in_threads
from lifecycle_app.contract import utc_now
from lifecycle_app.errors import CloudError, HubAnswerOdd
from lifecycle_app.settings import Settings, settings
from lifecycle_app.use_cases import Service

PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
QUICK = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=10)
"""For what each decision needs: the next sweep tries again."""
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=12)


@cache
def wired() -> Service:
    """The service on AWS. Raises SettingsError that names the missing or wrong variable."""
    return build(settings())


def build(chosen: Settings) -> Service:
    """The service of one cluster. Neither AWS nor the hub is called yet."""
    # boto3 would add a sixth to the cold start, for resources that are not used here.
    client = get_session().create_client
    cloudwatch = client("cloudwatch", config=QUICK)
    # Each decision by time calls it first.
    compare_clocks(cloudwatch, utc_now)
    token = SecretParameter(AtFirstUse(lambda: client("ssm", config=QUICK)), chosen.hub_token_parameter)
    # EC2's service model has megabytes, and most runs do not call EC2.
    reader = AtFirstUse(lambda: client("ec2", config=PATIENT))
    stopper = AtFirstUse(lambda: client("ec2", config=ONCE))
    return Service(
        cluster=chosen.cluster,
        store=WorkerStore(chosen.cluster, chosen.history_kept),
        settings=SettingsStore(chosen.cluster),
        cloud=Ec2(reader, StopBatches(stopper), chosen.cluster),
        metrics=CloudWatch(cloudwatch, chosen.cluster, chosen.report_period),
        hub=HubClient(chosen.hub_api, token, session(chosen.hub_certificate)),
        clock=utc_now,
        map_all=in_threads,
        function=chosen.function,
    )


@cache
def home_disks() -> Volumes:
    """The cluster's home disks on AWS. Raises SettingsError."""
    client = get_session().create_client
    reader = AtFirstUse(lambda: client("ec2", config=PATIENT))
    return Volumes(reader, AtFirstUse(lambda: client("ec2", config=ONCE)), settings().cluster)


class AtFirstUse:
    """An AWS client that is created when it is first used: loading a service model takes a good part of a cold start.

    One at a time, since botocore sessions are not thread-safe.
    """

    _making = Lock()

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._making:
            if self._made is None:
                self._made = self._make()
        return getattr(self._made, name)


class SecretParameter:
    """A SecureString in Parameter Store, read when it is first needed and then kept."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name
        self._value: str | None = None

    def value(self) -> str:
        """The secret. Raises HubAnswerOdd if it cannot be read: then the hub cannot be asked."""
        if self._value is None:
            try:
                with aws_errors("GetParameter"):
                    answer = self._client.get_parameter(Name=self._name, WithDecryption=True)
            except CloudError as error:
                raise HubAnswerOdd(f"no token for the hub: {error}") from error
            self._value = str(answer["Parameter"]["Value"])
        return self._value

    def forget(self) -> None:
        """Reads it again next time."""
        self._value = None
