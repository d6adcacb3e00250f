"""Import of the earlier cloudJHub's files: settings with a counterpart, the users, and notes on the rest."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.errors import SettingsError
from hub.users.lists import TOKEN_USER
from hub.users.names import People

SERVER_CONFIG, INSTANCE_CONFIG, USERLIST, SECURE = (
    "server_config.json",
    "instance_config.json",
    "userlist",
    "secure.py",
)
FOLDERS = ("", "launch_cluster", "jupyterhub_files", "jupyterhub")
"""Where cloudJHub's checkout and its manager (`/etc/jupyterhub`) keep them."""
LARGEST = 1024 * 1024
SMALLEST_DISK = 10
"""GB: Ubuntu with JupyterLab and nbgrader, and some room."""

_VPC = re.compile(r"""^\s*VPC_ID\s*=\s*["'](vpc-[0-9a-f]+)["']""", re.MULTILINE)
_SMALL = ("nano", "micro")

# Keys by what they were called in the two files; the launch script wrote the first, the operator the second.
_SAME: Mapping[str, tuple[str, ...]] = {
    "region": ("REGION",),
    "owner": ("WORKER_SERVER_OWNER", "SERVER_OWNER"),
    "worker_type": ("INSTANCE_TYPE", "WORKER_INSTANCE_TYPE"),
    "manager_type": ("MANAGER_INSTANCE_TYPE",),
    "disk": ("WORKER_EBS_SIZE",),
    "home_disk": ("USER_HOME_EBS_SIZE",),
    "timeout": ("JUPYTER_NOTEBOOK_TIMEOUT",),
    "custom_image": ("CUSTOM_WORKER_AMI",),
    "subnet": ("SUBNET_ID",),
    "cluster": ("JUPYTER_CLUSTER",),
}
_WITHOUT_COUNTERPART: Mapping[str, str] = {
    "SERVER_USERNAME": "machines have no SSH any more: use Session Manager",
    "WORKER_USERNAME": "users work under one name of the image's own",
    "KEY_NAME": "no SSH key is needed or kept anywhere",
    "IGNORE_PERMISSIONS": "there is no SSH key whose permissions matter",
    "WORKER_AMI": "a new worker image is built",
    "WORKER_SECURITY_GROUPS": "`cloudjhub up` makes its own security groups",
    "WORKER_SERVER_NAME": "machines are named automatically",
    "AVAILABILITY_ZONE": "workers are in the zones of their subnets",
    "JUPYTER_MANAGER_IP": "the new manager has an address of its own",
    "MANAGER_IP_ADDRESS": "the new manager has an address of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The texts of cloudJHub's files; None for one that is not there."""

    server_config: str | None = None
    instance_config: str | None = None
    userlist: str | None = None
    secure: str | None = None
    """Only the VPC's id is read from it: it holds access keys."""


@dataclass(slots=True)
class Migration:
    """What was found: `answers` has the known keys of cluster.yaml."""

    answers: dict[str, Any] = field(default_factory=dict)
    people: People = field(default_factory=People)
    notes: list[str] = field(default_factory=list)

    def put(self, section: str, key: str, value: Any) -> None:
        """Sets a setting of a section."""
        self.answers.setdefault(section, {})[key] = value


def find(directory: Path) -> Found:
    """cloudJHub's files in its checkout, or copied from its manager. Raises SettingsError if there are none."""
    texts = {name: _text(directory, name) for name in (SERVER_CONFIG, INSTANCE_CONFIG, USERLIST, SECURE)}
    if texts[SERVER_CONFIG] is None and texts[INSTANCE_CONFIG] is None and texts[USERLIST] is None:
        raise SettingsError(
            f"{directory} has none of {SERVER_CONFIG}, {INSTANCE_CONFIG} and {USERLIST}: name cloudJHub's checkout,"
            " or a directory with the files of /etc/jupyterhub on its manager"
        )
    return Found(
        server_config=texts[SERVER_CONFIG],
        instance_config=texts[INSTANCE_CONFIG],
        userlist=texts[USERLIST],
        secure=texts[SECURE],
    )


def migrate(
    found: Found, *, vpc: str = "", manager_subnet: str = "", worker_subnets: tuple[str, ...] = ()
) -> Migration:
    """The settings and users in cloudJHub's files. The manager's subnet is in none of them; if it is given, the old
    network is used. Raises SettingsError for a file that is not JSON.
    """
    given = {**_config(found.instance_config, INSTANCE_CONFIG), **_config(found.server_config, SERVER_CONFIG)}
    known = {name: value for name, keys in _SAME.items() if (value := _first(given, keys)) not in (None, "")}
    moved = Migration()
    for move in (_cluster, _types, _disks, _image, _timeout):
        move(known, moved)
    recorded = _VPC.search(found.secure or "")
    subnets = worker_subnets or ((str(known["subnet"]),) if "subnet" in known else ())
    _network(subnets, vpc or (recorded[1] if recorded else ""), manager_subnet, moved)
    _login(moved)
    _note_the_rest(given, moved)
    _people(found.userlist, moved)
    return moved


def _text(directory: Path, name: str) -> str | None:
    for folder in FOLDERS:
        file = directory / folder / name
        try:
            with file.open(encoding="utf-8") as stream:
                return stream.read(LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} cannot be read: {error}: fix it or remove it") from error
    return None


def _config(text: str | None, name: str) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not JSON ({error}): fix it or remove it") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{name} is not a JSON object: fix it or remove it")
    return found


