"""A built cluster, as far as the commands for workers and settings see it: tables, machines, settings file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click import Command
from click.testing import CliRunner, Result
from moto import mock_aws

from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.errors import BootstrapError
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.model.worker import State, Worker, split
from tests.shared.tables import create_tables

REGION = "eu-west-1"
NOW = datetime.now(UTC).replace(microsecond=0)
FILE = f"cluster: spring\nregion: {REGION}\nowner: me\nlogin: {{trusted_users: true}}\n"


def an_image() -> str:
    """A new image to launch from."""
    return str(boto3.client("ec2", region_name=REGION).register_image(Name="base")["ImageId"])


class Built:
    """The cluster `spring` in an emulated account."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "cluster.yaml"
        self.file.write_text(FILE)
        self.site = Site(
            settings=ClusterSettings(
                cluster="spring", region=REGION, owner="me", network=Network(name="spring")
            ),
            aws=Aws(REGION),
            directory=directory,
        )
        create_tables("spring", REGION)
        self.store = WorkerStore("spring", region=REGION)
        self.ec2 = boto3.client("ec2", region_name=REGION)

    def instance(
        self, key: str, *, cluster: str = "spring", role: str = "worker", stopped: bool = False
    ) -> str:
        """The id of a new machine with these tags, and a home disk that outlives it."""
        user, server = split(key)
        tags = {"cloudjhub:cluster": cluster, "cloudjhub:role": role, "cloudjhub:user": user}
        listed: Any = [{"Key": k, "Value": v} for k, v in {**tags, "cloudjhub:server": server}.items()]
        home: Any = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}
        made = self.ec2.run_instances(
            ImageId=an_image(),
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.medium",
            BlockDeviceMappings=[home],
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": listed},
                {"ResourceType": "volume", "Tags": listed},
            ],
        )
        instance_id = made["Instances"][0]["InstanceId"]
        if stopped:
            self.ec2.stop_instances(InstanceIds=[instance_id])
        return instance_id

    def home_of(self, instance_id: str) -> str:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return next(
            one["Ebs"]["VolumeId"] for one in found["BlockDeviceMappings"] if one["DeviceName"] == "/dev/sdf"
        )

    def worker(self, key: str, *, state: State = State.RUNNING, minutes: int = 60, **fields: Any) -> Worker:
        """The record of a new machine in this state, started so long ago."""
        instance_id = self.instance(key, stopped=state is State.STOPPED)
        started = NOW - timedelta(minutes=minutes)
        worker = Worker(
            key=key,
            instance_id=instance_id,
            state=state,
            state_at=started,
            version=0,
            changed_at=NOW,
            started_at=started if state is State.RUNNING else None,
            instance_type="t3.medium",
            zone=f"{REGION}a",
            home_volume=self.home_of(instance_id),
            **fields,
        )
        return self.store.put(worker, NOW)

    def states(self) -> dict[str, str]:
        """Of all instances of the account."""
        found = self.ec2.describe_instances()["Reservations"]
        return {one["InstanceId"]: one["State"]["Name"] for group in found for one in group["Instances"]}

    def run(self, command: Command, *words: str, typed: str = "") -> Result:
        """What a command prints; our own errors are raised."""
        result = CliRunner().invoke(command, [*words, "--file", str(self.file)], input=typed)
        if isinstance(result.exception, BootstrapError):
            raise result.exception
        return result


@contextmanager
def built(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Iterator[Built]:
    """The region is in the settings file alone: another one is in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        yield Built(directory)
