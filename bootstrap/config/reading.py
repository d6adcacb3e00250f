"""cluster.yaml, read strictly: whatever is unknown, misspelt or contradictory is one line that names the mend."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.config import checks
from bootstrap.config.choices import Base, Egress, Https
from bootstrap.config.document import LARGEST, Scalar, Table, Value, parse, suggestion
from bootstrap.config.instance_types import INSTANCE_TYPE
from bootstrap.config.login import authenticator, options
from bootstrap.config.policy import policy
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from bootstrap.config.values import (
    Reader,
    address,
    address_range,
    decimal,
    duration_between,
    flag,
    listed,
    matching,
    one_of,
    path,
    tag_value,
    unless_empty,
    whole,
)
from bootstrap.errors import SettingsError
from lifecycle_app.model.worker import CLUSTER_NAME

LARGEST_DISK = 16384
HOURS_OF_A_MONTH = 744

_NAME_MEND = "a letter and up to 31 lower-case letters, digits and hyphens"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]\Z")
_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]([a-z]|(-[a-z]+)+-[0-9][a-z])\Z")
_AMI = re.compile(r"ami-[0-9a-f]{8,17}\Z")
_VPC = re.compile(r"vpc-[0-9a-f]{8,17}\Z")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}\Z")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_PACKAGE = re.compile(r"[A-Za-z0-9][^#]*\Z")
_RATE = re.compile(
    r"rate\((1 (minute|hour|day)|(?!0|1 )[0-9]{1,5} (minutes|hours|days))\)\Z|cron\([^()]{11,100}\)\Z"
)

_cluster_name = matching(CLUSTER_NAME, _NAME_MEND)
_subnet = matching(_SUBNET, "a subnet's id, like subnet-0123456789abcdef0")
_image = matching(_AMI, "an AMI's id, like ami-0123456789abcdef0")
_schedule = matching(_RATE, "a schedule as EventBridge writes it, like rate(5 minutes) or rate(1 minute)")
_instance_type = matching(INSTANCE_TYPE, "an instance type like t3.medium")


def read_settings(file: Path) -> ClusterSettings:
    """The cluster that a file describes; its relative paths are relative to the file. Raises SettingsError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{file} does not exist: write it with `cloudjhub init`, or name another with --file"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}: name another file with --file"
        ) from error
    return settings_in(content, file)


def settings_in(content: bytes, file: Path) -> ClusterSettings:
    """The settings in the content of `file`. Raises SettingsError."""
    top = parse(content, file)
    found = _read(top, _readers(file.parent), required=("cluster", "region", "owner"))
    found.setdefault("network", Network(name=""))
    found.setdefault("login", Login(users_file=file.parent / Login().users_file))
    if not found["network"].name:
        found["network"] = checks.named(found["network"], found["cluster"])
    settings = ClusterSettings(**found)
    checks.check(settings, top)
    return settings


def _readers(directory: Path) -> dict[str, Reader[Any]]:
    return {
        "cluster": _cluster_name,
        "region": matching(_REGION, "a region of AWS, like us-east-1"),
        "owner": tag_value,
        "users": whole(1, 100_000, "how many users are expected"),
        "hours": decimal(0, HOURS_OF_A_MONTH, "how many hours a month a user works"),
        "alerts": unless_empty(matching(_EMAIL, "an e-mail address"), ""),
        "network": _section(Network, NETWORK, name=""),
        "workers": _section(Workers, WORKERS),
        "manager": _section(Manager, _manager(directory)),
        "login": _section(Login, _login(directory), users_file=directory / Login().users_file),
        "timing": _section(Timing, TIMING),
        "policy": policy,
    }


def _base(value: Value) -> str:
    if isinstance(value, Scalar) and (value.text in list(Base) or _AMI.match(value.text)):
        return value.text
    return matching(_AMI, f"{', '.join(Base)} or an AMI's id, like ami-0123456789abcdef0")(value)