def _first(given: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """The value of the first of these keys that has one: a text without spaces around it, or what it is."""
    for key in keys:
        value = given.get(key)
        value = value.strip() if isinstance(value, str) else value
        if value not in (None, ""):
            return value
    return None


def _cluster(known: Mapping[str, Any], moved: Migration) -> None:
    for key in ("region", "owner"):
        if key in known:
            moved.answers[key] = str(known[key])
    if "cluster" in known:
        old = str(known["cluster"])
        name = re.sub(r"[^a-z0-9-]+", "-", old.lower()).strip("-")[:32]
        moved.answers["cluster"] = name
        if name != old:
            moved.notes.append(
                f"JUPYTER_CLUSTER: {old!r} is called {name!r} now: lower case, digits and hyphens"
            )


def _types(known: Mapping[str, Any], moved: Migration) -> None:
    if "worker_type" in known:
        moved.put("workers", "types", [_type("workers.types", str(known["worker_type"]), moved)])
    if "manager_type" in known:
        moved.put("manager", "type", _type("manager.type", str(known["manager_type"]), moved))


def _type(key: str, old: str, moved: Migration) -> str:
    family, _, size = old.partition(".")
    new = f"t3.{size}" if family == "t2" else old
    if new != old:
        moved.notes.append(f"{key}: {old} becomes {new}: newer, faster and cheaper by a tenth")
    if size in _SMALL:
        moved.notes.append(
            f"{key}: {new} has 1 GB of memory or less, little for JupyterLab: consider t3.small or more"
        )
    return new


def _disks(known: Mapping[str, Any], moved: Migration) -> None:
    for key in ("disk", "home_disk"):
        if key in known:
            moved.put("workers", key, _number(key, known[key]))
    disk = moved.answers.get("workers", {}).get("disk", SMALLEST_DISK)
    if disk < SMALLEST_DISK:
        moved.put("workers", "disk", SMALLEST_DISK)
        moved.notes.append(f"WORKER_EBS_SIZE: {disk} GB becomes {SMALLEST_DISK}: the new image needs it")


def _number(key: str, value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise SettingsError(f"{_SAME[key][-1]} is {str(value)[:40]!r}: write a whole number there") from None


def _image(known: Mapping[str, Any], moved: Migration) -> None:
    if "custom_image" in known:
        moved.put("workers", "base", str(known["custom_image"]))
        moved.notes.append(
            "CUSTOM_WORKER_AMI: the new worker image is built from it; it must be a current Linux with Python 3.11"
            " or newer. Otherwise set workers.base to ubuntu-24.04 and name what you added in workers.packages"
        )


def _timeout(known: Mapping[str, Any], moved: Migration) -> None:
    if "timeout" in known:
        moved.put("policy", "idle_timeout", _number("timeout", known["timeout"]))
        moved.notes.append(
            "JUPYTER_NOTEBOOK_TIMEOUT: became policy.idle_timeout, and is obeyed:"
            " cloudJHub's culler always waited an hour."
            " A running cell or program counts as work, an open tab does not"
        )


def _network(subnets: tuple[str, ...], vpc: str, manager_subnet: str, moved: Migration) -> None:
    if vpc and subnets and manager_subnet:
        moved.answers["network"] = {
            "vpc": vpc,
            "manager_subnet": manager_subnet,
            "worker_subnets": list(subnets),
        }
        return
    there = " and ".join(part for part in (vpc, *subnets) if part)
    moved.notes.append(
        f"SUBNET_ID, VPC_ID: {there + ' could be' if there else 'no network was'} found;"
        " a new network will be built. To use the old one, give --vpc, --worker-subnet"
        " and --manager-subnet (a public one)"
    )


def _login(moved: Migration) -> None:
    moved.put("login", "authenticator", "native")
    moved.notes.append(
        "noauthenticator accepted any password: now each user has a password of their own (native)."
        " If jupyterhub_config.py named GitHub or another: set login.authenticator and login.options"
    )


def _note_the_rest(given: Mapping[str, Any], moved: Migration) -> None:
    """A note on each key without a counterpart."""
    used = {key for keys in _SAME.values() for key in keys}
    for key, value in given.items():
        if key in used or value in ("", None):
            continue
        reason = _WITHOUT_COUNTERPART.get(key, "is unknown and was not imported")
        moved.notes.append(f"{key[:60]}: {reason}")


def _people(userlist: str | None, moved: Migration) -> None:
    """Lines as cloudJHub read them: a name without spaces, and perhaps `admin`."""
    if userlist is None:
        moved.notes.append("userlist: not found, so the users file holds only the users you name now")
    for line in (userlist or "").splitlines():
        name, *more = line.split() or [""]
        if name == TOKEN_USER:
            moved.notes.append(
                f"userlist: {name} is left out: it held the culler's token, which is not needed"
            )
        elif name:
            _person(name, more[:1] == ["admin"], moved)


def _person(name: str, admin: bool, moved: Migration) -> None:
    try:
        moved.people = moved.people.with_user(name, admin=admin)
    except ValueError as error:
        moved.notes.append(f"userlist: left out {error}")
