"""What a local cloud is run with: where its files lie, which addresses it takes, how fast its minutes pass."""

import errno
import json
import socket
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

from bootstrap.cluster.templates.network import HUB_PORT
from bootstrap.errors import PortInUse, SettingsError

AWS_PORT, PROXY_API_PORT = 4566, 8001
DOMAIN = "hub.localhost"
"""Of the hub. Browsers take it, and the users' subdomains of it, for 127.0.0.1; `localhost` itself has no subdomains
that are of the same site.
"""
FIRST_NETWORK, LAST_NETWORK = 77, 99
STATE_VERSION = 5
"""Of a state directory. To be raised when the snapshot changes: also when a pickled class changes or moves."""
REGION, ACCOUNT = "us-east-1", "123456789012"
# The shortest period but one that CloudWatch allows for high-resolution alarms.
REPORT_PERIOD = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The settings of one local cloud; durations as timedelta, `network` the second octet of its VPC."""

    state_dir: Path
    port: int
    network: int
    cluster: str = "local"
    idle_timeout: timedelta = timedelta(minutes=3)
    policy: tuple[tuple[str, str], ...] = ()
    boot_time: timedelta = timedelta(seconds=1)
    stop_time: timedelta = timedelta(seconds=1)
    report_period: timedelta = REPORT_PERIOD
    with_cluster: bool = True
    """Without one it is an AWS account in which nothing has been built yet."""

    @property
    def vpc(self) -> IPv4Network:
        """The VPC's addresses: real ones, on the loopback interface."""
        return IPv4Network(f"127.{self.network}.0.0/16")

    @property
    def cloud_address(self) -> str:
        """Where the cloud process listens."""
        return f"127.{self.network}.0.2"

    @property
    def events_address(self) -> str:
        """Where ministack listens."""
        return f"127.{self.network}.0.3"

    @property
    def manager_address(self) -> str:
        """The manager's private address."""
        return f"127.{self.network}.0.10"

    @property
    def cloud_url(self) -> str:
        """The endpoint of EC2, DynamoDB and the others."""
        return f"http://{self.cloud_address}:{AWS_PORT}"

    @property
    def events_url(self) -> str:
        """The endpoint of Lambda, EventBridge, CloudWatch Logs, SQS and SNS."""
        return f"http://{self.events_address}:{AWS_PORT}"

    @property
    def public_url(self) -> str:
        """The hub's URL."""
        return f"http://{DOMAIN}:{self.port}"

    @property
    def zones(self) -> list[str]:
        """The availability zones."""
        return [f"{REGION}a", f"{REGION}b"]

    def log(self, part: str) -> Path:
        """The log file of a part: cloud, events or supervisor."""
        return self.state_dir / "log" / f"{part}.log"

    def home(self, instance_id: str) -> Path:
        """Where the second disk of an instance is seen."""
        return self.state_dir / "instances" / instance_id / "home"

    def policy_document(self) -> dict[str, object]:
        """The cluster's policy as the settings table holds it: durations in seconds.

        A machine that just started is left alone for the start grace; it shrinks with the idle timeout, so that a
        short one means what it says.
        """
        idle = self.idle_timeout.total_seconds()
        document: dict[str, object] = {
            "idle_timeout": idle,
            "start_grace": min(idle, 60.0),
            "hung_after": max(2 * idle, 120.0),
        }
        for name, value in self.policy:
            document[name] = _policy_value(name, value)
        return document


def _policy_value(name: str, value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"--policy {name}={value}: give the value as JSON, for example --policy busy_allowance=600"
        ) from error


def saved_addresses(state_dir: Path) -> dict[str, int]:
    """The port and network that this state directory ran with before, or nothing.

    Raises SettingsError where another version of the local cloud made it: its snapshot cannot be read.
    """
    try:
        found = json.loads((state_dir / "addresses.json").read_text())
        version, addresses = found.get("version", 2), {name: int(found[name]) for name in ("port", "network")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError) as error:
        raise SettingsError(f"{state_dir}/addresses.json is damaged: delete it and run again") from error
    if version != STATE_VERSION:
        raise SettingsError(
            f"{state_dir} was made by another version (state version {version}, this is {STATE_VERSION}): "
            f"remove it with `rm -r {state_dir}`, or choose another with --state-dir"
        )
    return addresses


def save_addresses(settings: LocalSettings) -> None:
    """Keep port and network, for instances keep their addresses from run to run; and the version of the directory."""
    known = {"version": STATE_VERSION, "port": settings.port, "network": settings.network}
    (settings.state_dir / "addresses.json").write_text(json.dumps(known))


def is_free(address: str, port: int) -> bool:
    """Whether a server can listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def hold_ipv6(port: int) -> socket.socket | None:
    """A socket that keeps the port on ::1 from other programs until it is closed; None without IPv6.

    Browsers ask there, too, for names below localhost. They are refused, and go on to 127.0.0.1. Raises PortInUse.
    """
    try:
        held = socket.socket(socket.AF_INET6)
    except OSError:
        return None
    try:
        held.bind(("::1", port))
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} on ::1 is in use: choose another with --port") from error
        return None
    return held


def listening(network: int) -> tuple[tuple[str, int], ...]:
    """Where the parts of a local cloud in this network listen, its public port apart."""
    manager = f"127.{network}.0.10"
    return (
        (f"127.{network}.0.2", AWS_PORT),
        (f"127.{network}.0.3", AWS_PORT),
        (manager, HUB_PORT),
        (manager, PROXY_API_PORT),
    )


def free_network() -> int:
    """The second octet of a VPC that no other local cloud uses."""
    for network in range(FIRST_NETWORK, LAST_NETWORK + 1):
        if all(is_free(address, port) for address, port in listening(network)):
            return network
    raise PortInUse(
        f"every network from 127.{FIRST_NETWORK} to 127.{LAST_NETWORK} is in use: run `cloudjhub local down` first"
    )
