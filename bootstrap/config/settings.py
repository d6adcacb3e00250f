"""The settings of a cluster: each is declared here once, with its type, bounds, default and description.

`reading` reads them from cluster.yaml; `writing` writes them there in this order, with their docstrings as comments.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetPydanticSchema
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from bootstrap.config.choices import Authenticator, Base, Credits, Egress, Https
from bootstrap.config.outgoing import IndexUrl, MirrorUrl, ProxyUrl, Together, Unproxied
from bootstrap.config.policy import IdlePolicy
from bootstrap.config.values import (
    Address,
    AddressRange,
    AptPackage,
    AuditDays,
    BaseSystem,
    BrandName,
    ChosenZone,
    ClusterName,
    Color,
    Disk,
    Domain,
    Duration,
    Email,
    File,
    Flag,
    GroupName,
    HostedZone,
    Image,
    InstanceType,
    KeyArn,
    Listed,
    ListedTables,
    LoginText,
    Number,
    OwnTags,
    Package,
    PolicyArn,
    ProfileName,
    ProfileText,
    Region,
    RolePath,
    RolePrefix,
    Schedule,
    SourceRange,
    Subnet,
    TagValue,
    Vpc,
    Whole,
    Zone,
    at_most,
    free,
    kept_for,
    one_of,
    reboots,
    root_lasts,
)
from hub.config.origins import is_name
from hub.config.profiles import LARGEST_DISK, MOST_GROUPS, MOST_PROFILES, MOST_TYPES
from lifecycle_app.contract import REPORT_PERIOD
from lifecycle_app.settings import LONGEST_BACKUPS

ZONES_BY_DEFAULT = 2
HOURS_OF_A_MONTH = 744

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)
SHOWN = Field(json_schema_extra={"shown": True})
"""A setting that is written even where it has its default value; the others are written as comments."""


def _example(text: str) -> Any:
    """What is written, as a comment, where the default is empty."""
    return Field(examples=[text])


def _between(least: int, most: int) -> Any:
    return Field(ge=least, le=most)


def _seconds_between(least: int, most: int) -> Any:
    return Field(ge=timedelta(seconds=least), le=timedelta(seconds=most))


def _not_secret(name: str) -> str:
    """Secrets are in Parameter Store, never in a file that is copied, sent and committed."""
    if name.endswith(("secret", "password")):
        secret = "ldap-password" if name.endswith("password") else "client-secret"
        raise ValueError(f"secrets are not kept here: remove it and run `cloudjhub secrets set {secret}`")
    return name


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Network:
    """A network of our own, shared by all clusters that give the same name, or an existing VPC with its subnets."""

    name: Annotated[ClusterName, SHOWN] = ""
    """clusters that give the same name share one network"""
    egress: Annotated[Egress, SHOWN] = Egress.DUAL_STACK
    """workers' way out: dual-stack, manager, public-address or nat-gateway ($37 a month)"""
    cidr: AddressRange = IPv4Network("10.77.0.0/16")
    """private addresses; a /16 has room for thousands of users"""
    zones: Annotated[tuple[Zone, ...], *Listed, _example("[us-east-1a, us-east-1b]")] = ()
    """two or more, the manager's first; without this line the first two of the region"""
    vpc: Annotated[Vpc, _example("vpc-0123456789abcdef0")] = ""
    """an existing VPC instead; then remove egress, cidr and zones"""
    manager_subnet: Annotated[Subnet, _example("subnet-0123456789abcdef0")] = ""
    """its public subnet for the manager"""
    worker_subnets: Annotated[tuple[Subnet, ...], *Listed, _example("[subnet-0123456789abcdef1]")] = ()
    """its subnets for workers, with a way out; that in the manager's zone first"""
    private: Flag = False
    """with vpc: no public address at all; cannot be changed later"""
    endpoints: Flag = False
    """with private and no way out: endpoints of AWS's services ($51 a month and zone)"""
    allowed_networks: Annotated[
        tuple[SourceRange, ...], *Listed, at_most(50), _example("[192.0.2.0/24, 198.51.100.7/32]")
    ] = ()
    """public addresses that browsers may come from; without this line all"""
    http_proxy: Annotated[ProxyUrl, _example("http://proxy.example.org:3128")] = ""
    """by which machines reach the internet; AWS itself they reach without it"""
    https_proxy: Annotated[ProxyUrl, _example("http://proxy.example.org:3128")] = ""
    """if another one is for https"""
    no_proxy: Annotated[
        tuple[Unproxied, ...],
        *Listed,
        Together,
        _example("[mirror.example.org, .intranet.example.org, 10.0.0.0/8]"),
    ] = ()
    """what they reach without the proxy"""
    pip_index: Annotated[IndexUrl, _example("https://mirror.example.org/pypi/simple")] = ""
    """where pip finds packages, instead of pypi.org"""
    apt_mirror: Annotated[MirrorUrl, _example("http://mirror.example.org/ubuntu")] = ""
    """where apt finds packages, instead of the distribution's archive"""

    @property
    def is_ours(self) -> bool:
        """Is it built by `up`, rather than an existing VPC?"""
        return not self.vpc


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Profile:
    """A kind of machine that users choose by its name."""

    name: ProfileName
    """what users read"""
    types: Annotated[tuple[InstanceType, ...], *Listed, Field(min_length=1), at_most(MOST_TYPES)]
    """in order of preference: a later one is used where AWS has none of those before it"""
    description: ProfileText = ""
    """a line about it"""
    groups: Annotated[tuple[GroupName, ...], *Listed, at_most(MOST_GROUPS)] = ()
    """whose members may have it; without this line all users"""
    disk: Annotated[Whole, _between(0, LARGEST_DISK)] = 0
    """root disk in GB, at least workers.disk; without this line that"""


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Workers:
    """The users' machines; disks in GB."""

    types: Annotated[tuple[InstanceType, ...], *Listed, SHOWN] = ("t4g.medium", "t4g.large")
    """users choose among these, the first is the default; all arm64 or all x86_64"""
    profiles: Annotated[
        tuple[Profile, ...],
        ListedTables,
        LoginText,
        at_most(MOST_PROFILES),
        _example("[{name: Big, types: [t4g.xlarge, m7g.xlarge]}]"),
    ] = ()
    """instead of types: kinds of machine with names, for groups"""
    disk: Annotated[Disk, SHOWN] = 8
    """root disk in GB; deleted with the machine: what root installed too"""
    home_disk: Annotated[Whole, _between(0, LARGEST_DISK), SHOWN] = 2
    """home disk in GB at first; kept when the machine is deleted; 0: home on the root disk"""
    home_limit: Annotated[Whole, _between(0, LARGEST_DISK), SHOWN] = 20
    """GB up to which homes grow by themselves, doubled when they are full; 0: never"""
    backup_days: Annotated[Whole, _between(0, LONGEST_BACKUPS), SHOWN] = 7
    """days that the daily backups of homes are kept; 0: none are made"""
    root_kept: Annotated[str, AfterValidator(kept_for), SHOWN] = "12h"
    """a machine that is stopped for so long goes with its root disk: 12h, 3d or never"""
    base: BaseSystem = Base.UBUNTU
    """what the image is built from: ubuntu-24.04, al2023 or an AMI's id"""
    image: Annotated[Image, _example("ami-0123456789abcdef0")] = ""
    """a ready AMI of cloudJHub's, instead of building one"""
    packages: Annotated[tuple[Package, ...], *Listed, _example("[pandas, scikit-learn]")] = ()
    """more Python packages in the image"""
    apt_packages: Annotated[tuple[AptPackage, ...], *Listed, _example("[r-base, texlive-xetex]")] = ()
    """more packages of the system in the image"""
    setup: Annotated[File | None, _example("setup.sh")] = None
    """your script, which root runs in the image after that; contains no secret"""
    credits: Credits = Credits.STANDARD
    """burstable types without CPU credits: standard (slow) or unlimited ($0.04 a vCPU-hour)"""
    named_servers: Annotated[Whole, _between(0, 100)] = 3
    """how many more machines a user may have"""

    @property
    def all_types(self) -> tuple[str, ...]:
        """The types of all profiles, where there are such; the first is the default."""
        found = [kind for profile in self.profiles for kind in profile.types]
        return tuple(dict.fromkeys(found)) or self.types

    @property
    def types_setting(self) -> str:
        """The setting that names the types."""
        return "workers.profiles" if self.profiles else "workers.types"

    @property
    def backups_kept(self) -> int:
        """Days that daily backups of homes are kept; 0 where there are none, as without home disks."""
        return self.backup_days if self.home_disk else 0

    @property
    def root_lasts(self) -> timedelta | None:
        """How long a stopped machine and its root disk are kept; None: always, as where the home is on the root
        disk."""
        return root_lasts(self.root_kept) if self.home_disk else None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Manager:
    """The machine that JupyterHub runs on; disks in GB."""

    domain: Annotated[Domain, _example("hub.example.org")] = ""
    """the hub's name in the DNS; without it the manager's address"""
    hosted_zone: Annotated[ChosenZone, _example("Z0123456789ABC")] = ""
    """Route 53's zone of the domain, where several have its name; none: you make its records"""
    acme_zone: Annotated[HostedZone, _example("Z0123456789ABC")] = ""
    """Route 53's zone that you delegate _acme-challenge.<domain> to, if its own is elsewhere"""
    https: Annotated[Https, SHOWN] = Https.SELF_SIGNED
    """lets-encrypt (needs a domain), own-certificate or self-signed"""
    email: Annotated[Email, _example("you@example.org")] = ""
    """Let's Encrypt's contact"""
    certificate: Annotated[File | None, _example("hub.pem")] = None
    """your own, PEM, with the chain"""
    key: Annotated[File | None, _example("hub.key")] = None
    """its key, PEM"""
    subdomains: Flag = True
    """with a domain: each user's servers on a subdomain, out of the other users' reach"""
    type: Annotated[InstanceType, SHOWN] = "t4g.small"
    """t4g.small or t3.small serves about 100 users"""
    disk: Disk = 8
    """root disk in GB"""
    state_disk: Disk = 2
    """the hub's database in GB; kept when the machine is replaced"""
    audit_days: AuditDays = 365
    """how long the audit log and the machines' history are kept"""
    base: BaseSystem = Base.UBUNTU
    """ubuntu-24.04, or the id of an AMI based on Debian or Ubuntu"""
    reboot_window: Annotated[str, AfterValidator(reboots)] = "Sun 04:00-05:00"
    """when it may reboot for a security update; UTC, or with a zone like Europe/Berlin; or off"""
    port: Annotated[Whole, _between(1, 65535)] = 443
    private_address: Annotated[Address, _example("10.77.0.10")] = ""
    """fixed, in the manager's subnet; without it the first free one; cannot be changed later"""

    @property
    def has_subdomains(self) -> bool:
        """Has each user an origin? It needs a domain that can have subdomains."""
        return self.subdomains and is_name(self.domain)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Hub:
    """JupyterHub itself."""

    config: Annotated[File | None, _example("hub_config.py")] = None
    """your own lines of jupyterhub_config.py, loaded last; contains no secret"""
    brand: Annotated[BrandName, _example("Physics Notebooks")] = ""
    """the hub's name on its pages"""
    logo: Annotated[File | None, _example("logo.svg")] = None
    """instead of JupyterHub's: PNG or SVG of up to 48 KB"""
    color: Annotated[Color, _example('"#1d5a8a"')] = ""
    """of buttons and headings, dark enough for white text; in quotes"""
    login_text: Annotated[LoginText, _example("For members of the institute")] = ""
    """what the login page says first"""


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Login:
    """Who may log in, and how."""

    authenticator: Annotated[str, one_of(Authenticator), SHOWN] = Authenticator.NATIVE.value
    """native (accounts of its own), github, google, oauth, lti13 or ldap"""
    options: Annotated[
        Mapping[Annotated[str, AfterValidator(_not_secret)], Annotated[Any, BeforeValidator(free)]],
        _example("{minimum_password_length: 12}"),
    ] = Field(default_factory=dict)
    """the authenticator's own; secrets by `cloudjhub secrets set`"""
    allow_all: Flag = False
    """all users whom the authenticator knows, instead of the users you name"""
    trusted_users: Flag = False
    """true is needed without subdomains: users can then take over each other's accounts"""
    users_file: Annotated[File, SHOWN, Field(validate_default=True)] = Path("users")
    """lines `name` or `name admin`, read at the first `up`; later: `cloudjhub users`"""


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Timing:
    """How often things are checked. Schedules as EventBridge writes them."""

    report_period: Annotated[Duration, _seconds_between(1, 3600)] = REPORT_PERIOD
    """how often a worker reports"""
    read_interval: Annotated[Duration, _seconds_between(1, 300)] = timedelta(seconds=5)
    """how often the hub reads the records"""
    answer_limit: Annotated[Duration, _seconds_between(10, 500)] = timedelta(minutes=4)
    """how long a machine may take to its first answer"""
    record_schedule: Schedule = "rate(1 minute)"
    sweep_schedule: Schedule = "rate(5 minutes)"
    reconcile_schedule: Schedule = "rate(15 minutes)"
    removal_schedule: Schedule = "rate(30 minutes)"


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ClusterSettings:
    """Everything that `up` builds a cluster from."""

    cluster: Annotated[ClusterName, SHOWN]
    """part of every name; cannot be changed later"""
    region: Annotated[Region, SHOWN]
    """of AWS; cannot be changed later"""
    owner: Annotated[TagValue, SHOWN]
    """who is responsible for the machines: their Owner tag"""
    users: Annotated[Whole, _between(1, 100_000), SHOWN] = 20
    """how many are expected: sizes are checked and costs calculated with it"""
    hours: Annotated[Number, _between(0, HOURS_OF_A_MONTH), SHOWN] = 30
    """a month that each is expected to work"""
    alerts: Annotated[Email, _example("you@example.org")] = ""
    """who gets CloudWatch's alarms about the cluster by e-mail"""
    bill_alarm: Annotated[Number, _between(0, 1_000_000), _example("250")] = 0
    """US dollars a month of AWS's bill: AWS Budgets writes to that address at 80 % and at 100 % of them"""
    tags: Annotated[OwnTags, _example("{CostCenter: 48-1123}")] = Field(default_factory=dict)
    """your institution's, on everything in AWS that can have tags"""
    permissions_boundary: Annotated[PolicyArn, _example("arn:aws:iam::123456789012:policy/OrgBoundary")] = ""
    """the policy that is the boundary of every role"""
    role_path: Annotated[RolePath, _example("/project/")] = ""
    """of every role and instance profile; cannot be changed later"""
    role_prefix: Annotated[RolePrefix, _example("project-")] = ""
    """before the name of every role and instance profile; cannot be changed later"""
    kms_key: Annotated[KeyArn, _example("arn:aws:kms:us-east-1:123456789012:alias/hub")] = ""
    """your key for disks, tables, secrets, logs; cannot be changed later"""
    network: Network
    workers: Workers = Workers()
    manager: Manager = Manager()
    hub: Hub = Hub()
    login: Login = Login()
    policy: Annotated[Mapping[str, Any], GetPydanticSchema(lambda _, handler: handler(IdlePolicy))] = Field(
        default_factory=dict
    )
    """The idle policy at the first `up`, as `lifecycle_app.model.policy` reads it; later by `cloudjhub settings`."""
    timing: Timing = Timing()


def fields_of(kind: Any) -> dict[str, FieldInfo]:
    """The declared settings of a section, or of each in a list of them, by name, in the order of the file; none for
    what is not a section.
    """
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    if kind in (IdlePolicy, Mapping[str, Any]):
        hints = get_type_hints(IdlePolicy, include_extras=True)
        return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}
    return getattr(kind, "__pydantic_fields__", {})


def field_at(path: Iterable[str | int]) -> FieldInfo | None:
    """The declaration of the setting at a key path like ("workers", "disk"), if there is one; of an entry of a list,
    that of the list.
    """
    kind: Any = ClusterSettings
    field = None
    for part in path:
        if isinstance(part, int):
            continue
        field = fields_of(kind).get(part)
        if field is None:
            return None
        kind = field.annotation
    return field
