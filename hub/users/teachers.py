"""Teachers: users who see and start or stop the machines of a group, and open its servers, by a role of JupyterHub.

JupyterHub has no API for roles and takes those of its configuration at its start only, so the hub itself keeps them as
the operator's list says, in its database.
"""

import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from jupyterhub import orm, roles

PREFIX = "teacher-"


def role_name(group: str) -> str:
    """The role of a group's teachers. A role's name has few characters, a group's any."""
    return PREFIX + hashlib.sha256(group.encode()).hexdigest()[:40]


def scopes(group: str) -> Sequence[str]:
    """What the group's teachers may do: nothing with other users, and nothing with accounts."""
    return [
        f"{one}!group={group}" for one in ("list:users", "read:users:groups", "servers", "access:servers")
    ]


def set_teachers(db: Any, teaches: Mapping[str, AbstractSet[str]]) -> None:
    """Gives each of these users the roles of their groups, and takes from all users what the list does not say."""
    wanted: dict[str, set[str]] = {}
    for user, groups in teaches.items():
        for group in groups:
            wanted.setdefault(group, set()).add(user)
    named = {role_name(group): group for group in wanted}
    for role in db.query(orm.Role).filter(orm.Role.name.startswith(PREFIX)).all():
        for user in list(role.users):
            if user.name not in wanted.get(named.get(role.name, ""), ()):
                roles.strip_role(db, user, role)
        if role.name not in named:
            db.delete(role)
            db.commit()
    for name, group in named.items():
        roles.create_role(
            db, {"name": name, "description": f"Teacher of {group}", "scopes": list(scopes(group))}
        )
        for user in db.query(orm.User).filter(orm.User.name.in_(wanted[group])).all():
            roles.grant_role(db, user, orm.Role.find(db, name))
