"""An emulated AWS with what a hub needs, a real proxy and a real hub as processes, on addresses of their own."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from hub.config.settings import CONFIG_VARIABLE
from lifecycle_app.contract import OPERATOR_TOKEN, TAG_USER
from tests.shared.addresses import free_port, reserved
from tests.shared.tables import create_tables
from tests.shared.waiting import PATIENCE, until

REPOSITORY = Path(__file__).resolve().parents[2]
CLUSTER, ROLE, HUB_NAME = "emulated", "cloudjhub-emulated-worker", "hub.emulated"
NETWORK = "127.191"
HUB_ADDRESS = f"{NETWORK}.0.10"
PUBLIC = f"{NETWORK}.0.1"
SEVERAL_FILES = 10 * PATIENCE
"""Seconds that another run may need for its tests with the same addresses."""
PROXY_SCRIPT = REPOSITORY / "hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy"


@dataclass
class Emulated:
    """The emulated account; a hub in it runs with `config`, the manager's file, and `environ`."""

    endpoint: str
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    proxy_process: subprocess.Popen[bytes] | None = None
    network: str = NETWORK
    """The first half of its addresses: tests that run at the same time need different ones."""
    proxy_at: str = ""
    """The URL of the proxy where something else answers at the public one."""

    def instances_of(self, user: str) -> list[dict[str, Any]]:
        """A user's instances, by tag, compared exactly."""
        groups = self.client("ec2").describe_instances()["Reservations"]
        every = [instance for group in groups for instance in group["Instances"]]
        return [one for one in every if {"Key": TAG_USER, "Value": user} in one["Tags"]]

    @property
    def hub_address(self) -> str:
        return f"{self.network}.0.10"

    def client(self, name: Any) -> Any:
        return boto3.client(name, region_name="us-east-1", endpoint_url=self.endpoint)

    def prepare(self, public_port: int) -> None:
        """Makes network, image, role, tables and secrets; what other tests left in this process's moto goes."""
        requests.post(f"{self.endpoint}/moto-api/reset", timeout=PATIENCE).raise_for_status()
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=f"{self.network}.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"{self.network}.{part}.0/24", AvailabilityZone=f"us-east-1{zone}"
            )
            for part, zone in ((1, "a"), (2, "b"))
        ]
        group = ec2.create_security_group(GroupName="workers", Description="workers", VpcId=vpc)["GroupId"]
        image = ec2.register_image(Name="worker", RootDeviceName="/dev/sda1")["ImageId"]
        iam = self.client("iam")
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=ROLE)
        iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
        self._make_tables()
        self._make_secrets()
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        users = self.directory / "users"
        users.write_text("alice\nboss admin\n")
        self.environ = self._environ()
        self.config = self._config(
            public_port, image, [one["Subnet"]["SubnetId"] for one in subnets], group, users
        )

    def _make_tables(self) -> None:
        create_tables(CLUSTER)

    def _make_secrets(self) -> None:
        names = (
            "lifecycle-token", OPERATOR_TOKEN, "hub/worker-token-key", "hub/cookie-secret", "hub/proxy-token",
        )  # fmt: skip
        self.secrets = {name: secrets.token_hex(32) for name in names}
        self.secrets |= {"hub/user-password": "user-password", "hub/admin-password": secrets.token_hex(20)}
        ssm = self.client("ssm")
        for name, value in self.secrets.items():
            ssm.put_parameter(Name=f"/cloudjhub/{CLUSTER}/{name}", Value=value, Type="SecureString")

    def _environ(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "hub",
            "AWS_SECRET_ACCESS_KEY": "hub",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "PYTHONPATH": str(REPOSITORY),
            CONFIG_VARIABLE: str(self.directory / "manager.json"),
        }

    def _config(self, port: int, image: str, subnets: list[str], group: str, users: Path) -> dict[str, Any]:
        return {
            "cluster": CLUSTER,
            "region": "us-east-1",
            "owner": "tests",
            "public_url": f"http://{self.network}.0.1:{port}",
            "private_address": self.hub_address,
            "workers": {
                "image": image,
                "types": ["t3.medium"],
                "subnets": subnets,
                "group": group,
                "role": ROLE,
                "home_disk": 3,
            },
            "login": {"authenticator": "shared-password", "allow_all": True},
            "timing": {"read_interval": 1},
            "hub": {
                "name": HUB_NAME,
                "state_dir": str(self.directory / "state"),
                "users_file": str(users),
                "wanted_interval": 1,
            },
        }

    @property
    def public_url(self) -> str:
        return str(self.config["public_url"])

    @property
    def proxy_url(self) -> str:
        """Where the proxy listens; the public URL unless something stands before it."""
        return self.proxy_at or self.public_url

    @contextmanager
    def proxy(self, *options: str) -> Iterator[None]:
        """The real proxy."""
        self.start_proxy(*options)
        try:
            yield
        finally:
            self._kill_proxy()

    def start_proxy(self, *options: str) -> None:
        """Starts the real proxy with the present secrets; one that runs is killed before."""
        self._kill_proxy()
        host, _, port = self.proxy_url.rpartition("/")[2].partition(":")
        addresses = ["--ip", host, "--port", port, "--api-ip", self.hub_address, "--api-port", "8001"]
        hub = [
            "--default-target",
            f"http://{self.hub_address}:8081",
            "--error-target",
            f"http://{self.hub_address}:8081/hub/error",
        ]
        environ = {**self.environ, "CONFIGPROXY_AUTH_TOKEN": self.secrets["hub/proxy-token"]}
        with (self.directory / "proxy.log").open("ab") as log:
            command = ["node", str(PROXY_SCRIPT), *addresses, *hub, *options]
            self.proxy_process = subprocess.Popen(
                command, env=environ, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT
            )
        until(lambda: _listens(self.hub_address, 8001))

    def _kill_proxy(self) -> None:
        if self.proxy_process:
            self.proxy_process.kill()
            self.proxy_process.wait()
            self.proxy_process = None

    def start_hub(self) -> None:
        """Starts the real hub; one that runs is killed before, as by a crash."""
        self.kill_hub()
        Path(self.environ[CONFIG_VARIABLE]).write_text(json.dumps(self.config))
        command = [
            sys.executable,
            "-m",
            "jupyterhub",
            "--config",
            str(REPOSITORY / "hub/jupyterhub_config.py"),
        ]
        with (self.directory / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environ, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT
            )
        until(self._hub_answers)

    def kill_hub(self) -> None:
        """Kills the hub, if it runs."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self, part: str) -> str:
        return (self.directory / f"{part}.log").read_text()

    def _hub_answers(self) -> bool:
        try:
            return requests.get(f"{self.proxy_url}/hub/api", timeout=PATIENCE).ok
        except requests.RequestException:
            return False


@contextmanager
def emulated(directory: Path, network: str = NETWORK) -> Iterator[Emulated]:
    """AWS and the proxy; `start_hub` starts the hub. Another process that wants the same addresses waits."""
    with reserved(network, SEVERAL_FILES), pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "tests")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = ThreadedMotoServer(ip_address=f"{network}.0.2", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        found = Emulated(f"http://{host}:{port}", directory, network=network)
        try:
            found.prepare(free_port(f"{network}.0.1"))
            with found.proxy():
                try:
                    yield found
                finally:
                    found.kill_hub()
        finally:
            server.stop()


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
