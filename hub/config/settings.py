"""The hub's settings, read from the environment once."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub.config.authenticators import checked
from hub.errors import SettingsError
from lifecycle_app.model.worker import CLUSTER_NAME

HUB_PORT = 8081
PROXY_API_PORT = 8001
WORKER_PORT = 8888
SHARED_PASSWORD = "shared-password"  # noqa: S105 -- the name of an authenticator

_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}\Z")
_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+\Z")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}\Z")
_GROUP = re.compile(r"sg-[0-9a-f]{8,17}\Z")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}\Z", re.ASCII)
_HUB_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the hub runs with; disks in GB."""

    cluster: str
    hub_name: str
    """What workers sign as the one they talk to."""
    region: str
    public_url: str
    private_address: str
    state_dir: Path
    image: str
    """What workers are launched from as long as the settings table names no image; "" for none."""
    types: tuple[str, ...]
    """Allowed instance types; the first is the default."""
    subnets: tuple[str, ...]
    group: str
    role: str
    """Name of the workers' role and of its instance profile."""
    worker_disk: int
    home_disk: int
    """0 puts the home on the root disk."""
    owner: str
    authenticator: str
    users_file: Path | None
    allow_all: bool
    report_period: timedelta
    read_interval: timedelta
    extra_config: Path | None
    """JupyterHub configuration loaded last, for instance an OAuth authenticator's."""
    authenticator_options: Mapping[str, Any] = field(default_factory=dict)
    """The authenticator's own, checked, with its defaults."""
    subdomain_host: str = ""
    """The public URL, if each user's servers are on a subdomain of it."""
    wanted_interval: timedelta = timedelta(minutes=1)
    """How often the operator's users and image are read."""
    named_servers: int = 3
    """So many servers with names of their own may a user have beside the default one, each on its own machine."""
    answer_limit: timedelta = timedelta(minutes=4)
    """How long a machine may take to its server's first answer, before it is stopped and started again."""

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
        return _is_loopback(urlsplit(self.public_url).hostname or "")


