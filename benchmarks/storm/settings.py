"""The parameters of a storm, passed to each of its processes as a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NETWORK = "127.194"
WORKERS = "127.195"
"""The first halves of addresses: of hub, proxy and AWS, and of the machines."""
CLUSTER, ROLE, HUB_NAME = "storm", "cloudjhub-storm-worker", "hub.storm"
ACCOUNT = "123456789012"
IMAGE, GROUP = "ami-0123456789abcdef0", "sg-0123456789abcdef0"
SUBNETS = ("subnet-0000000a", "subnet-0000000b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """The users and their machines. Seconds."""

    users: int
    within: float = 60.0
    first: bool = False
    """Is it the users' first login, without machines?"""
    seed: int = 1
    boot: tuple[float, float] = (2.0, 5.0)
    """From pending to running, drawn between the two."""
    server: tuple[float, float] = (1.0, 2.0)
    """From the environment to the server's first answer."""
    patience: float = 600.0
    """A user without a server gives up after this time."""
    stagger: str = "even"
    """How the users arrive: `even`, or `rush`, most of them at the beginning."""
    running: bool = False
    """Do all machines run from the beginning?"""
    aws_port: int = 0
    public_port: int = 0
    proxy_port: int = 0
    network: str = NETWORK
    workers: str = WORKERS

    @property
    def aws(self) -> str:
        """The URL of the lean AWS."""
        return f"http://{self.network}.0.2:{self.aws_port}"

    @property
    def public(self) -> str:
        """nginx, as on a manager."""
        return f"https://{self.network}.0.1:{self.public_port}"

    @property
    def proxy(self) -> str:
        """The URL of the proxy."""
        return f"http://{self.network}.0.1:{self.proxy_port}"

    @property
    def hub_api(self) -> str:
        """The URL of the hub's API for workers."""
        return f"http://{self.network}.0.10:8081/hub/api"

    def name(self, number: int) -> str:
        """A user's name."""
        return f"student{number:04d}"

    def write(self, file: Path, secrets: Mapping[str, str]) -> None:
        """Writes the file that the processes read."""
        file.write_text(json.dumps({"storm": asdict(self), "secrets": dict(secrets)}))


def read(file: Path) -> tuple[Storm, dict[str, str]]:
    """The storm and the cluster's secrets."""
    content = json.loads(file.read_text())
    storm: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content["storm"].items()
    }
    return Storm(**storm), content["secrets"]
