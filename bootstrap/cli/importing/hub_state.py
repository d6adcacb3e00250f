"""The users that a hub itself has: its database `jupyterhub.sqlite`, and what its API answers at `/hub/api/users`.

JupyterHub's tables since 0.8: https://github.com/jupyterhub/jupyterhub/blob/main/jupyterhub/orm.py
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from bootstrap.cli.importing.finds import MOST_USERS, Finds
from bootstrap.errors import SettingsError

USERS = "SELECT id, name, admin FROM users ORDER BY id LIMIT ?"
MEMBERS = (
    "SELECT groups.name, users.name FROM user_group_map"
    " JOIN groups ON groups.id = group_id JOIN users ON users.id = user_id ORDER BY groups.name, users.name LIMIT ?"
)


def read_database(file: Path, finds: Finds) -> None:
    """The users and groups in JupyterHub's database, which is opened for reading only. Raises SettingsError."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            users = database.execute(USERS, [MOST_USERS]).fetchall()
            members = database.execute(MEMBERS, [20 * MOST_USERS]).fetchall()
    except sqlite3.Error as error:
        raise SettingsError(
            f"{file} cannot be read as JupyterHub's database ({error}): copy it while that hub is stopped, or"
            " save what its API answers at /hub/api/users"
        ) from error
    _add_users(((f"{file}, user {number}", name, bool(admin)) for number, name, admin in users), finds)
    for group, name in members:
        finds.member(group, name, f"{file}, group {str(group)[:60]!r}")


def read_answer(content: str, file: Path, finds: Finds) -> None:
    """The users in what JupyterHub's API answers, in its pages too (`items`). Raises SettingsError."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{file} is not JSON ({error}): save the answer of /hub/api/users again"
        ) from error
    entries = found.get("items") if isinstance(found, dict) else found
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise SettingsError(f"{file} is not a list of users: save the answer of /hub/api/users")
    users = [(f"{file}, entry {at}", one) for at, one in enumerate(entries, 1) if one.get("kind") != "group"]
    _add_users(((place, one.get("name"), one.get("admin") is True) for place, one in users), finds)
    for place, one in users:
        groups = one.get("groups")
        for group in groups if isinstance(groups, list) else []:
            finds.member(group, one.get("name"), place)
    if isinstance(found, dict) and (found.get("_pagination") or {}).get("next"):
        finds.notes.append(
            f"{file} is one page of several: save the others too, with &offset=, and name them all"
        )


def _add_users(users: Iterable[tuple[str, Any, bool]], finds: Finds) -> None:
    """Two users whose names are one name here are refused: they would share a machine and its files."""
    spelt: dict[str, object] = {}
    for place, name, admin in users:
        key = finds.user(name, place, admin=admin)
        if key is not None and spelt.setdefault(key, name) != name:
            finds.refused.append(
                f"{place}: {spelt[key]!r} and {name!r} are two users there, and one name here"
            )