def read() -> Settings:
    """The settings in this process's environment. Raises SettingsError."""
    return from_environment(os.environ)


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`. Raises SettingsError that names the variable and the mend."""
    env = _Environment(environ)
    settings = Settings(
        cluster=env.matching(
            "CLUSTER", CLUSTER_NAME, "a letter and up to 31 lower-case letters, digits and hyphens"
        ),
        hub_name=env.matching("HUB_NAME", _HUB_NAME, "letters, digits, `.`, `_` and `-`"),
        region=_region(environ),
        public_url=_public_url(env),
        private_address=_address(env),
        state_dir=Path(env.required("STATE_DIR", "an existing directory for the hub's database")),
        image=env.matching_or_none("WORKER_IMAGE", _IMAGE, "the AMI's id, like ami-0123456789abcdef0"),
        types=env.listed("WORKER_TYPES", _TYPE, "instance types like t3.medium, the default one first"),
        subnets=env.listed("WORKER_SUBNETS", _SUBNET, "ids like subnet-0123456789abcdef0"),
        group=env.matching("WORKER_GROUP", _GROUP, "the security group's id, like sg-0123456789abcdef0"),
        role=env.matching("WORKER_ROLE", _ROLE, "the name of the workers' role"),
        worker_disk=env.number("WORKER_DISK", 8, 1, 16384, "the root disk in GB"),
        home_disk=env.number("HOME_DISK", 0, 0, 16384, "the home disk in GB, 0 for none"),
        owner=env.required("OWNER", "who answers for the machines; it becomes their Owner tag"),
        authenticator=env.matching(
            "AUTHENTICATOR", _WORD, f"a JupyterHub authenticator, like {SHARED_PASSWORD}"
        ),
        authenticator_options=_options(env),
        subdomain_host=_subdomain_host(env),
        users_file=env.file("USERS_FILE"),
        allow_all=env.yes_or_no("ALLOW_ALL"),
        report_period=timedelta(seconds=env.number("REPORT_PERIOD", 30, 1, 3600, "seconds")),
        read_interval=timedelta(seconds=env.number("READ_INTERVAL", 5, 1, 300, "seconds")),
        wanted_interval=timedelta(seconds=env.number("WANTED_INTERVAL", 60, 1, 300, "seconds")),
        answer_limit=timedelta(seconds=env.number("ANSWER_LIMIT", 240, 10, 500, "seconds")),
        extra_config=env.file("EXTRA_CONFIG"),
        named_servers=env.number("NAMED_SERVERS", 3, 0, 100, "named servers per user, 0 for none"),
    )
    if settings.authenticator == SHARED_PASSWORD and not settings.is_loopback:
        raise SettingsError(
            f"CLOUDJHUB_AUTHENTICATOR={SHARED_PASSWORD} is for one machine only, but CLOUDJHUB_PUBLIC_URL is"
            f" {settings.public_url}: choose an authenticator with real accounts"
        )
    if not settings.state_dir.is_dir():
        raise SettingsError(f"CLOUDJHUB_STATE_DIR={settings.state_dir} is no directory: create it")
    return settings


class _Environment:
    """Variables by their name without the prefix; every refusal names the variable and the mend."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def required(self, name: str, mend: str) -> str:
        value = self._environ.get(f"CLOUDJHUB_{name}", "").strip()
        if not value:
            raise SettingsError(f"CLOUDJHUB_{name} is not set: set it to {mend}")
        return value

    def optional(self, name: str) -> str:
        return self._environ.get(f"CLOUDJHUB_{name}", "").strip()

    def matching(self, name: str, pattern: re.Pattern[str], mend: str) -> str:
        value = self.required(name, mend)
        if not pattern.match(value):
            raise SettingsError(f"CLOUDJHUB_{name}={value!r} is not usable: set it to {mend}")
        return value

    def matching_or_none(self, name: str, pattern: re.Pattern[str], mend: str) -> str:
        return self.matching(name, pattern, mend) if self._environ.get(f"CLOUDJHUB_{name}") else ""

    def listed(self, name: str, pattern: re.Pattern[str], mend: str) -> tuple[str, ...]:
        values = tuple(part.strip() for part in self.required(name, mend).split(","))
        if not all(pattern.match(value) for value in values):
            raise SettingsError(
                f"CLOUDJHUB_{name}={','.join(values)!r} is not usable: set it to {mend}, with commas between"
            )
        return tuple(dict.fromkeys(values))

    def number(self, name: str, default: int, least: int, most: int, mend: str) -> int:
        value = self._environ.get(f"CLOUDJHUB_{name}", "").strip() or str(default)
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
            raise SettingsError(
                f"CLOUDJHUB_{name}={value!r} is not usable: set it to {mend}, from {least} to {most}"
            )
        return int(value)

    def yes_or_no(self, name: str) -> bool:
        value = self._environ.get(f"CLOUDJHUB_{name}", "no").strip()
        if value not in ("yes", "no"):
            raise SettingsError(f"CLOUDJHUB_{name}={value!r} is not usable: set it to yes or no")
        return value == "yes"

    def file(self, name: str) -> Path | None:
        value = self._environ.get(f"CLOUDJHUB_{name}", "").strip()
        if not value:
            return None
        if not Path(value).is_file():
            raise SettingsError(
                f"CLOUDJHUB_{name}={value}: there is no such file: create it or unset the variable"
            )
        return Path(value)


def _checked(env: _Environment, name: str, mend: str, is_good: Callable[[str], bool]) -> str:
    value = env.required(name, mend)
    if not is_good(value):
        raise SettingsError(f"CLOUDJHUB_{name}={value!r} is not usable: set it to {mend}")
    return value


def _public_url(env: _Environment) -> str:
    return _checked(
        env, "PUBLIC_URL", "the address in the browser, like https://hub.example", _is_public_url
    ).rstrip("/")


def _is_public_url(value: str) -> bool:
    parts = urlsplit(value)
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def _options(env: _Environment) -> dict[str, Any]:
    text = env.optional("AUTHENTICATOR_OPTIONS")
    try:
        told = json.loads(text or "{}")
    except ValueError as error:
        raise SettingsError(
            f"CLOUDJHUB_AUTHENTICATOR_OPTIONS is no JSON ({error}): set it to an object of options"
        ) from error
    if not isinstance(told, dict):
        raise SettingsError("CLOUDJHUB_AUTHENTICATOR_OPTIONS is no JSON object: set it to one of options")
    try:
        return checked(env.required("AUTHENTICATOR", "a JupyterHub authenticator"), told)
    except SettingsError as error:
        raise SettingsError(f"CLOUDJHUB_AUTHENTICATOR_OPTIONS: {error}") from error


def _subdomain_host(env: _Environment) -> str:
    """JupyterHub takes it apart from the public URL; with us it can only be the same, which must be a domain's."""
    value = env.optional("SUBDOMAIN_HOST").rstrip("/")
    if value and (value != _public_url(env) or not _is_domain(urlsplit(value).hostname or "")):
        raise SettingsError(
            f"CLOUDJHUB_SUBDOMAIN_HOST={value!r} is not usable: set it to CLOUDJHUB_PUBLIC_URL, which has to have a"
            " domain name, or unset it"
        )
    return value


def _is_domain(host: str) -> bool:
    return "." in host and not _is_address(host)


def _address(env: _Environment) -> str:
    return _checked(env, "PRIVATE_ADDRESS", "the manager's IPv4 address in the VPC", _is_address)


def _is_address(value: str) -> bool:
    try:
        return ip_address(value).version == 4
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _region(environ: Mapping[str, str]) -> str:
    value = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
    if not _REGION.match(value):
        raise SettingsError(
            f"AWS_DEFAULT_REGION={value!r} is not usable: set it to the cluster's region, like us-east-1"
        )
    return value