NETWORK: Mapping[str, Reader[Any]] = {
    "name": _cluster_name,
    "cidr": address_range,
    "zones": listed(matching(_ZONE, "a zone of the region, like us-east-1a")),
    "egress": one_of(Egress),
    "vpc": unless_empty(matching(_VPC, "a VPC's id, like vpc-0123456789abcdef0"), ""),
    "manager_subnet": unless_empty(_subnet, ""),
    "worker_subnets": listed(_subnet),
}

WORKERS: Mapping[str, Reader[Any]] = {
    "types": listed(_instance_type),
    "disk": whole(1, LARGEST_DISK, "the root disk in GB"),
    "home_disk": whole(0, LARGEST_DISK, "the home disk in GB, 0 for none"),
    "base": _base,
    "image": unless_empty(_image, ""),
    "packages": listed(matching(_PACKAGE, "a Python package as pip names it, like pandas or pandas==2.2.3")),
    "named_servers": whole(0, 100, "how many more servers a user may have, 0 for none"),
}

TIMING: Mapping[str, Reader[Any]] = {
    "report_period": duration_between(1, 3600),
    "read_interval": duration_between(1, 300),
    "answer_limit": duration_between(10, 500),
    "record_schedule": _schedule,
    "sweep_schedule": _schedule,
    "reconcile_schedule": _schedule,
}


def _manager(directory: Path) -> dict[str, Reader[Any]]:
    return {
        "type": _instance_type,
        "disk": whole(1, LARGEST_DISK, "the root disk in GB"),
        "state_disk": whole(1, LARGEST_DISK, "the disk of the hub's database in GB"),
        "base": _base,
        "domain": unless_empty(
            matching(_DOMAIN, "the hub's name in the DNS in lower case, like hub.example.org"), ""
        ),
        "port": whole(1, 65535, "the port"),
        "https": one_of(Https),
        "email": unless_empty(matching(_EMAIL, "an e-mail address"), ""),
        "certificate": unless_empty(path(directory), None),
        "key": unless_empty(path(directory), None),
        "subdomains": flag,
        "private_address": unless_empty(address, ""),
    }


def _login(directory: Path) -> dict[str, Reader[Any]]:
    return {
        "authenticator": authenticator,
        "options": options,
        "allow_all": flag,
        "users_file": path(directory),
    }


def _section(kind: type[Any], readers: Mapping[str, Reader[Any]], **defaults: Any) -> Reader[Any]:
    """A reader of a table; what is not in it has the default of the class, or of `defaults` before that."""

    def read(value: Value) -> Any:
        if isinstance(value, Scalar) and value.is_empty:
            return kind(**defaults)
        if not isinstance(value, Table):
            raise value.place.wrong(f"must hold indented lines below it, with {', '.join(readers)}")
        return kind(**{**defaults, **_read(value, readers)})

    return read


def _read(table: Table, readers: Mapping[str, Reader[Any]], required: tuple[str, ...] = ()) -> dict[str, Any]:
    for name, value in table.entries.items():
        if name not in readers:
            raise value.place.wrong(f"there is no such setting: {_known(name, readers)}")
    for name in required:
        if name not in table.entries:
            raise table.place.wrong(
                f"{name} is missing: add a line `{name}: ...`, or begin with `cloudjhub init`"
            )
    return {name: readers[name](value) for name, value in table.entries.items()}


def _known(name: str, readers: Mapping[str, Reader[Any]]) -> str:
    """The setting that was meant: one that stands here, or one of the same name that stands elsewhere."""
    sections = {
        "network": NETWORK,
        "workers": WORKERS,
        "manager": _manager(Path()),
        "login": _login(Path()),
        "timing": TIMING,
    }
    elsewhere = [section for section, known in sections.items() if name in known]
    if elsewhere:
        return f"{name} belongs below {' or '.join(f'`{section}:`' for section in elsewhere)}"
    return suggestion(name, list(readers))
