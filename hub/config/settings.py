"""The hub's settings, read once from the manager's configuration file.

The file is JSON; the environment variable CLOUDJHUB_CONFIG has its path. Settings of `cluster.yaml` have the same keys
in it. `bootstrap` puts there whatever `PATHS` names.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from hub.config.authenticators import checked
from hub.config.brand import LONGEST_NAME, LONGEST_TEXT, PRODUCT, color_in, line_in
from hub.config.origins import is_loopback, is_name
from hub.config.profiles import INSTANCE_TYPE, MOST_PROFILES, Profile, by_type, profiles_in
from hub.errors import SettingsError
from lifecycle_app.contract import CLUSTER_NAME, IMAGE_ID, REPORT_PERIOD

CONFIG_VARIABLE = "CLOUDJHUB_CONFIG"
OPERATORS_CONFIG, OPERATORS_LOGO = "operator/hub_config.py", "operator/logo"
"""Where in the bundle the institution's own configuration of the hub and its logo are, if it has them."""
BUNDLE = Path(__file__).parents[2]
"""What this hub is a part of: its sources, with the institution's own files."""
AUDIT_VARIABLE = "CLOUDJHUB_AUDIT_SOCKET"
"""The path of the journal's socket, for the audit log; without it, that goes into the hub's log."""
HUB_PORT = 8081
PROXY_API_PORT = 8001
WORKER_PORT = 8888
SHARED_PASSWORD = "shared-password"  # noqa: S105 -- the name of an authenticator

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file, with dots between its parts: what to set it to, and the reader of its value.

    `read` raises ValueError or TypeError for a value that cannot be used.
    """

    path: str
    fix: str
    read: Callable[[Any], Any]


def _text(path: str, pattern: str, fix: str) -> Key:
    return Key(path, fix, lambda value: _matching(pattern, value))


def _list(path: str, pattern: str, fix: str) -> Key:
    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise TypeError
        return tuple(dict.fromkeys(_matching(pattern, one) for one in value))

    return Key(path, f"a list of {fix}", read)


def _number(path: str, fix: str, least: int, most: int, unit: Callable[[int], Any] = int) -> Key:
    def read(value: Any) -> Any:
        if not least <= _of(int, value) <= most or isinstance(value, bool):
            raise ValueError
        return unit(value)

    return Key(path, f"{fix}, from {least} to {most}", read)


def _seconds(path: str, least: int, most: int) -> Key:
    return _number(path, "seconds", least, most, lambda value: timedelta(seconds=value))


def _flag(path: str) -> Key:
    return Key(path, "true or false", lambda value: _of(bool, value))


def _existing(path: str, fix: str, is_there: Callable[[Path], bool]) -> Key:
    def read(value: Any) -> Path:
        if not is_there(Path(value)):
            raise ValueError
        return Path(value)

    return Key(path, fix, read)


def _matching(pattern: str, value: Any) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError
    return str(value)


def _of(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _texts(value: Any) -> dict[str, str]:
    return {name: _of(str, text) for name, text in _of(dict, value).items()}


def _address(value: Any) -> str:
    if ip_address(_of(str, value)).version != 4:
        raise ValueError
    return str(value)


def _public_url(value: Any) -> str:
    parts = urlsplit(_of(str, value))
    has_path = parts.path not in ("", "/") or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or has_path:
        raise ValueError
    return str(value).rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the hub runs with; disks in GB."""

    cluster: Annotated[
        str,
        _text(
            "cluster", CLUSTER_NAME.pattern, "a letter and up to 31 lower-case letters, digits and hyphens"
        ),
    ]
    hub_name: Annotated[str, _text("hub.name", r"[\w.-]{1,128}", "letters, digits, `.`, `_` and `-`")] = ""
    """The hub's name in the proofs that workers sign; by default, `cloudjhub-` and the cluster's name."""
    region: Annotated[str, _text("region", r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region, like eu-central-1")]
    public_url: Annotated[
        str, Key("public_url", "the address in the browser, like https://hub.example", _public_url)
    ]
    private_address: Annotated[str, Key("private_address", "the manager's IPv4 address in the VPC", _address)]
    subdomains: Annotated[bool, _flag("subdomains")] = False
    """Are each user's servers on a subdomain of the public URL?"""
    state_dir: Annotated[
        Path, _existing("hub.state_dir", "an existing directory for the hub's database", Path.is_dir)
    ] = Path()
    """By default, the working directory."""
    owner: Annotated[
        str, _text("owner", ".*\\S.*", "who answers for the machines; it becomes their Owner tag")
    ]
    tags: Annotated[Mapping[str, str], Key("tags", "an object of texts", _texts)] = field(
        default_factory=dict
    )
    """The institution's own, on the machines and disks of users."""
    kms_key: Annotated[
        str,
        _text("kms_key", r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key"),
    ] = ""
    """What the disks of users are encrypted with; "" for the account's default key."""
    image: Annotated[str, _text("workers.image", IMAGE_ID, "the AMI's id, like ami-0123456789abcdef0")] = ""
    """What workers are launched from until the settings table names an image; "" for none."""
    types: Annotated[
        tuple[str, ...],
        _list("workers.types", INSTANCE_TYPE, "instance types, the default one first"),
    ]
    """Allowed instance types, those of all profiles; the first is the default."""
    profiles: Annotated[
        tuple[Profile, ...],
        Key(
            "workers.profiles",
            f"a list of at most {MOST_PROFILES} profiles, each with a name of its own and its types",
            profiles_in,
        ),
    ] = ()
    """What users choose among; without them, `types`."""
    subnets: Annotated[
        tuple[str, ...],
        _list("workers.subnets", r"subnet-[0-9a-f]{8,17}", "ids like subnet-0123456789abcdef0"),
    ]
    group: Annotated[
        str,
        _text("workers.group", r"sg-[0-9a-f]{8,17}", "the security group's id, like sg-0123456789abcdef0"),
    ]
    role: Annotated[str, _text("workers.role", r"[\w+=,.@-]{1,64}", "the name of the workers' role")]
    """Name of the workers' role and of its instance profile."""
    worker_disk: Annotated[int, _number("workers.disk", "the root disk in GB", 1, 16384)] = 8
    home_disk: Annotated[int, _number("workers.home_disk", "the home disk in GB", 0, 16384)] = 0
    """0 puts the home on the root disk."""
    credits: Annotated[str, _text("workers.credits", "standard|unlimited", "standard or unlimited")] = (
        "standard"
    )
    """What burstable machines do without CPU credits: slow down to their baseline, or cost more."""
    named_servers: Annotated[int, _number("workers.named_servers", "named servers per user", 0, 100)] = 3
    """How many named servers a user may have beside the default one, each on its own machine."""
    authenticator: Annotated[
        str, _text("login.authenticator", r"[\w.-]{1,128}", f"an authenticator, like {SHARED_PASSWORD}")
    ]
    authenticator_options: Annotated[
        Mapping[str, Any], Key("login.options", "an object of options", lambda value: _of(dict, value))
    ] = field(default_factory=dict)
    """The authenticator's own, checked, with its defaults."""
    allow_all: Annotated[bool, _flag("login.allow_all")] = False
    users_file: Annotated[Path | None, _existing("hub.users_file", "an existing file", Path.is_file)] = None
    """Lines `name` or `name admin`, used until the settings table has users."""
    report_period: Annotated[timedelta, _seconds("timing.report_period", 1, 3600)] = REPORT_PERIOD
    read_interval: Annotated[timedelta, _seconds("timing.read_interval", 1, 300)] = timedelta(seconds=5)
    answer_limit: Annotated[timedelta, _seconds("timing.answer_limit", 10, 500)] = timedelta(minutes=4)
    """How long a machine may take until its server first answers, before it is stopped and started again."""
    wanted_interval: Annotated[timedelta, _seconds("hub.wanted_interval", 1, 300)] = timedelta(minutes=1)
    """How often the operator's users and image are read."""
    bucket: Annotated[str, _text("bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the cluster's bucket")] = ""
    """Where backups of the database are kept; "" for nowhere."""
    bundle: Annotated[str, _text("bundle", r"[\w./-]{1,256}", "the key of the bundle")] = ""
    """What this hub is a part of."""
    brand: Annotated[
        str,
        Key("hub.brand", f"up to {LONGEST_NAME} characters", lambda value: line_in(value, LONGEST_NAME)),
    ] = PRODUCT
    """The hub's name for people."""
    color: Annotated[str, Key("hub.color", "a dark colour like #1d5a8a", color_in)] = ""
    """The accent colour; "" for JupyterHub's."""
    login_text: Annotated[
        str,
        Key("hub.login_text", f"up to {LONGEST_TEXT} characters", lambda value: line_in(value, LONGEST_TEXT)),
    ] = ""
    """What the login page says first."""
    logo: Annotated[Path, _existing("hub.logo", "an existing file", Path.is_file)] = BUNDLE / OPERATORS_LOGO
    """A picture that is shown instead of JupyterHub's, if it exists."""
    extra_config: Annotated[Path | None, _existing("hub.extra_config", "an existing file", Path.is_file)] = (
        None
    )
    """JupyterHub configuration loaded last, for instance an OAuth authenticator's."""

    @property
    def choices(self) -> tuple[Profile, ...]:
        """What users choose among, the default one first: the profiles, or each type with the others behind it."""
        return self.profiles or by_type(self.types)

    @property
    def hub_url(self) -> str:
        """Where the hub itself listens, inside the VPC."""
        return f"http://{self.private_address}:{HUB_PORT}"

    @property
    def hub_api(self) -> str:
        """The hub's API as workers reach it."""
        return f"{self.hub_url}/hub/api"

    @property
    def proxy_api(self) -> str:
        """The proxy's own API, inside the VPC."""
        return f"http://{self.private_address}:{PROXY_API_PORT}"

    @property
    def is_loopback(self) -> bool:
        """Can only this machine reach the public URL?"""
        return is_loopback(urlsplit(self.public_url).hostname or "")


KEYS: Mapping[str, Key] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()
}
PATHS = tuple(key.path for key in KEYS.values())
"""The keys that the hub reads."""
_OPTIONAL = {
    one.name for one in fields(Settings) if one.default is not MISSING or one.default_factory is not MISSING
}


def read() -> Settings:
    """The settings in the file that CLOUDJHUB_CONFIG names. Raises SettingsError: a line for each wrong value."""
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise SettingsError(
            f"{CONFIG_VARIABLE} is not set: set it to the path of the manager's configuration"
        )
    try:
        document = _of(dict, json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path} is not a readable JSON object: {error}") from error
    try:
        return from_document(document)
    except SettingsError as error:
        raise SettingsError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def audit_socket() -> Path | None:
    """Where lines of the audit log are sent, if they have a place of their own."""
    path = os.environ.get(AUDIT_VARIABLE)
    return Path(path) if path else None


def from_document(document: Mapping[str, Any]) -> Settings:
    """The settings in a file's content. Raises SettingsError: a line for each wrong value, with its key and the fix."""
    values, wrong = {}, []
    for name, key in KEYS.items():
        found = _value_at(document, key.path)
        if found in (None, ""):
            if name not in _OPTIONAL:
                wrong.append(f"{key.path} is missing: set it to {key.fix}")
            continue
        try:
            values[name] = key.read(found)
        except (ValueError, TypeError):
            wrong.append(f"{key.path}: {found!r} is not usable: set it to {key.fix}")
    if wrong:
        raise SettingsError("\n".join(wrong))
    return _checked_together(Settings(**values))


def _value_at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _checked_together(settings: Settings) -> Settings:
    """The settings with defaults that depend on others. Raises SettingsError for values that contradict each other."""
    if settings.authenticator == SHARED_PASSWORD and not settings.is_loopback:
        raise SettingsError(
            f"login.authenticator: {SHARED_PASSWORD} is for one machine only, but public_url is"
            f" {settings.public_url}: choose an authenticator with real accounts"
        )
    host = urlsplit(settings.public_url).hostname or ""
    if settings.subdomains and not is_name(host):
        raise SettingsError(f"subdomains: {host} has no subdomains: set public_url to a domain, or remove it")
    try:
        options = checked(settings.authenticator, settings.authenticator_options)
    except SettingsError as error:
        raise SettingsError(f"login.options: {error}") from error
    name = settings.hub_name or f"cloudjhub-{settings.cluster}"
    return replace(settings, hub_name=name, authenticator_options=options)
