"""The settings of a cluster, as `cluster.yaml` holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from bootstrap.config.choices import Base, Egress, Https

DEFAULT_NETWORK = IPv4Network("10.77.0.0/16")
ZONES_BY_DEFAULT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of our own, shared by all clusters that give the same name, or an existing VPC with its subnets."""

    name: str
    cidr: IPv4Network = DEFAULT_NETWORK
    zones: tuple[str, ...] = ()
    """Empty: the first two of the region."""
    egress: Egress = Egress.NAT_GATEWAY
    vpc: str = ""
    """An existing VPC; then `manager_subnet` and `worker_subnets` are its own; cidr, zones and egress are unused."""
    manager_subnet: str = ""
    worker_subnets: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return not self.vpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The users' machines; disks in GB."""

    types: tuple[str, ...] = ("t3.medium", "t3.large")
    """Types that users may choose; the first is the default. All of one architecture."""
    disk: int = 16
    home_disk: int = 5
    """0 puts the home on the root disk, which goes with the instance."""
    base: str = Base.UBUNTU
    """What the worker image is built from: a `Base`, or an AMI's id."""
    image: str = ""
    """An AMI that is used as it is, instead of building one."""
    packages: tuple[str, ...] = ()
    """Python packages in the image beside JupyterLab and nbgrader, as pip requirements."""
    named_servers: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who may log in, and how."""

    authenticator: str = "native"
    """native, github, google, oauth, lti13, ldap, or shared-password (on loopback only)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The authenticator's own options, without secrets: those are set by `cloudjhub secrets set`."""
    allow_all: bool = False
    """Everybody whom the authenticator knows, instead of the users in the users file alone."""
    users_file: Path = Path("users")
    """Lines `name` or `name admin`: the users at the first `up`; later ones by `cloudjhub users`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """The machine that JupyterHub runs on; disks in GB."""

    type: str = "t3.small"
    disk: int = 10
    state_disk: int = 4
    """JupyterHub's database and Caddy's certificates: survives the machine."""
    base: str = Base.UBUNTU
    """A `Base` of Debian's kind, or an AMI's id."""
    domain: str = ""
    """Empty: the manager's public address."""
    port: int = 443
    https: Https = Https.SELF_SIGNED
    email: str = ""
    """Whom Let's Encrypt writes to."""
    certificate: Path | None = None
    key: Path | None = None
    subdomains: bool = False
    """Each user's server on a subdomain of its own; needs a wildcard DNS record and certificate."""
    private_address: str = ""
    """Fixed; empty: the first free one of its subnet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often things are looked at. Schedules as EventBridge writes them."""

    report_period: timedelta = timedelta(seconds=30)
    read_interval: timedelta = timedelta(seconds=5)
    answer_limit: timedelta = timedelta(minutes=4)
    record_schedule: str = "rate(1 minute)"
    sweep_schedule: str = "rate(5 minutes)"
    reconcile_schedule: str = "rate(15 minutes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Everything that `up` builds a cluster from."""

    cluster: str
    region: str
    owner: str
    """Who answers for the machines; becomes their Owner tag."""
    network: Network
    workers: Workers = Workers()
    manager: Manager = Manager()
    login: Login = Login()
    timing: Timing = Timing()
    policy: Mapping[str, Any] = field(default_factory=dict)
    """The idle policy at the first `up`, as `lifecycle_app.model.policy` reads it; later by `cloudjhub settings`."""
    alerts: str = ""
    """Whom CloudWatch's alarms about the cluster reach by e-mail; empty: they show in CloudWatch only."""
    users: int = 20
    """How many users are expected: sizes are checked and costs reckoned with it."""
    hours: float = 30
    """Hours a month that each is expected to work."""
