"""Who belongs to the cluster, as the operator keeps it: the JSON in the settings table, and the users file.

The command line reads and writes the same JSON with these functions, so nothing here needs JupyterHub.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import SettingsError
from hub.naming import normalised, objection

SCOPE = "users"
"""The scope of the settings table under which the JSON is kept."""


@dataclass(frozen=True, slots=True)
class People:
    """Normalised names. An administrator is a user too; nobody is both a user and removed."""

    users: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    """Those who were users: they may not log in, whoever else would let them."""

    def with_user(self, name: str, *, admin: bool = False) -> "People":
        """With this user, who may have been removed before. Raises ValueError that says why a name is refused."""
        key = accepted(name)
        admins = self.admins | {key} if admin else self.admins - {key}
        return People(self.users | {key}, admins, self.removed - {key})

    def without(self, name: str) -> "People":
        """Without this user, who may not log in any more. Raises ValueError that says why a name is refused."""
        key = accepted(name)
        return People(self.users - {key}, self.admins - {key}, self.removed | {key})


def accepted(name: str) -> str:
    """The name as it is kept. Raises ValueError that says why it is refused."""
    key = normalised(name)
    why = objection(key)
    if why:
        raise ValueError(f"{name[:100]!r}: {why}")
    return key


def parse(text: str) -> People:
    """The people in `{"users": {"alice": {"admin": true}}, "removed": ["bob"]}`.

    Raises ValueError that names what is wrong. Who is both is removed: the safer of the two.
    """
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004 -- a wrong text, not a wrong program
    users, removed = told.get("users", {}), told.get("removed", [])
    if not isinstance(users, dict) or not all(isinstance(about, dict) for about in users.values()):
        raise ValueError("`users` is no object of objects")
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise ValueError("`removed` is no list of names")
    gone = frozenset(accepted(name) for name in removed)
    known = {accepted(name): _is_admin(name, about) for name, about in users.items()}
    names = frozenset(known) - gone
    return People(names, frozenset(name for name in names if known[name]), gone)


def to_json(people: People) -> str:
    """The text that `parse` reads."""
    users = {name: {"admin": True} if name in people.admins else {} for name in sorted(people.users)}
    return json.dumps({"users": users, "removed": sorted(people.removed)}, ensure_ascii=False)


def from_file(file: Path) -> People:
    """The people in a file with lines `name` or `name admin`. Raises SettingsError for a line that cannot be used."""
    try:
        return _from_lines(file.read_text(encoding="utf-8").splitlines())
    except (ValueError, OSError) as error:
        raise SettingsError(f"{file}, {error}") from error


def _from_lines(lines: Iterable[str]) -> People:
    people = People()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        is_admin = text.endswith(" admin")
        try:
            people = people.with_user(text.removesuffix(" admin").strip(), admin=is_admin)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return people


def _is_admin(name: str, about: dict[str, Any]) -> bool:
    admin = about.get("admin", False)
    if not isinstance(admin, bool):
        raise ValueError(f"`admin` of {name[:100]!r} is neither true nor false")  # noqa: TRY004 -- a wrong text
    return admin
