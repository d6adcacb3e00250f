"""A cluster whose machines are real roots, built by `cloudjhub up`'s own steps in a local cloud."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from bootstrap.aws.secrets import parameter
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.building import steps
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from bootstrap.local import environment, supervisor
from bootstrap.local.cloud.ec2.images import PUBLISHED
from bootstrap.local.settings import REGION, LocalSettings
from tests.machines import play, volumes
from tests.machines.base import base_root
from tests.machines.machine import Machine

STOP_TIME = timedelta(seconds=3)
PORT = 8443


class Cluster:
    """A local cloud, the cluster in it, and its machines."""

    def __init__(self, local: LocalSettings, site: Site) -> None:
        self.local = local
        self.site = site
        self._secret = environment.operator_secret(local.state_dir)

    def apply(self, *names: str) -> None:
        """These steps, in the order in which `up` takes them."""
        for step in steps():
            if step.name in names and step.changes(self.site):
                step.apply(self.site, print)

    def play(self, image: str, layers: Sequence[Path]) -> None:
        """From now on the image's instances are machines whose root begins with these layers, the topmost first."""
        command = play.command(layers, self.local.state_dir / "disks", self.local.events_url)
        self._post("images", {"image_id": image, "command": command})

    def machines(self, role: str) -> list[Machine]:
        """The machines of a role that are not gone."""
        return [
            Machine(self.local, one["instance_id"])
            for one in environment.state(self.local)["instances"]
            if one["tags"].get("cloudjhub:role") == role
            and one["state"] not in ("terminated", "shutting-down")
        ]

    def builder(self) -> Machine:
        """The machine that the image was made of; it is gone."""
        [installed] = (self.local.state_dir / "machines").glob("*/upper/etc/systemd/system/home-jovyan.mount")
        return Machine(self.local, installed.parents[4].name)

    def images(self) -> list[Any]:
        """The cluster's worker images."""
        return list(self.site.aws.client("ec2").describe_images(Owners=["self"])["Images"])

    def secret(self, name: str) -> str:
        """A secret's value, as the operator may read it."""
        wanted = parameter(self.site.cluster, name)
        found = self.site.aws.client("ssm").get_parameter(Name=wanted, WithDecryption=True)
        return found["Parameter"]["Value"]

    def layer(self, machine: Machine) -> Path:
        """Where all lies that a machine has written on its root disk."""
        return self.local.state_dir / "machines" / machine.instance_id / "upper"

    def console(self, machine: Machine) -> str:
        return (self.local.state_dir / "console" / f"{machine.instance_id}.log").read_text(errors="replace")

    def _post(self, name: str, body: object) -> Any:
        answer = requests.post(
            f"{self.local.cloud_url}/_cloud/{name}",
            json=body,
            headers={"Authorization": f"Bearer {self._secret}"},
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()


def settings_of(local: LocalSettings) -> ClusterSettings:
    """A cluster as on AWS, on loopback addresses: the manager has nginx, with a certificate of its own."""
    return ClusterSettings(
        cluster=local.cluster,
        region=REGION,
        owner="tests",
        network=Network(
            name=local.cluster, cidr=local.vpc, zones=tuple(local.zones), egress=Egress.NAT_GATEWAY
        ),
        workers=Workers(types=("t3.medium",), disk=8, home_disk=1),
        manager=Manager(
            domain="127.0.0.1", port=PORT, https=Https.SELF_SIGNED, private_address=local.manager_address
        ),
        login=Login(authenticator="shared-password", users_file=local.state_dir / "users"),
        timing=Timing(report_period=local.report_period, read_interval=timedelta(seconds=1)),
    )


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """A local cloud in which every base image is a real root."""
    local = LocalSettings(state_dir=directory, port=PORT, network=77, stop_time=STOP_TIME)
    for name in ("log", "tmp", "hub"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "users").write_text("alice\ncarol admin\n")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as ends:
        ends.callback(volumes.detach_all, directory / "disks")
        for name, value in environment.operator(local).items():
            patch.setenv(name, value)
        for start, health in (
            (supervisor.start_cloud, f"{local.cloud_url}/_cloud/health"),
            (supervisor.start_events, f"{local.events_url}/_ministack/health"),
        ):
            part = start(local)
            ends.callback(part.end)
            supervisor.await_healthy(local, part, health)
        site = Site(settings=settings_of(local), aws=Aws(REGION), directory=directory)
        cluster = Cluster(local, site)
        for published in PUBLISHED:
            cluster.play(published.image_id, [base_root()])
        yield cluster
