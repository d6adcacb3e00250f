"""A worker's settings: a file written at launch (boot client) and the environment (activity reporter).

The only place that reads the environment.

WorkerError
├── ConfigError              the launch file or the environment cannot be used
├── IdentityUnavailable      instance metadata or credentials cannot be read (yet)
└── EnvironmentUnavailable   the hub gave no environment; says whether and when to ask again
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from lifecycle_app.contract import HOME_FIELD, HOME_VOLUME_FIELD, REPORT_PERIOD, HomeDisk

# What the machine knows better than the hub: in a server's environment these take precedence.
MACHINE_VARIABLES = (
    *(
        "HOME",
        "PATH",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "VIRTUAL_ENV",
        "PYTHONPATH",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
)
# AWS's variables with the endpoints of its services, without credentials: those come from the instance's role.
AWS_VARIABLES = (
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_CA_BUNDLE",
)
AWS_ENDPOINT_PREFIX = "AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The launch file: it holds no secret and no user. `home`: None if the launch did not say; `home_volume`: the id of
    the home's volume, "" if any disk beside the root disk is the home.
    """

    cluster: str
    hub_api: str
    hub_name: str
    region: str
    report_period: timedelta
    port: int
    home: HomeDisk | None = None
    home_volume: str = ""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read and check the launch file. Raises ConfigError, naming file and field."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path}: not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise ConfigError(f"{path}: a JSON object is expected")
        try:
            return cls.from_fields(fields)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Check the launch file's fields. Raises ConfigError, naming the field."""
        hub_api = _text(fields, "hub_api").rstrip("/")
        if not hub_api.startswith(("http://", "https://")):
            raise ConfigError(f"hub_api: {hub_api!r} is not an http(s) URL")
        return cls(
            cluster=_text(fields, "cluster"),
            hub_api=hub_api,
            hub_name=_text(fields, "hub_name"),
            region=_text(fields, "region"),
            report_period=period(fields.get("report_period", REPORT_PERIOD.total_seconds())),
            port=_port(fields.get("port", 8888)),
            home=_home(fields.get(HOME_FIELD)),
            home_volume=_home_volume(fields),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterSettings:
    """What the activity reporter gets from the boot client. ``boot_pid``: the parent of all the user's processes."""

    cluster: str
    instance_id: str
    report_period: timedelta
    boot_pid: int | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the reporter's variables. Raises ConfigError, naming the variable."""
        boot_pid = environ.get("CLOUDJHUB_BOOT_PID", "")
        return cls(
            cluster=_text(environ, "CLOUDJHUB_CLUSTER"),
            instance_id=_text(environ, "CLOUDJHUB_INSTANCE_ID"),
            report_period=period(environ.get("CLOUDJHUB_REPORT_PERIOD", REPORT_PERIOD.total_seconds())),
            boot_pid=int(boot_pid) if boot_pid.isdecimal() else None,
        )

    def to_environment(self) -> dict[str, str]:
        """The variables that ``from_environment`` reads."""
        variables = {
            "CLOUDJHUB_CLUSTER": self.cluster,
            "CLOUDJHUB_INSTANCE_ID": self.instance_id,
            "CLOUDJHUB_REPORT_PERIOD": f"{self.report_period.total_seconds():g}",
        }
        if self.boot_pid is not None:
            variables["CLOUDJHUB_BOOT_PID"] = str(self.boot_pid)
        return variables


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How a server reaches the hub's API, and its own token, which is never logged."""

    api_url: str
    token: str = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """What jupyterhub-singleuser is started with. Raises ConfigError, naming the variable."""
        return cls(_text(environ, "JUPYTERHUB_API_URL").rstrip("/"), _text(environ, "JUPYTERHUB_API_TOKEN"))


def machine_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The machine's own part of a server's environment: paths and endpoints, and no secret."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in MACHINE_VARIABLES or name in AWS_VARIABLES or name.startswith(AWS_ENDPOINT_PREFIX)
    }
    programs = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join([programs, kept.get("PATH", os.defpath)])
    kept.setdefault("HOME", str(Path.home()))
    kept.setdefault("LANG", "C.UTF-8")
    return kept


@contextmanager
def runtime_directory(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Where short-lived files go: the directory that systemd makes for the service, or else one of our own."""
    if given := environ.get("RUNTIME_DIRECTORY"):
        yield Path(given)
    else:
        with TemporaryDirectory(prefix="cloudjhub-") as made:
            yield Path(made)


def period(value: object) -> timedelta:
    """A report period from seconds, as number or text. Raises ConfigError."""
    try:
        seconds = float(str(value))
    except ValueError as error:
        raise ConfigError(f"report_period: {value!r} is not a number of seconds") from error
    if not 1 <= seconds <= 3600:
        raise ConfigError(f"report_period: {value!r} is not between 1 and 3600 seconds")
    return timedelta(seconds=seconds)


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} is missing")
    return value


def _port(value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"port: {value!r} is not a port number")
    return value


def _home(value: object) -> HomeDisk | None:
    try:
        return None if value is None else HomeDisk(str(value))
    except ValueError as error:
        raise ConfigError(f"{HOME_FIELD}: {value!r} is not one of {', '.join(HomeDisk)}") from error


def _home_volume(fields: Mapping[str, Any]) -> str:
    if _home(fields.get(HOME_FIELD)) is not HomeDisk.EXISTING_BESIDE_BACKUP:
        return ""
    volume = _text(fields, HOME_VOLUME_FIELD)
    if not re.fullmatch(r"vol-[0-9a-f]{8,17}", volume, re.ASCII):
        raise ConfigError(f"{HOME_VOLUME_FIELD}: {volume!r} is not the id of a volume")
    return volume


class WorkerError(Exception):
    """Root of this package's errors."""


class ConfigError(WorkerError):
    """The launch file or the environment cannot be used."""


class IdentityUnavailable(WorkerError):
    """Instance metadata or credentials cannot be read, as happens in a machine's first seconds."""


class EnvironmentUnavailable(WorkerError):
    """The hub gave no environment.

    ``refused``: the hub refuses this machine, or cannot verify it; another attempt soon is useless.
    ``retry_after``: how long the hub asks to wait.
    """

    def __init__(self, reason: str, *, refused: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.refused = refused
        self.retry_after = retry_after
