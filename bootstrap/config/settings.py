"""The settings of a cluster: each is declared here once, with its type, bounds, default and description.

`reading` reads them from cluster.yaml, `writing` writes them there in this order, with their descriptions.
"""

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetPydanticSchema
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from bootstrap.config.choices import Authenticator, Base, Egress, Https
from bootstrap.config.policy import IdlePolicy
from bootstrap.config.values import (
    Address,
    AddressRange,
    BaseSystem,
    ClusterName,
    Disk,
    Domain,
    Duration,
    Email,
    File,
    Flag,
    Image,
    InstanceType,
    Listed,
    Number,
    Package,
    Region,
    Schedule,
    Subnet,
    TagValue,
    Vpc,
    Whole,
    Zone,
    free,
    one_of,
)
from lifecycle_app.contract import REPORT_PERIOD

ZONES_BY_DEFAULT = 2
HOURS_OF_A_MONTH = 744

STRICT = ConfigDict(extra="forbid")
SHOWN: dict[str, Any] = {"shown": True}
"""A setting that is written even where it has its default value; the others are written as comments."""


def _not_secret(name: str) -> str:
    """Secrets are in Parameter Store, never in a file that is copied, sent and committed."""
    if name.endswith(("secret", "password")):
        secret = "ldap-password" if name.endswith("password") else "client-secret"
        raise ValueError(f"secrets are not kept here: remove it and run `cloudjhub secrets set {secret}`")
    return name


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Network:
    """A network of our own, shared by all clusters that give the same name, or an existing VPC with its subnets."""

    name: ClusterName = Field(
        default="",
        description="clusters that give the same name share one network",
        json_schema_extra=SHOWN,
    )
    egress: Egress = Field(
        default=Egress.NAT_GATEWAY,
        description="workers' way out: nat-gateway ($37/month + $0.045/GB), manager or public-address",
        json_schema_extra=SHOWN,
    )
    cidr: AddressRange = Field(
        default=IPv4Network("10.77.0.0/16"),
        description="private addresses; a /16 has room for thousands of users",
    )
    zones: Annotated[tuple[Zone, ...], *Listed] = Field(
        default=(),
        description="two or more; without this line the first two of the region",
        examples=["[us-east-1a, us-east-1b]"],
    )
    vpc: Vpc = Field(
        default="",
        description="an existing VPC instead; then remove egress, cidr and zones",
        examples=["vpc-0123456789abcdef0"],
    )
    manager_subnet: Subnet = Field(
        default="",
        description="its public subnet for the manager",
        examples=["subnet-0123456789abcdef0"],
    )
    worker_subnets: Annotated[tuple[Subnet, ...], *Listed] = Field(
        default=(),
        description="its subnets for workers, with a way out",
        examples=["[subnet-0123456789abcdef1]"],
    )

    @property
    def is_ours(self) -> bool:
        """Is it built by `up`, rather than an existing VPC?"""
        return not self.vpc


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Workers:
    """The users' machines; disks in GB."""

    types: Annotated[tuple[InstanceType, ...], *Listed] = Field(
        default=("t3.medium", "t3.large"),
        description="users choose among these, the first is the default; one architecture",
        json_schema_extra=SHOWN,
    )
    disk: Disk = Field(
        default=16, description="root disk in GB; deleted with the machine", json_schema_extra=SHOWN
    )
    home_disk: Annotated[Whole, Field(ge=0, le=16384)] = Field(
        default=5,
        description="home disk in GB; kept when the machine is deleted; 0: home on the root disk",
        json_schema_extra=SHOWN,
    )
    base: BaseSystem = Field(
        default=Base.UBUNTU, description="what the image is built from: ubuntu-24.04, al2023 or an AMI's id"
    )
    image: Image = Field(
        default="",
        description="a ready AMI of cloudJHub's, instead of building one",
        examples=["ami-0123456789abcdef0"],
    )
    packages: Annotated[tuple[Package, ...], *Listed] = Field(
        default=(),
        description="more Python packages in the image",
        examples=["[pandas, scikit-learn]"],
    )
    named_servers: Annotated[Whole, Field(ge=0, le=100)] = Field(
        default=3, description="how many more machines a user may have"
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Manager:
    """The machine that JupyterHub runs on; disks in GB."""

    domain: Domain = Field(
        default="",
        description="the hub's name in the DNS; without it the manager's address",
        examples=["hub.example.org"],
    )
    https: Https = Field(
        default=Https.SELF_SIGNED,
        description="lets-encrypt (needs a domain), own-certificate or self-signed",
        json_schema_extra=SHOWN,
    )
    email: Email = Field(default="", description="Let's Encrypt's contact", examples=["you@example.org"])
    certificate: File | None = Field(
        default=None, description="your own, PEM, with the chain", examples=["hub.pem"]
    )
    key: File | None = Field(default=None, description="its key, PEM", examples=["hub.key"])
    subdomains: Flag = Field(
        default=False,
        description="each user's server on a subdomain; needs a wildcard DNS record and certificate",
    )
    type: InstanceType = Field(default="t3.small", description="t3.small serves about 100 users")
    disk: Disk = Field(default=10, description="root disk in GB")
    state_disk: Disk = Field(
        default=4, description="the hub's database in GB; kept when the machine is replaced"
    )
    base: BaseSystem = Field(
        default=Base.UBUNTU, description="ubuntu-24.04, or the id of an AMI based on Debian or Ubuntu"
    )
    port: Annotated[Whole, Field(ge=1, le=65535)] = Field(default=443)
    private_address: Address = Field(
        default="",
        description="fixed, in the manager's subnet; without it the first free one; cannot be changed later",
        examples=["10.77.0.10"],
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Login:
    """Who may log in, and how."""

    authenticator: Annotated[str, one_of(Authenticator)] = Field(
        default=Authenticator.NATIVE.value,
        description="native (accounts of its own), github, google, oauth, lti13 or ldap",
        json_schema_extra=SHOWN,
    )
    options: Mapping[Annotated[str, AfterValidator(_not_secret)], Annotated[Any, BeforeValidator(free)]] = (
        Field(
            default_factory=dict,
            description="the authenticator's own; secrets by `cloudjhub secrets set`",
            examples=["{minimum_password_length: 12}"],
        )
    )
    allow_all: Flag = Field(
        default=False, description="all users whom the authenticator knows, instead of the users you name"
    )
    users_file: File = Field(
        default=Path("users"),
        validate_default=True,
        description="lines `name` or `name admin`, read at the first `up`; later: `cloudjhub users`",
        json_schema_extra=SHOWN,
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Timing:
    """How often things are checked. Schedules as EventBridge writes them."""

    report_period: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = Field(
        default=REPORT_PERIOD, description="how often a worker reports"
    )
    read_interval: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(minutes=5))] = Field(
        default=timedelta(seconds=5), description="how often the hub reads the records"
    )
    answer_limit: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(seconds=500))] = Field(
        default=timedelta(minutes=4), description="how long a machine may take to its first answer"
    )
    record_schedule: Schedule = "rate(1 minute)"
    sweep_schedule: Schedule = "rate(5 minutes)"
    reconcile_schedule: Schedule = "rate(15 minutes)"


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ClusterSettings:
    """Everything that `up` builds a cluster from."""

    cluster: ClusterName = Field(
        description="part of every name; cannot be changed later", json_schema_extra=SHOWN
    )
    region: Region = Field(description="of AWS; cannot be changed later", json_schema_extra=SHOWN)
    owner: TagValue = Field(
        description="who is responsible for the machines: their Owner tag", json_schema_extra=SHOWN
    )
    users: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=20,
        description="how many are expected: sizes are checked and costs calculated with it",
        json_schema_extra=SHOWN,
    )
    hours: Annotated[Number, Field(ge=0, le=HOURS_OF_A_MONTH)] = Field(
        default=30, description="a month that each is expected to work", json_schema_extra=SHOWN
    )
    alerts: Email = Field(
        default="",
        description="who gets CloudWatch's alarms about the cluster by e-mail",
        examples=["you@example.org"],
    )
    network: Network
    workers: Workers = Workers()
    manager: Manager = Manager()
    login: Login = Login()
    policy: Annotated[Mapping[str, Any], GetPydanticSchema(lambda _, handler: handler(IdlePolicy))] = Field(
        default_factory=dict
    )
    """The idle policy at the first `up`, as `lifecycle_app.model.policy` reads it; later by `cloudjhub settings`."""
    timing: Timing = Timing()


def fields_of(kind: Any) -> dict[str, FieldInfo]:
    """The declared settings of a section by name, in the order of the file; none for what is not a section."""
    if kind in (IdlePolicy, Mapping[str, Any]):
        hints = get_type_hints(IdlePolicy, include_extras=True)
        return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}
    return getattr(kind, "__pydantic_fields__", {})
